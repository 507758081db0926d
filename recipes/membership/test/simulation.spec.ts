import { describe, expect, it } from '@jest/globals';
import { NoNodeError } from '@aviary/client';
import type { PresenceState } from '@aviary/coordination';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  type Service,
} from '../../../test/recipes/recipe-world.js';
import { torment } from '../../../test/recipes/torment.js';
import { Groups, type Member, type Membership } from '../src/index.js';

const SEEDS = Number(process.env.RECIPE_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 12_000;
/** Fewer would say nothing. */
const ROUNDS_MIN = 9;
/** So short that it passes in some of the faults. */
const TTL_MS = 1_500;
const GROUP = '/groups/g';

/** A process that joins, changes its payload, leaves, and joins again; and looks at the group. */
class Worker {
  readonly violations: string[] = [];
  stopped = false;
  rounds = 0;
  membership: Membership<number> | null = null;
  members: readonly Member<number>[] = [];
  isStale = true;
  private readonly groups: Groups;
  private readonly newest = new Map<string, bigint>();
  private count = 0;

  constructor(
    readonly service: Service,
    private readonly forgets: boolean,
    private readonly ttlMs: number | undefined,
  ) {
    this.groups = new Groups(service.zk, { log: service.log });
  }

  async run(): Promise<void> {
    const { random, clock } = this.service.process;
    const group = this.groups.group<number>('g');
    group.view$.subscribe(({ members, stale }) => this.see(members, stale));
    const sleep = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve));
    while (!this.stopped) {
      const membership = group.join(++this.count, { id: this.service.name, ttlMs: this.ttlMs });
      this.membership = membership;
      membership.state$.subscribe((state) => this.check(state));
      const waiting = { waitMs: random.uint32() % 3_000 };
      await membership.whenJoined(waiting).catch((error: unknown) => this.expected(error));
      for (let step = random.uint32() % 4; step > 0; step--) {
        await sleep(random.uint32() % 300);
        await membership
          .update(++this.count, waiting)
          .catch((error: unknown) => this.expected(error));
      }
      await sleep(random.uint32() % 500);
      if (!this.forgets) await membership.leave();
      else if (membership.state.kind === 'joined') await membership.leave();
      else break;
      this.rounds++;
    }
  }

  /** Joins for good. */
  async settle(): Promise<void> {
    const options = { id: this.service.name, ttlMs: this.ttlMs };
    this.membership = this.groups.join<number>('g', 1_000_000, options);
    await this.membership.whenJoined();
  }

  private expected(error: unknown): void {
    const { name } = error as Error;
    if (name !== 'DeadlineExceededError') this.violations.push(`${name} in ${this.service.name}`);
  }

  private check(state: PresenceState): void {
    const owner = this.ttlMs === undefined ? this.service.zk.sessionId : 0n;
    if (state.kind === 'joined' && state.sessionId !== owner) {
      this.violations.push(`${this.service.name} has joined in a session that is over`);
    }
    if (state.kind === 'conflict') this.violations.push(`${this.service.name} is another`);
  }

  private see(members: readonly Member<number>[], stale: boolean): void {
    this.members = members;
    this.isStale = stale;
    for (const { id, czxid } of members) {
      if (czxid < (this.newest.get(id) ?? 0n)) this.violations.push(`${id} went back to ${czxid}`);
      this.newest.set(id, czxid);
    }
  }
}

async function run(seed: number, forgets = false) {
  const world = await RecipeWorld.drawn(seed);
  const names = ['ann', 'bob', 'cas'];
  const workers = names.map(
    (name) => new Worker(world.service(name), forgets, name === 'cas' ? TTL_MS : undefined),
  );
  const running = workers.map((worker) => world.begin(worker.service, () => worker.run()));
  torment(
    world,
    workers.map(({ service }) => service),
    TORMENT_MS,
  );
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);
  world.relieve();
  const rounds = () => workers.reduce((sum, worker) => sum + worker.rounds, 0);
  await world.world.reach(() => rounds() > ROUNDS_MIN, { virtualMsMax: 60_000 });
  for (const worker of workers) worker.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 120_000 });
  await world.pass(3 * SESSION_TIMEOUT_MS);

  // I3: whoever has left is gone from the servers.
  // The group is gone with its last member, sooner or later.
  const present = () =>
    world.children(GROUP).catch((error: unknown) => {
      if (error instanceof NoNodeError) return [];
      throw error;
    });
  const left = await present();
  const violations = left.map((name) => `nobody stands behind ${name}`);

  // All join for good, and everybody sees all.
  const settled = workers.map((worker) => world.begin(worker.service, () => worker.settle()));
  await world.world.settle(Promise.all(settled), { virtualMsMax: 120_000 });
  const isRight = ({ members, isStale }: Worker) =>
    !isStale && members.map(({ id }) => id).join() === names.join();
  const areRight = () => workers.every(isRight);
  await world.world.reach(areRight, { virtualMsMax: 60_000 }).catch(() => undefined);
  for (const worker of workers) {
    violations.push(...worker.violations);
    if (!isRight(worker)) violations.push(`${worker.service.name} sees others than are there`);
  }
  for (const { service } of workers) await world.in(service, () => service.zk.close());
  await world.pass(2 * SESSION_TIMEOUT_MS);
  if (world.watchCount > 0) violations.push(`${world.watchCount} watches are left at the server`);
  if ((await present()).length > 0) violations.push('members are left');
  return { violations: [...violations, ...world.failures] };
}

const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

describe('groups under faults', () => {
  it.each(seeds)(
    'I3, I7, I8: nobody is left who has left, nothing goes back, all see the same at last, SEED=%i',
    async (seed) => {
      expect((await run(seed)).violations).toEqual([]);
    },
  );

  it('convicts who leaves only when he thinks that he is there, within 20 seeds', async () => {
    let found: readonly string[] = [];
    for (let seed = 1; seed <= 20 && found.length === 0; seed++) {
      found = await run(seed, true).then(
        ({ violations }) => violations,
        (error: unknown) => [String(error)],
      );
    }
    expect(found).not.toEqual([]);
  });
});
