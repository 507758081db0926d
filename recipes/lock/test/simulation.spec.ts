import { describe, expect, it } from '@jest/globals';
import { torment } from '../../../test/recipes/torment.js';
import { LockWorld, SESSION_TIMEOUT_MS, type Service } from './lock-world.js';
import { Contender, GuardedResource, Overview, type Kind } from './simulated-contender.js';

/** The other kinds stand on what the mutex is made of. */
const MUTEX_SEEDS = Number(process.env.LOCK_SEEDS ?? 5);
const SEEDS = Number(process.env.RECIPE_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 8_000;
const LOOK_MS = 5;
/** Fewer would say nothing. */
const GRANTS_MIN = 9;

interface Run {
  readonly violations: readonly string[];
}

/** Makes a mistake in the services' locks. */
type Mistake = (service: Service) => void;

/** Three services under faults; then everything heals, and nothing may be left of them. */
async function run(kind: Kind, seed: number, asserts = true, err?: Mistake): Promise<Run> {
  const world = await LockWorld.drawn(seed);
  const resource = new GuardedResource();
  const overview = new Overview(world, kind);
  const services = ['ann', 'bob', 'cas'].map((name) => world.service(name));
  if (err !== undefined) services.forEach(err);
  const scene = { world, kind, resource, overview, asserts };
  const contenders = services.map((service) => new Contender(service, scene));
  const running = contenders.map((one) => world.begin(one.service, () => one.run()));
  torment(world, services, TORMENT_MS, (service, forMs) => {
    contenders.find((one) => one.service === service)!.pause(forMs);
  });
  let isOver = false;
  const look = () => {
    overview.look();
    if (!isOver) world.world.after(LOOK_MS, look);
  };
  look();
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  // Liveness: once all is well, everybody is served.
  world.relieve();
  const before = contenders.map(({ acquired }) => acquired);
  const isServed = () =>
    overview.grants > GRANTS_MIN &&
    contenders.every(({ acquired }, at) => acquired > before[at]! + 2);
  await world.world.reach(isServed, { virtualMsMax: 300_000 });

  for (const contender of contenders) contender.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  isOver = true;
  await world.pass(2 * SESSION_TIMEOUT_MS);
  const violations = [
    ...resource.violations,
    ...overview.violations,
    ...contenders.flatMap((one) => one.violations),
    ...(await leftovers(world, services)),
    ...world.failures,
  ];
  return { violations };
}

/** I3, I8: neither contenders nor watches, before the clients go. */
async function leftovers(world: LockWorld, services: readonly Service[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of ['a/b', 'rw', 'p/leases', 'p/locks', 'x', 'y', 'z']) {
    const listing = world.look((zk) => zk.children(`/locks/${path}`));
    const { children } = await listing.catch(() => ({ children: [] }));
    if (children.length > 0) found.push(`nobody stands behind ${children.join()}`);
  }
  for (const { name, zk } of services) {
    if (zk.watchCount > 0) found.push(`${name} still watches`);
  }
  if (world.watchCount > 0) found.push(`${world.watchCount} watches are left at the server`);
  return found;
}

const KINDS = [
  ['mutex', MUTEX_SEEDS],
  ['readWrite', SEEDS],
  ['semaphore', SEEDS],
  ['several', SEEDS],
] as const;

describe.each(KINDS)('%s locks under faults', (kind, count) => {
  it.each(Array.from({ length: count }, (_, at) => FIRST_SEED + at))(
    'exclude, keep the order, settle in time and leave nothing behind, SEED=%i',
    async (seed) => {
      expect((await run(kind, seed)).violations).toEqual([]);
    },
  );
});

async function found(kind: Kind, asserts: boolean, err?: Mistake): Promise<string> {
  for (let seed = 1; seed <= 40; seed++) {
    const { violations } = await run(kind, seed, asserts, err);
    if (violations.length > 0) return violations.join();
  }
  return '';
}

describe('a mistake is found within 40 seeds', () => {
  it('holders that do not assert before they write', async () => {
    expect(await found('readWrite', false)).toMatch(/(wrote|read) with/);
  });

  it.each([
    ['mutex', 'mutex'],
    ['readWrite', 'read'],
    ['semaphore', 'mutex'],
  ] as const)('%s: who wants its %s waits for nobody', async (kind, mode) => {
    const violations = await found(kind, true, ({ locks }) => {
      const patched = locks as unknown as { rules: { disciplines: Record<string, object> } };
      const { disciplines } = patched.rules;
      const impatient = { ...disciplines[mode], waitsFor: [] };
      patched.rules = { ...patched.rules, disciplines: { ...disciplines, [mode]: impatient } };
    });
    expect(violations).toMatch(/hold .* at the same time|permits are out/);
  });
});
