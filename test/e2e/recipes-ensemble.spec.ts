import { randomBytes } from 'node:crypto';
import { NoNodeError, ZooKeeper } from '@aviary/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ensemble, type Member } from './configured-ensemble.js';
import type { LedgerEntry } from './contender-messages.js';
import { LockRoom, type Contender } from './lock-room.js';
import { temporaryDirectory } from './member-process.js';

// ZK_HOSTS=host:port,host:port,... runs it against an ensemble that is there already. Members are
// killed and stopped only where they are ours.

const { ZK_HOSTS: givenHosts } = process.env;

/** Short, so that a member that is stopped is missed soon. */
const SETTINGS = { tickTime: 500, syncLimit: 4 };
/** The longest that members with this tick grant. */
const SESSION_MS = 20 * SETTINGS.tickTime;
/** Of the contender that is stopped for longer than that; others may grant no shorter one. */
const SHORT_SESSION_MS = 2_000;
const FAULT_TEST_MS = 60_000;

/** A path that nobody else has, in an ensemble that may be somebody's. */
const base = `/recipes-${randomBytes(6).toString('hex')}`;
const lockPath = `${base}/lock`;
const balancePath = `${base}/balance`;
const ledgerPath = `${base}/ledger`;

/** The servers, with one first. */
function startingWith(first: string, servers: readonly string[]): string[] {
  return [first, ...servers.filter((server) => server !== first)];
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return (await zk.children(path)).children;
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

async function ledgerAt(server: string): Promise<Map<string, LedgerEntry>> {
  await using zk = new ZooKeeper({ servers: server });
  await zk.sync(base);
  // The lock's own directory is a container, and goes when it is empty.
  expect(await childrenOf(zk, lockPath)).toEqual([]);
  const names = [...(await childrenOf(zk, ledgerPath))].sort();
  const entries = await Promise.all(
    names.map(async (name): Promise<[string, LedgerEntry]> => {
      const path = `${ledgerPath}/${name}`;
      return [path, JSON.parse(String((await zk.get(path)).data)) as LedgerEntry];
    }),
  );
  expect(String((await zk.get(balancePath)).data)).toBe(String(entries.length));
  await zk.close();
  return new Map(entries);
}

/** Nothing of the test stays in an ensemble that is somebody's. */
async function removeTree(servers: readonly string[]): Promise<void> {
  await using zk = new ZooKeeper({ servers });
  const paths = [lockPath, ledgerPath].map(async (parent) =>
    (await childrenOf(zk, parent)).map((name) => `${parent}/${name}`),
  );
  await Promise.all((await Promise.all(paths)).flat().map((path) => zk.deleteGuaranteed(path)));
  for (const path of [lockPath, ledgerPath, balancePath, base]) await zk.deleteGuaranteed(path);
  await zk.close();
}

const where = givenHosts === undefined ? 'three members' : `the ensemble at ${givenHosts}`;

describe(`a lock on ${where}`, () => {
  const directory = temporaryDirectory();
  let servers: readonly string[] = [];
  let ensemble: Ensemble;
  let room: LockRoom;
  let sleeper: Contender | null = null;

  beforeAll(async () => {
    room = new LockRoom(directory.path, { lockPath, balancePath, ledgerPath });
    if (givenHosts === undefined) {
      ensemble = await Ensemble.configure(directory.path, SETTINGS);
      await Promise.all(ensemble.members.map((member) => ensemble.start(member)));
      await ensemble.settled();
      servers = ensemble.members.map(({ address }) => address);
    } else {
      servers = givenHosts.split(',');
      process.stderr.write(
        'ZK_HOSTS is set: no member is killed or stopped, for its process is not known here\n',
      );
    }
    await using zk = new ZooKeeper({ servers });
    await zk.create(base);
    await zk.create(balancePath, '0');
    await zk.create(ledgerPath);
    await zk.close();
    const firsts = [servers[0]!, servers.at(-1)!];
    await Promise.all(firsts.map((first) => room.join(startingWith(first, servers), SESSION_MS)));
  }, FAULT_TEST_MS);

  afterAll(async () => {
    await room.kill();
    if (givenHosts === undefined) await ensemble.killAll();
    else await removeTree(servers);
    directory.remove();
  });

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

  if (givenHosts === undefined) {
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
