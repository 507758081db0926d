import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { Partitions, shareOut, type Partition, type Share } from '@aviary/partition';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const ITEMS = 32;
const ALL = Array.from({ length: ITEMS }, (_, at) => String(at));

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterAll(() => cluster.stop());

/** What the items stand for: it refuses a write with a lower token than it has seen. */
class Store {
  writes = 0;
  private readonly tokens = new Map<string, bigint>();

  write({ item, token }: Partition): void {
    const before = this.tokens.get(item) ?? 0n;
    if (token < before) throw new Error(`${item} was written with ${token} after ${before}`);
    this.tokens.set(item, token);
    this.writes++;
  }
}

/** One service that works on its items. */
class Worker {
  readonly items = new Map<string, Partition>();
  readonly errors: unknown[] = [];
  share: Share | null = null;

  constructor(
    readonly name: string,
    readonly zk: ZooKeeper,
    private readonly root: string,
    private readonly store: Store,
  ) {}

  join(): this {
    const partitions = new Partitions(this.zk, { root: this.root, member: this.name });
    const options = { items: ITEMS, graceMs: 2_000, settleMs: 100 };
    this.share = partitions.join('g', options, (partition, signal) => this.own(partition, signal));
    return this;
  }

  private async own(partition: Partition, signal: AbortSignal): Promise<void> {
    this.items.set(partition.item, partition);
    while (!signal.aborted) {
      try {
        if (partition.isHeld) this.store.write(partition);
      } catch (error) {
        this.errors.push(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.items.get(partition.item) === partition) this.items.delete(partition.item);
  }
}

async function group() {
  const root = await cluster.freshBase();
  const store = new Store();
  const worker = (name: string, sessionTimeoutMs = 10_000): Worker =>
    new Worker(name, cluster.client({ sessionTimeoutMs }), root, store).join();
  return { owners: `${root}/g/owners`, store, worker };
}

function isShared(...workers: Worker[]): boolean {
  const owners = shareOut(
    ALL,
    workers.map(({ name }) => name),
  );
  return workers.every(({ items, name }) =>
    ALL.every((item) => items.has(item) === (owners.get(item) === name)),
  );
}

const ifOurs = membersAreOurs ? it : it.skip;

describe(`shared items on ${clusterName}`, () => {
  it('move only where they must, as members come and go', async () => {
    const { owners, store, worker } = await group();
    const [ann, bob] = [worker('ann'), worker('bob')];
    await until(() => isShared(ann, bob));
    const before = new Map([...ann.items, ...bob.items].map(([item, { token }]) => [item, token]));
    const cas = worker('cas');
    await until(() => isShared(ann, bob, cas));
    for (const [item, { token }] of [...ann.items, ...bob.items]) {
      expect(token).toBe(before.get(item));
    }
    for (const [item, { token }] of cas.items) expect(token).toBeGreaterThan(before.get(item)!);
    await cas.share!.leave();
    await until(() => isShared(ann, bob));
    await Promise.all([ann.share!.leave(), bob.share!.leave()]);
    expect(await cluster.childrenOf(owners)).toEqual([]);
    expect([ann, bob, cas].flatMap(({ errors }) => errors)).toEqual([]);
    expect([ann, bob, cas].map(({ zk }) => zk.watchCount)).toEqual([0, 0, 0]);
    expect(store.writes).toBeGreaterThan(0);
  });

  it('are taken over from a member whose session ends', async () => {
    const { worker } = await group();
    const [ann, bob] = [worker('ann', SHORT_SESSION_MS), worker('bob', SHORT_SESSION_MS)];
    await until(() => isShared(ann, bob));
    const held = [...ann.items.values()];
    await ann.zk.close();
    expect(held.every(({ signal }) => signal.aborted)).toBe(true);
    await until(() => isShared(bob));
    await bob.share!.leave();
    expect([...ann.errors, ...bob.errors]).toEqual([]);
  });

  ifOurs(
    'stay where they are while the leader is killed',
    async () => {
      const { worker } = await group();
      const [ann, bob] = [worker('ann', 20_000), worker('bob', 20_000)];
      await until(() => isShared(ann, bob));
      const held = [...ann.items.values(), ...bob.items.values()];
      const { restore } = await cluster.killLeader();
      const cas = worker('cas');
      await until(() => isShared(ann, bob, cas));
      await restore();
      const stayed = held.filter(({ signal }) => !signal.aborted);
      expect(stayed).toHaveLength(ITEMS - cas.items.size);
      await Promise.all([ann, bob, cas].map(({ share }) => share!.leave()));
      expect([ann, bob, cas].flatMap(({ errors }) => errors)).toEqual([]);
    },
    60_000,
  );
});
