import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { Groups, Services, uriOf, type Member } from '@aviary/membership';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const TEST_MS = 60_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, TEST_MS);

afterAll(() => cluster.stop(), TEST_MS);

const client = () => cluster.client({ sessionTimeoutMs: 3 * SHORT_SESSION_MS });

/** A process that is a member, and what it sees of the group. */
class Worker {
  readonly zk: ZooKeeper = client();
  readonly groups: Groups;
  readonly sizes: number[] = [];
  members: readonly Member[] = [];
  isStale = true;

  constructor(
    root: string,
    readonly id: string,
  ) {
    this.groups = new Groups(this.zk, { root });
  }

  async join(): Promise<this> {
    await this.groups.join('g', { id: this.id }, { id: this.id }).whenJoined();
    this.groups.group('g').view$.subscribe(({ members, stale }) => {
      this.members = members;
      this.isStale = stale;
      this.sizes.push(members.length);
    });
    return this;
  }

  sees(ids: string): boolean {
    return !this.isStale && this.members.map(({ id }) => id).join() === ids;
  }
}

const workersOf = (root: string) =>
  Promise.all(['a', 'b', 'c'].map((id) => new Worker(root, id).join()));

describe(`groups and services on ${clusterName}`, () => {
  it(
    'everybody sees the same members, until they leave or end',
    async () => {
      const workers = await workersOf(await cluster.freshBase());
      const [a, b, c] = workers as [Worker, Worker, Worker];
      await until(() => workers.every((worker) => worker.sees('a,b,c')));
      await b.groups.close();
      await until(() => workers.every((worker) => worker.sees('a,c')));
      await c.zk.close();
      await until(() => a.sees('a'));
      expect(a.members).toMatchObject([{ payload: { id: 'a' }, sessionId: a.zk.sessionId }]);
      await a.groups.join('g', 1, { id: 'd' }).whenJoined();
      await until(() => a.sees('a,d') && b.sees('a,d'));
    },
    TEST_MS,
  );

  it(
    'a member that is deleted joins again',
    async () => {
      const base = await cluster.freshBase();
      const worker = await new Worker(base, 'a').join();
      await until(() => worker.sees('a'));
      const [{ czxid }] = worker.members as [Member];
      await client().delete(`${base}/g/a`);
      await until(() => worker.sees('a') && (worker.members[0]?.czxid ?? 0n) > czxid);
    },
    TEST_MS,
  );

  it(
    'services are found, and not when they are withdrawn or out of service',
    async () => {
      const root = await cluster.freshBase();
      const [one, other] = [new Services(client(), { root }), new Services(client(), { root })];
      const settings = { name: 'inventory', address: '10.0.0.7' };
      const first = await one.register({ ...settings, id: 'i-1', port: 1 }).whenRegistered();
      const second = await other.register({ ...settings, id: 'i-2', port: 2 }).whenRegistered();
      let found: (string | null)[] = [];
      one.service('inventory').instances$.subscribe((all) => {
        found = all.filter(({ isUp }) => isUp).map((instance) => uriOf(instance));
      });
      await until(() => found.join() === 'http://10.0.0.7:1,http://10.0.0.7:2');
      await second.setStatus('OUT_OF_SERVICE');
      await until(() => found.join() === 'http://10.0.0.7:1');
      await first.withdraw();
      await second.setStatus('UP');
      await until(() => found.join() === 'http://10.0.0.7:2');
      await other.close();
      await until(() => found.length === 0);
    },
    TEST_MS,
  );

  (membersAreOurs ? it : it.skip)(
    'nobody goes missing while the leader is killed',
    async () => {
      const workers = await workersOf(await cluster.freshBase());
      await until(() => workers.every((worker) => worker.sees('a,b,c')));
      const sessions = workers.map(({ zk }) => zk.sessionId);
      for (const { sizes } of workers) sizes.length = 0;
      const { restore } = await cluster.killLeader();
      const late = await new Worker(
        workers[0]!.groups.group('g').path.replace('/g', ''),
        'd',
      ).join();
      await until(() => [...workers, late].every((worker) => worker.sees('a,b,c,d')));
      await restore();
      expect(workers.map(({ zk }) => zk.sessionId)).toEqual(sessions);
      expect(Math.min(...workers.flatMap(({ sizes }) => sizes))).toBeGreaterThanOrEqual(3);
    },
    TEST_MS,
  );
});
