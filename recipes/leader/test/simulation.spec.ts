import { describe, expect, it } from '@jest/globals';
import { LeaderCronJob } from '../src/core/cron-job.js';
import type { MisfirePolicy } from '../src/core/cron-plan.js';
import { CronSchedule } from '../src/core/cron-schedule.js';
import { CronStore } from '../src/core/cron-store.js';
import type { LeaderTerm } from '../src/index.js';
import { torment } from '../../../test/recipes/torment.js';
import { LeaderWorld, SESSION_TIMEOUT_MS, type Service } from './leader-world.js';

const SEEDS = Number(process.env.RECIPE_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 10_000;
/** Fewer would say nothing. */
const FIRES_MIN = 3;
/** Timers come a turn of the event loop late. */
const TICK_MS = 5;

/** What all leaders write to, outside of the ensemble: it sees tokens and forgets nothing. */
class Resource {
  readonly violations: string[] = [];
  private token = 0n;
  private holder = '';

  write(holder: string, token: bigint): void {
    if (token < this.token)
      this.violations.push(`${holder} wrote with ${token} after ${this.token}`);
    if (token === this.token && holder !== this.holder) {
      this.violations.push(`${holder} and ${this.holder} lead with the same token ${token}`);
    }
    this.token = token;
    this.holder = holder;
  }
}

/** What is planted to see that the invariants find it. */
type Mistake = 'none' | 'no asserts' | 'no claims';

/** Keeps the record without a claim: a job that only remembers what it did. */
class CarelessStore extends CronStore {
  override async write(...[term, record, version]: Parameters<CronStore['write']>) {
    void super.write(term, record, version).catch(() => undefined);
    return Promise.resolve(true);
  }
}

/** A service that leads, resigns, hands over, waits and runs a job, as its fates draw. */
class Candidate {
  terms = 0;
  stopped = false;
  readonly violations: string[] = [];
  /** Times of the schedule that were fired here. */
  readonly fired: number[] = [];
  readonly job: LeaderCronJob;
  private pausedAtMs = -Infinity;

  constructor(
    private readonly world: LeaderWorld,
    readonly service: Service,
    private readonly resource: Resource,
    private readonly mistake: Mistake,
    misfire: MisfirePolicy,
  ) {
    const { role, zk, log, process } = service;
    const Store = mistake === 'no claims' ? CarelessStore : CronStore;
    this.job = new LeaderCronJob({
      name: 'tick',
      role,
      schedule: new CronSchedule('* * * * * *', 'UTC'),
      store: new Store(zk, '/cron/tick', undefined),
      misfire,
      interrupted: 'leave',
      lateMs: 500,
      history: 100,
      clock: process.clock,
      log,
      body: async ({ at }) => {
        this.fired.push(at.getTime());
        await this.sleep(process.random.uint32() % 400);
      },
    });
    role.term$.subscribe((term) => {
      if (term !== null) void this.lead(term);
    });
  }

  pause(forMs: number): void {
    const { process } = this.service;
    process.pause();
    this.pausedAtMs = Infinity;
    this.world.world.after(forMs, () => {
      process.resume();
      this.pausedAtMs = this.world.world.virtualMs;
    });
  }

  /** Campaigns until it is stopped, and does what people do meanwhile. */
  async run(): Promise<void> {
    const { role, process } = this.service;
    this.job.start();
    role.campaign();
    while (!this.stopped) {
      await this.sleep(process.random.uint32() % 1_500);
      switch (process.random.uint32() % 6) {
        case 0:
          await role.resign();
          break;
        case 1: {
          const withdrawn = role.withdraw();
          if (process.random.uint32() % 2 === 0) await withdrawn;
          await this.sleep(process.random.uint32() % 500);
          role.campaign();
          break;
        }
        case 2:
          await this.handOver();
          break;
        default:
          await this.wait();
      }
    }
  }

  /** Every wait settles in time, whatever happens to the connection. */
  private async wait(): Promise<void> {
    const waitMs = this.service.process.random.uint32() % 2_000;
    await this.timed('whenLeading', waitMs, () => this.service.role.whenLeading({ waitMs }));
  }

  private async handOver(): Promise<void> {
    const names = ['ann', 'bob', 'cas'];
    const waitMs = 100 + (this.service.process.random.uint32() % 1_500);
    const id = names[this.service.process.random.uint32() % names.length]!;
    await this.timed('transferTo', waitMs, () => this.service.role.transferTo(id, { waitMs }));
  }

  private async timed(
    what: string,
    limitMs: number,
    action: () => Promise<unknown>,
  ): Promise<void> {
    const startedMs = this.world.world.virtualMs;
    await action().catch(() => undefined);
    const tookMs = this.world.world.virtualMs - startedMs;
    if (tookMs > limitMs + TICK_MS && this.pausedAtMs < startedMs) {
      this.violations.push(`${what} took ${tookMs} ms, although its limit was ${limitMs} ms`);
    }
  }

  /** Writes as long as it leads; half of it does not listen to the signal. */
  private async lead(term: LeaderTerm): Promise<void> {
    this.terms++;
    const { process, name } = this.service;
    const listens = process.random.uint32() % 2 === 0;
    const leave = term.enter();
    for (let step = process.random.uint32() % 12; step > 0; step--) {
      await this.sleep(process.random.uint32() % 200);
      if (listens && term.signal.aborted) break;
      if (this.mistake !== 'no asserts' && !term.isHeld) break;
      this.resource.write(name, term.token);
      await this.book(term);
    }
    leave();
  }

  /** A line in the book that the servers keep, under the guard of the term. */
  private async book(term: LeaderTerm): Promise<void> {
    try {
      const transaction = term.transaction();
      transaction.create('/book/line-', `${term.token}`, { mode: 'persistentSequential' });
      await transaction.commit({ deadlineMs: 1_000 });
    } catch {
      // Refused or unknown: what counts is the order of what stands in the book.
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

interface Run {
  readonly violations: readonly string[];
}

/** Three services under faults; then everything heals, and nothing may be left of them. */
async function run(seed: number, mistake: Mistake = 'none'): Promise<Run> {
  const world = await LeaderWorld.drawn(seed);
  await world.look((zk) => zk.ensurePath('/book'));
  const resource = new Resource();
  const misfire = (['skip', 'run-once', 'run-all'] as const)[seed % 3]!;
  const onSuspended = seed % 2 === 0 ? 'abort' : 'hold-until-deadline';
  const candidates = ['ann', 'bob', 'cas'].map((name) => {
    const service = world.service(name, {}, { onSuspended, graceMs: 1_000 });
    return new Candidate(world, service, resource, mistake, misfire);
  });
  const running = candidates.map((one) => world.begin(one.service, () => one.run()));
  const services = candidates.map(({ service }) => service);
  torment(world, services, TORMENT_MS, ({ name }, forMs) => {
    candidates.find(({ service }) => service.name === name)?.pause(forMs);
  });
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  // Liveness: once all is well, everybody comes to lead.
  world.relieve();
  const before = candidates.map(({ terms }) => terms);
  const fires = () => candidates.reduce((total, { fired }) => total + fired.length, 0);
  const isServed = () =>
    fires() > FIRES_MIN && candidates.every(({ terms }, at) => terms > before[at]! + 1);
  await world.world.reach(isServed, { virtualMsMax: 300_000 });

  for (const candidate of candidates) candidate.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  const closing = candidates.map(({ service, job }) =>
    world.begin(service, async () => {
      job.stop();
      await service.leaders.close();
    }),
  );
  await world.world.settle(Promise.all(closing), { virtualMsMax: 60_000 });
  await world.pass(2 * SESSION_TIMEOUT_MS);
  return {
    violations: [
      ...resource.violations,
      ...candidates.flatMap((one) => one.violations),
      ...(await leftovers(world, candidates)),
      ...(await misorder(world)),
      ...doubles(candidates),
      ...world.failures,
    ],
  };
}

/** I8: no node without anybody behind it, no watch. */
async function leftovers(world: LeaderWorld, candidates: readonly Candidate[]): Promise<string[]> {
  const found = candidates
    .filter(({ service }) => service.zk.watchCount > 0)
    .map(({ service }) => `${service.name} still watches`);
  const left = await world.nodes();
  if (left.length > 0) found.push(`nobody stands behind ${left.join()}`);
  if (world.watchCount > 0) found.push(`${world.watchCount} watches are left at the server`);
  return found;
}

/** I6: at each zxid one term is open, so tokens in the book never go back. I2: nor do they ever. */
async function misorder(world: LeaderWorld): Promise<string[]> {
  const lines = await world.look(async (zk) => {
    const { children } = await zk.children('/book');
    const read = [...children].sort().map((name) => zk.get(`/book/${name}`));
    return (await Promise.all(read)).map(({ data }) => BigInt(String(data)));
  });
  return lines.flatMap((token, at) => {
    const before = lines[at - 1];
    return before !== undefined && token < before ? [`${token} was booked after ${before}`] : [];
  });
}

/** Each time of the schedule is fired at most once, by whomever. */
function doubles(candidates: readonly Candidate[]): string[] {
  const fired = candidates.flatMap((one) => one.fired);
  const twice = fired.filter((at, index) => fired.indexOf(at) !== index);
  return twice.map((at) => `the time ${new Date(at).toISOString()} was fired twice`);
}

describe('roles under faults', () => {
  const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

  it.each(seeds)('have one leader at a time, and leave nothing behind, SEED=%i', async (seed) => {
    expect((await run(seed)).violations).toEqual([]);
  });

  it.each<[Mistake, RegExp, number]>([
    ['no asserts', /wrote with/, 1],
    ['no claims', /was fired twice/, 11],
  ])('convict those who make a mistake: %s, within 40 seeds', async (mistake, verdict, first) => {
    let found: readonly string[] = [];
    for (let seed = first; seed < first + 40 && !verdict.test(found.join()); seed++) {
      found = (await run(seed, mistake)).violations;
    }
    expect(found.join()).toMatch(verdict);
  });
});
