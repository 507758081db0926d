import { describe, expect, it } from '@jest/globals';
import { worstPowerCut } from '@aviary/simulator';
import { LeaseLostError, type AcquireOptions, type Lease } from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, type Service } from './lock-world.js';

const SEEDS = Number(process.env.LOCK_SEEDS ?? 15);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 12_000;
/** Timers come a turn of the event loop late. */
const TICK_MS = 5;

/** What everybody wants: it sees each write with its token, and forgets nothing. */
class GuardedResource {
  readonly violations: string[] = [];
  writes = 0;
  private token = 0n;
  private holder = '';

  write(holder: string, token: bigint): void {
    this.writes++;
    if (token < this.token)
      this.violations.push(`${holder} wrote with ${token} after ${this.token}`);
    if (token === this.token && holder !== this.holder) {
      this.violations.push(`${holder} and ${this.holder} have the same token ${token}`);
    }
    this.token = token;
    this.holder = holder;
  }
}

/** One service that takes the lock again and again, and gives up in every way there is. */
class Contender {
  acquired = 0;
  stopped = false;
  readonly errors: Record<string, number> = {};
  readonly violations: string[] = [];
  readonly tokens: bigint[] = [];
  private pausedAtMs = -Infinity;

  constructor(
    private readonly world: LockWorld,
    readonly service: Service,
    private readonly resource: GuardedResource,
    private readonly asserts: boolean,
  ) {}

  pause(forMs: number): void {
    const { process } = this.service;
    process.pause();
    this.pausedAtMs = Infinity;
    this.world.world.after(forMs, () => {
      process.resume();
      this.pausedAtMs = this.world.world.virtualMs;
    });
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const lease = await this.acquire();
        this.acquired++;
        this.tokens.push(lease.token);
        await this.use(lease).finally(() => lease.release());
      } catch (error) {
        const { name, outcome } = error as { name: string; outcome: string };
        this.errors[name] = (this.errors[name] ?? 0) + 1;
        if (outcome !== 'notApplied') this.violations.push(`${name} has outcome ${outcome}`);
        await this.sleep(20);
      }
    }
  }

  private async acquire(): Promise<Lease> {
    const { random, clock } = this.service.process;
    const kind = random.uint32() % 4;
    const waitMs = kind === 0 ? 0 : 200 + (random.uint32() % 3_000);
    let options: AcquireOptions = { waitMs };
    if (kind === 1) {
      const controller = new AbortController();
      clock.setTimer(waitMs / 2, () => controller.abort());
      options = { signal: controller.signal };
    }
    const limitMs = kind === 0 ? 5_000 : kind === 1 ? waitMs / 2 : waitMs;
    const startedMs = this.world.world.virtualMs;
    try {
      return await this.service.locks.acquire('a/b', options);
    } finally {
      const tookMs = this.world.world.virtualMs - startedMs;
      if (tookMs > limitMs + TICK_MS && this.pausedAtMs < startedMs) {
        this.violations.push(`acquire took ${tookMs} ms, although its limit was ${limitMs} ms`);
      }
    }
  }

  private async use(lease: Lease): Promise<void> {
    for (let step = this.service.process.random.uint32() % 6; step > 0; step--) {
      await this.sleep(this.service.process.random.uint32() % 150);
      if (this.asserts) lease.assertHeld();
      this.resource.write(this.service.name, lease.token);
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

/** Server killed and paused, services paused, cut off and reset, as the seed draws. */
function torment(world: LockWorld, contenders: readonly Contender[]): void {
  const fates = world.world.random.fork('fates');
  const after = (ms: number, action: () => void) => world.world.after(ms, action);
  const names = contenders.map(({ service }) => service.name);
  for (let at = 500; at < TORMENT_MS; at += fates.between(100, 1_500)) {
    const victim = contenders[fates.below(contenders.length)]!;
    const { name } = victim.service;
    const forMs = fates.between(1, 2 * SESSION_TIMEOUT_MS);
    switch (fates.below(7)) {
      case 0:
        after(at, () => world.boot());
        break;
      case 1:
        after(at, () => world.host.process?.pause());
        after(at + forMs, () => world.host.process?.resume());
        break;
      case 2:
      case 3:
        after(at, () => victim.pause(forMs));
        break;
      case 4:
        after(at, () => world.world.partition([name], ['server']));
        after(at + forMs, () => world.world.heal());
        break;
      case 5:
        after(at, () => {
          const [from, to] = fates.below(2) === 0 ? [name, 'server'] : ['server', name];
          world.world.cutOneWay(from, to);
        });
        after(at + forMs, () => world.world.heal());
        break;
      default:
        after(at, () => names.forEach((to) => world.world.fabric.resetBetween(to, 'server')));
    }
  }
}

interface Run {
  readonly violations: readonly string[];
  readonly acquired: number;
}

/** Three services under faults; then everything heals, and nothing may be left of them. */
async function run(seed: number, asserts: boolean): Promise<Run> {
  const world = await LockWorld.start({ seed, network: 'swarm' });
  const resource = new GuardedResource();
  const contenders = ['ann', 'bob', 'cas'].map(
    (name) => new Contender(world, world.service(name), resource, asserts),
  );
  const running = contenders.map((one) => world.begin(one.service, () => one.run()));
  torment(world, contenders);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  // Liveness: once all is well, everybody is served.
  world.world.heal();
  world.host.process?.kill(worstPowerCut);
  world.boot();
  const before = contenders.map(({ acquired }) => acquired);
  const isServed = () => contenders.every(({ acquired }, at) => acquired > before[at]! + 2);
  await world.world.reach(isServed, { virtualMsMax: 300_000 });

  for (const contender of contenders) contender.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  await world.pass(2 * SESSION_TIMEOUT_MS);
  const violations = [...resource.violations, ...contenders.flatMap((one) => one.violations)];
  for (const { tokens, service } of contenders) {
    const grow = tokens.every((token, at) => at === 0 || token > tokens[at - 1]!);
    if (!grow) violations.push(`tokens of ${service.name} do not grow`);
    if (service.zk.watchCount > 0) violations.push(`${service.name} still watches`);
  }
  const isThere = world.port.tree.findText('/locks/a/b') !== -1;
  const left = isThere ? await world.children('/locks/a/b') : [];
  if (left.length > 0) violations.push(`nobody stands behind ${left.join()}`);
  if (world.watchCount > 0) violations.push(`${world.watchCount} watches are left at the server`);
  return { violations: [...violations, ...world.failures], acquired: sum(contenders) };
}

function sum(contenders: readonly Contender[]): number {
  return contenders.reduce((total, { acquired }) => total + acquired, 0);
}

const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

describe('the lock under faults', () => {
  it.each(seeds)(
    'excludes, keeps the order, settles in time and leaves nothing behind, SEED=%i',
    async (seed) => {
      const { violations, acquired } = await run(seed, true);
      expect(violations).toEqual([]);
      expect(acquired).toBeGreaterThan(9);
    },
  );

  it('convicts holders that do not assert before they write, within 40 seeds', async () => {
    let found: readonly string[] = [];
    for (let seed = 1; seed <= 40 && found.length === 0; seed++) {
      found = (await run(seed, false)).violations;
    }
    expect(found.join()).toMatch(/wrote with/);
  });
});

it('an error that a lost lease throws is what the simulation expects', () => {
  expect(new LeaseLostError('/a', { reason: 'uncertain', token: 1n }).outcome).toBe('notApplied');
});
