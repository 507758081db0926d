import { describe, expect, it } from '@jest/globals';
import { BadVersionError, TransactionFailedError, type ZooKeeper } from '@aviary/client';
import { filter } from 'rxjs';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  type Service,
} from '../../../test/recipes/recipe-world.js';
import { torment } from '../../../test/recipes/torment.js';
import { Caches, type TreeSnapshot } from '../src/index.js';

const SEEDS = Number(process.env.RECIPE_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 8_000;
/** Fewer would say nothing. */
const SNAPSHOTS_MIN = 10;
/** On the slowest networks that are drawn: a connection, a read, and again where it breaks. */
const REREAD_MS_MAX = 60_000;

/** Writes the same number to two nodes and into the name of a third, in one transaction each time. */
class Writer {
  stopped = false;
  written = 0;

  constructor(
    readonly service: Service,
    private readonly pauseMs: number,
  ) {}

  async run(): Promise<void> {
    const { zk, process } = this.service;
    while (!this.stopped) {
      try {
        await this.write();
        this.written++;
      } catch {
        // Whatever became of it, the next one begins with what is there.
      }
      const pauseMs = process.random.uint32() % this.pauseMs;
      await new Promise<void>((resolve) => zk.clock.setTimer(pauseMs, resolve));
    }
  }

  private async write(): Promise<void> {
    const { zk } = this.service;
    const { data, stat } = await zk.get('/s/a');
    const was = Number(data);
    const next = was + 1;
    try {
      await zk
        .transaction()
        .set('/s/a', `${next}`, { version: stat.version })
        .set('/s/b/x', `${next}`)
        .delete(`/s/b/n-${was}`)
        .create(`/s/b/n-${next}`, `${next}`)
        .commit();
    } catch (error) {
      const lost =
        error instanceof TransactionFailedError && error.cause instanceof BadVersionError;
      if (!lost) throw error;
    }
  }
}

/** Keeps the tree, and looks at everything that it is shown. */
class Watcher {
  readonly violations: string[] = [];
  snapshots = 0;
  last = '';
  isStale = true;
  private zxid = -1n;
  private readonly newest = new Map<string, bigint>();

  constructor(
    private readonly service: Service,
    zk: ZooKeeper,
  ) {
    const cache = new Caches(zk).tree('/s');
    cache.snapshot$.subscribe((snapshot) => this.see(snapshot));
    cache.view$.subscribe(({ stale }) => (this.isStale = stale));
    for (const path of ['/s/a', '/s/b/x']) {
      cache.node$(path).subscribe((node) => this.seeNode(`${path} alone`, node?.stat.mzxid));
    }
  }

  private see(snapshot: TreeSnapshot): void {
    this.snapshots++;
    const { root, zxid } = snapshot;
    if (zxid < this.zxid) this.accuse(`a snapshot of ${zxid} after one of ${this.zxid}`);
    this.zxid = zxid;
    if (root === null) return;
    for (const { path, stat, children } of snapshot.nodes()) {
      this.seeNode(path, stat.mzxid);
      if (stat.numChildren !== children.size) {
        this.accuse(`${path} has ${children.size} children and says ${stat.numChildren}`);
      }
    }
    const a = String(snapshot.get('/s/a')?.data);
    const names = snapshot.children('/s/b').map(({ name }) => name);
    const expected = [`n-${a}`, 'x'];
    const x = String(snapshot.get('/s/b/x')?.data);
    if (names.join() !== expected.join() || x !== a) {
      this.accuse(`${a} in a, ${x} in x, and there is ${names.join()}`);
    }
    this.last = a;
  }

  private seeNode(path: string, mzxid: bigint | undefined): void {
    if (mzxid === undefined) return;
    if (mzxid < (this.newest.get(path) ?? 0n)) this.accuse(`${path} went back to ${mzxid}`);
    this.newest.set(path, mzxid);
  }

  private accuse(what: string): void {
    this.violations.push(`${this.service.name}: ${what}`);
  }
}

/** A client whose trees do not hear of everything. */
function deaf(zk: ZooKeeper, hears: (kind: string, nth: number) => boolean): ZooKeeper {
  let heard = 0;
  const watchTree = (path: string) =>
    zk.watchTree(path).pipe(filter(({ kind }) => hears(kind, heard++)));
  return new Proxy(zk, {
    get: (target, key): unknown =>
      key === 'watchTree' ? watchTree : bound(target, Reflect.get(target, key, target)),
  });
}

function bound(target: object, value: unknown): unknown {
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

async function run(seed: number, ears: (zk: ZooKeeper) => ZooKeeper = (zk) => zk) {
  const world = await RecipeWorld.drawn(seed);
  await world.look(async (zk) => {
    await zk.ensurePath('/s/b');
    await zk.create('/s/a', '0');
    await zk.create('/s/b/x', '0');
    await zk.create('/s/b/n-0', '0');
  });
  const writers = ['wes', 'wim'].map((name) => new Writer(world.service(name), 80));
  const readers = ['ann', 'bob'].map((name) => world.service(name));
  const watchers = readers.map((service) => {
    let watcher: Watcher | undefined;
    service.process.run(() => (watcher = new Watcher(service, ears(service.zk))));
    return () => watcher!;
  });
  await world.pass(1);
  const running = writers.map((writer) => world.begin(writer.service, () => writer.run()));
  torment(world, [...readers, ...writers.map((writer) => writer.service)], TORMENT_MS);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  world.relieve();
  const before = writers.map(({ written }) => written);
  const goesOn = () => writers.every(({ written }, at) => written > before[at]! + 2);
  await world.world.reach(goesOn, { virtualMsMax: 300_000 });
  const snapshots = () => watchers.reduce((sum, watcher) => sum + watcher().snapshots, 0);
  // Who is hard of hearing may never come to so many.
  const isShown = () => snapshots() > SNAPSHOTS_MIN;
  await world.world.reach(isShown, { virtualMsMax: 60_000 }).catch(() => undefined);
  for (const writer of writers) writer.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  const truth = String((await world.look((zk) => zk.get('/s/a'))).data);
  const isRight = (watcher: Watcher) => !watcher.isStale && watcher.last === truth;
  const areRight = () => watchers.every((watcher) => isRight(watcher()));
  await world.world.reach(areRight, { virtualMsMax: REREAD_MS_MAX }).catch(() => undefined);
  const violations = watchers.flatMap((watcher) => watcher().violations);
  for (const watcher of watchers) {
    const { last, isStale } = watcher();
    if (!isRight(watcher())) violations.push(`${last} is shown, stale ${isStale}: ${truth}`);
  }
  for (const service of readers) await world.in(service, () => service.zk.close());
  // Where the answer to a close is lost, the watch goes with the session.
  await world.pass(2 * SESSION_TIMEOUT_MS);
  if (world.watchCount > 0) violations.push(`${world.watchCount} watches are left at the server`);
  return { violations: [...violations, ...world.failures], snapshots: snapshots() };
}

const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

describe('caches under faults', () => {
  it.each(seeds)(
    'I7, I8: never go back, show one moment at a time, and the newest after it, SEED=%i',
    async (seed) => {
      const { violations, snapshots } = await run(seed);
      expect(violations).toEqual([]);
      expect(snapshots).toBeGreaterThan(SNAPSHOTS_MIN);
    },
  );

  it.each([
    {
      mistake: 'that do not read again after a gap',
      hears: (kind: string, nth: number) => kind !== 'reset' || nth === 0,
    },
    {
      mistake: 'that miss an event',
      hears: (kind: string, nth: number) => kind === 'reset' || nth % 7 !== 0,
    },
  ])('convicts caches $mistake, within 10 seeds', async ({ hears }) => {
    let found: readonly string[] = [];
    for (let seed = 1; seed <= 10 && found.length === 0; seed++) {
      found = (await run(seed, (zk) => deaf(zk, hears))).violations;
    }
    expect(found).not.toEqual([]);
  });
});
