import { setTimeout as sleep } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { LockClient, type Lease, type LeaseGroup } from '@aviary/lock';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Ensemble, Member } from '../e2e/configured-ensemble.js';
import { temporaryDirectory } from '../e2e/member-process.js';
import { Cluster, clusterName, membersAreOurs, until } from './cluster.js';
import type { ContenderSettings, LedgerEntry } from './contender-messages.js';
import { LockRoom, type Contender } from './lock-room.js';

type LockPaths = Pick<ContenderSettings, 'lockPath' | 'balancePath' | 'ledgerPath'>;

/** The longest that members with this tick grant. */
const SESSION_MS = 10_000;
/** Of the contender that is stopped for longer than that; others may grant no shorter one. */
const SHORT_SESSION_MS = 2_000;
const FAULT_TEST_MS = 60_000;

/** The servers, with one first. */
function startingWith(first: string, servers: readonly string[]): string[] {
  return [first, ...servers.filter((server) => server !== first)];
}

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, FAULT_TEST_MS);

afterAll(() => cluster.stop());

describe(`a lock on ${clusterName}`, () => {
  const directory = temporaryDirectory();
  let servers: readonly string[] = [];
  let ensemble: Ensemble;
  let room: LockRoom;
  let sleeper: Contender | null = null;
  let paths: LockPaths;

  beforeAll(async () => {
    ({ servers } = cluster);
    if (membersAreOurs) ensemble = cluster.members;
    const base = await cluster.freshBase();
    paths = {
      lockPath: `${base}/lock`,
      balancePath: `${base}/balance`,
      ledgerPath: `${base}/ledger`,
    };
    const zk = cluster.client();
    await zk.create(paths.balancePath, '0');
    await zk.create(paths.ledgerPath);
    await zk.close();
    room = new LockRoom(directory.path, paths);
    const firsts = [servers[0]!, servers.at(-1)!];
    await Promise.all(firsts.map((first) => room.join(startingWith(first, servers), SESSION_MS)));
  }, FAULT_TEST_MS);

  afterAll(async () => {
    await room.kill();
    directory.remove();
  });

  async function ledgerAt(server: string): Promise<Map<string, LedgerEntry>> {
    await using zk = new ZooKeeper({ servers: server });
    await zk.sync(paths.ledgerPath);
    // The lock's own directory is a container, and goes when it is empty.
    expect(await cluster.childrenOf(paths.lockPath)).toEqual([]);
    const names = [...(await zk.children(paths.ledgerPath)).children].sort();
    const entries = await Promise.all(
      names.map(async (name): Promise<[string, LedgerEntry]> => {
        const path = `${paths.ledgerPath}/${name}`;
        return [path, JSON.parse(String((await zk.get(path)).data)) as LedgerEntry];
      }),
    );
    expect(String((await zk.get(paths.balancePath)).data)).toBe(String(entries.length));
    await zk.close();
    return new Map(entries);
  }

  /** One more contender, whose connection the fault of this member cuts. */
  function joinAt({ address }: Member): Promise<Contender> {
    return room.join(startingWith(address, servers), SESSION_MS);
  }

  /** It has the session with which it began, and needed another connection for it. */
  function expectKeptSession({ states }: Contender): void {
    expect(states.slice(0, 4)).toEqual(['connecting', 'connected', 'suspended', 'reconnected']);
    expect(states).not.toContain('lost');
  }

  async function follower(): Promise<Member> {
    const leader = await ensemble.settled();
    return ensemble.members.find((member) => member !== leader)!;
  }

  if (membersAreOurs) {
    it.each([
      ['the leader', () => ensemble.settled()],
      ['a follower', follower],
    ] as const)(
      'goes on without %s, which is killed, and with it again',
      async (_, choose) => {
        const victim = await choose();
        const guest = await joinAt(victim);
        await ensemble.end(victim, 'SIGKILL');
        await room.progress();
        expectKeptSession(guest);
        await ensemble.start(victim);
        await ensemble.settled();
        await room.progress();
      },
      FAULT_TEST_MS,
    );

    it(
      'goes on while the leader is stopped for so long that another one leads, and after it',
      async () => {
        const victim = await ensemble.settled();
        const guest = await joinAt(victim);
        ensemble.signal(victim, 'SIGSTOP');
        const others = ensemble.members.filter((member) => member !== victim);
        await ensemble.settled(others);
        await room.progress();
        expectKeptSession(guest);
        ensemble.signal(victim, 'SIGCONT');
        await room.progress();
        // It has found out, and serves again.
        await ensemble.settled();
        await room.progress();
      },
      FAULT_TEST_MS,
    );
  }

  it(
    'is taken from a holder that is stopped, none of whose writes is taken when it goes on',
    async () => {
      const others = [...room.contenders];
      sleeper = await room.join(servers, SHORT_SESSION_MS);
      const stopped = await room.stopAtEntry(sleeper);
      await room.progress(others);
      stopped.resume();
      await room.progress();

      const { token } = stopped;
      expect(room.refused).toContainEqual({ contender: sleeper, token });
      expect(room.accepted.map((write) => write.token)).not.toContain(token);
      expect(sleeper.refused).toContain(token);
      expect(sleeper.states).toContain('lost');
    },
    FAULT_TEST_MS,
  );

  it(
    'has let in one at a time, lost no write and no session, and leaves nothing behind',
    async () => {
      expect(await room.close()).toEqual(room.contenders.map(() => 0));
      const [ledger, ...others] = await Promise.all(servers.map(ledgerAt));
      for (const other of others) expect(other).toEqual(ledger);

      expect(room.meetings).toEqual([]);
      const entries = [...ledger!.values()];
      // Who read the balance while another wrote would have written one of these twice.
      expect(entries.map(({ balance }) => balance)).toEqual(entries.map((_, index) => index + 1));
      const tokens = entries.map(({ token }) => BigInt(token));
      expect(tokens.filter((token, index) => index > 0 && token <= tokens[index - 1]!)).toEqual([]);
      const committed = room.contenders.flatMap((contender) => contender.committed);
      expect(committed.filter((path) => !ledger!.has(path))).toEqual([]);

      for (const contender of room.contenders.filter((one) => one !== sleeper)) {
        expect(contender.states.filter((state) => state === 'connected')).toHaveLength(1);
        expect(contender.states).not.toContain('lost');
      }
      expect(room.refused.filter(({ contender }) => contender !== sleeper)).toEqual([]);
    },
    FAULT_TEST_MS,
  );
});

describe(`other kinds of locks on ${clusterName}`, () => {
  /** Services with sessions of their own. */
  async function services(count: number): Promise<{ zk: ZooKeeper; locks: LockClient }[]> {
    const root = await cluster.freshBase();
    const all = Array.from({ length: count }, (_, at) => {
      const zk = cluster.client({ sessionTimeoutMs: SESSION_MS });
      return { zk, locks: new LockClient(zk, { root, identity: `service ${at}` }) };
    });
    await Promise.all(all.map(({ zk }) => zk.connect()));
    return all;
  }

  /** What they did is over; nothing of it is left. */
  async function expectNothingLeft(
    all: readonly { readonly zk: ZooKeeper; readonly locks: LockClient }[],
    ...paths: readonly string[]
  ): Promise<void> {
    await Promise.all(all.map(({ locks }) => locks.close()));
    expect(all.map(({ zk }) => zk.watchCount)).toEqual(all.map(() => 0));
    for (const path of paths) {
      expect(await cluster.childrenOf(all[0]!.locks.pathOf(path))).toEqual([]);
    }
  }

  /** Members of ours lose their leader meanwhile. */
  async function whileLeadersChange(work: Promise<unknown>): Promise<void> {
    if (!membersAreOurs) {
      await work;
      return;
    }
    const [{ restore }] = await Promise.all([cluster.killLeader(), sleep(200)]);
    await work;
    await restore();
  }

  it(
    'lets readers in together and writers alone, also while the leader is killed',
    async () => {
      const all = await services(4);
      let readers = 0;
      let writers = 0;
      let most = 0;
      let newest = 0n;
      const read = async (lease: Lease) => {
        expect([writers, lease.token > newest]).toEqual([0, true]);
        most = Math.max(most, ++readers);
        await sleep(10);
        readers--;
        await lease.release();
      };
      const write = async ({ locks }: { locks: LockClient }) => {
        const lease = await locks.acquireWrite('rw');
        expect([readers, ++writers]).toEqual([0, 1]);
        newest = lease.token;
        await sleep(5);
        writers--;
        const reading = await lease.downgrade();
        expect(reading.token).toBe(lease.token);
        expect(writers).toBe(0);
        await sleep(5);
        await reading.release();
      };
      const work = all.map(async (one, at) => {
        for (let round = 0; round < 25; round++) {
          if ((round + at) % 4 === 0) await write(one);
          else await read(await one.locks.acquireRead('rw'));
        }
      });
      await whileLeadersChange(Promise.all(work));
      expect(most).toBeGreaterThan(1);
      await expectNothingLeft(all, 'rw');
    },
    FAULT_TEST_MS,
  );

  it(
    'lets no more in than a semaphore has permits, and more when its limit grows',
    async () => {
      const all = await services(4);
      const limit = all[0]!.locks.pathOf('limit');
      await all[0]!.zk.create(limit, '2');
      let inside = 0;
      let most = 0;
      const visit = async ({ locks }: { locks: LockClient }, quantity: number) => {
        const group: LeaseGroup = await locks.acquirePermits('permits', quantity, { limit });
        inside += quantity;
        most = Math.max(most, inside);
        await sleep(5);
        expect(group.isHeld).toBe(true);
        inside -= quantity;
        await group.release();
      };
      const rounds = (count: number) =>
        Promise.all(
          all.map(async (one, at) => {
            for (let round = 0; round < count; round++) await visit(one, 1 + ((round + at) % 2));
          }),
        );
      await whileLeadersChange(rounds(10));
      expect(most).toBe(2);
      const held = await all[0]!.locks.acquirePermits('permits', 2, { limit });
      const waiting = all[1]!.locks.acquirePermit('permits', { limit });
      await until(async () => (await all[2]!.locks.inspect('permits')).queue.length === 1);
      await all[2]!.zk.set(limit, '3');
      expect((await waiting).isHeld).toBe(true);
      await held.release();
      await expectNothingLeft(all, 'permits/leases', 'permits/locks');
    },
    FAULT_TEST_MS,
  );

  it('takes several locks without a deadlock, and finds one among those who take them one by one', async () => {
    const all = await services(3);
    const [ann, bob, cas] = all.map(({ locks }) => locks) as [LockClient, LockClient, LockClient];
    let inside = 0;
    const meet = async (locks: LockClient, paths: readonly string[]) => {
      for (let round = 0; round < 10; round++) {
        await using group = await locks.acquireAll(paths, { waitMs: 20_000 });
        expect(++inside).toBe(1);
        await sleep(2);
        inside--;
        group.assertHeld();
      }
    };
    await Promise.all([meet(ann, ['a', 'b', 'c']), meet(bob, ['c', 'b', 'a']), meet(cas, ['b'])]);
    const [one, other] = [await ann.acquire('a'), await bob.acquire('b')];
    const waits = [ann.acquire('b'), bob.acquire('a')];
    const [deadlock] = await until(async () => {
      const found = await cas.deadlocks();
      return found.length > 0 && found;
    });
    expect(deadlock!.text).toMatch(/"service 0" .* waits at .*\/b for "service 1"/);
    await one.release();
    await (await waits[1]!).release();
    await other.release();
    await (await waits[0]!).release();
    expect(await cas.deadlocks()).toEqual([]);
    await expectNothingLeft(all, 'a', 'b', 'c');
  });
});
