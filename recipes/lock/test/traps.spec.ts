import { beforeEach, describe, expect, it } from '@jest/globals';
import { LockBusyError, LockTimeoutError, type Lease } from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, STEADY, rejection, type Service } from './lock-world.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await world.look((zk) => zk.ensurePath('/locks/a'));
});

const contenders = () => world.children('/locks/a');
const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');

/** The lease is right, as the server sees it: first in the queue and of the current session. */
async function expectRightful(service: Service, lease: Lease): Promise<void> {
  const stat = await world.look((zk) => zk.exists(lease.nodePath));
  expect(stat).toMatchObject({ ephemeralOwner: service.zk.sessionId, czxid: lease.token });
  const view = await world.look(async () => service.locks.inspect(lease.path));
  expect(view.holder?.nodePath).toBe(lease.nodePath);
}

describe('T1: a create whose answer is lost', () => {
  // 10 ms: the request is at the server; 12 ms: written; 20 ms: the answer would be here.
  it.each([5, 9, 11, 13, 15, 19])(
    'leaves one contender, and it is the one that holds (reset after %i ms)',
    async (afterMs) => {
      world.world.after(afterMs, resetAnn);
      const lease = await world.acquire(ann, 'a');
      expect(await contenders()).toEqual([lease.nodePath.split('/').pop()]);
      await expectRightful(ann, lease);
      await world.release(ann, lease);
      expect(await contenders()).toEqual([]);
    },
  );

  it('is cleaned up behind a caller that gave up meanwhile', async () => {
    world.world.after(15, () => {
      resetAnn();
      world.world.partition(['ann'], ['server']);
    });
    const error = rejection(world.acquire(ann, 'a', { waitMs: 300 }));
    expect(await error).toMatchObject({ outcome: 'notApplied' });
    expect(world.port.tree.findText('/locks/a')).not.toBe(-1);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(200);
    expect(await contenders()).toEqual([]);
    expect(ann.zk.state.kind).toBe('reconnected');
  });
});

it('T2: every contender has an id of its own', async () => {
  const ids = new Set<string>();
  const idOf = ({ nodePath }: Lease) =>
    nodePath.slice('/locks/a/_c_'.length, -'-lock-'.length - 10);
  for (let round = 0; round < 5; round++) {
    const lease = await world.acquire(ann, 'a');
    ids.add(idOf(lease));
    await world.release(ann, lease);
  }
  expect(ids.size).toBe(5);
});

it('T3: a contender of the session before is never taken for one of this session', async () => {
  const held = await world.acquire(bob, 'a');
  const acquiring = world.begin(ann, () => ann.locks.acquire('a'));
  await world.pass(15);
  // Ann's contender is there, its answer lost, and her session ends before she can look for it.
  resetAnn();
  world.world.partition(['ann'], ['server']);
  const [before] = (await contenders()).filter((name) => !held.nodePath.endsWith(name));
  expect(before).toBeDefined();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  world.world.heal();
  await world.release(bob, held);
  const lease = await world.world.settle(acquiring);
  expect(lease.nodePath.endsWith(before!)).toBe(false);
  await expectRightful(ann, lease);
  expect(await contenders()).toHaveLength(1);
});

describe('T4: a dying node of our own', () => {
  it('is not held: the process slept past its session, and was first when it woke', async () => {
    const held = await world.acquire(bob, 'a');
    const waiting = world.begin(ann, () => ann.locks.acquire('a'));
    await world.pass(100);
    const sessionBefore = ann.zk.sessionId;
    ann.process.pause();
    await world.pass(100);
    // The predecessor goes; the event that says so waits in the socket of the stopped process.
    await world.release(bob, held);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const other = await world.acquire(bob, 'a');
    ann.process.resume();
    await world.pass(500);
    expect(ann.locks.leases).toEqual([]);
    expect(other.isHeld).toBe(true);
    await world.release(bob, other);
    const lease = await world.world.settle(waiting);
    expect(lease.sessionId).not.toBe(sessionBefore);
    await expectRightful(ann, lease);
  });

  it('is not held: the servers have not noticed yet that the session is over', async () => {
    const first = await world.acquire(ann, 'a');
    // Nobody at the server counts the time for which it stands still; the client does.
    world.host.process?.pause();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(first.isHeld).toBe(false);
    const again = world.begin(ann, () => ann.locks.acquire('a'));
    await world.pass(100);
    world.host.process?.resume();
    const second = await world.world.settle(again);
    expect(second.token).toBeGreaterThan(first.token);
    await expectRightful(ann, second);
    expect(await contenders()).toHaveLength(1);
  });
});

describe('T6: a holder whose session is over', () => {
  it('is told in every way there is', async () => {
    const lease = await world.acquire(ann, 'a');
    ann.process.pause();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const next = await world.acquire(bob, 'a');
    expect(next.token).toBeGreaterThan(lease.token);
    // The first line that runs, before any timer and any byte from the socket.
    const firstLine = new Promise<boolean[]>((resolve) => {
      ann.process.resume();
      resolve([lease.isHeld, lease.signal.aborted]);
    });
    expect(await firstLine).toEqual([false, true]);
    const commit = world.in(ann, () => lease.transaction().create('/late').commit());
    expect(await rejection(commit)).toMatchObject({ outcome: 'notApplied' });
    expect(await world.look((zk) => zk.exists('/late'))).toBeNull();
  });
});

it('T7: the time counts from the last proof of life, not from when the loss was noticed', async () => {
  const lease = await world.acquire(ann, 'a');
  await world.pass(5 * SESSION_TIMEOUT_MS);
  expect(lease.isHeld).toBe(true);
  const cutMs = world.world.virtualMs;
  // Nothing resets the connection: only silence tells.
  world.world.partition(['ann'], ['server']);
  let lostMs = 0;
  lease.signal.addEventListener('abort', () => (lostMs = world.world.virtualMs));
  const next = await world.acquire(bob, 'a');
  const servedMs = world.world.virtualMs;
  expect(lostMs - cutMs).toBeLessThanOrEqual((SESSION_TIMEOUT_MS * 2) / 3);
  expect(servedMs - cutMs).toBeGreaterThan((SESSION_TIMEOUT_MS * 2) / 3);
  expect(next.isHeld).toBe(true);
  expect(lease.lost).toBe('uncertain');
});

describe('T8: whoever gives up leaves no node', () => {
  const stop = new Error('stop');
  const ways: [string, () => Promise<unknown>][] = [
    ['one attempt', () => world.acquire(ann, 'a', { waitMs: 0 })],
    ['a time limit', () => world.acquire(ann, 'a', { waitMs: 200 })],
    [
      'an abort',
      () => {
        const controller = new AbortController();
        world.world.after(200, () => controller.abort(stop));
        return world.acquire(ann, 'a', { signal: controller.signal });
      },
    ],
  ];

  it.each(ways)('%s', async (_way, giveUp) => {
    const held = await world.acquire(bob, 'a');
    await rejection(giveUp());
    await world.pass(50);
    expect(await contenders()).toEqual([held.nodePath.split('/').pop()]);
    expect(world.watchCount).toBe(1);
  });

  it.each([5, 15, 25, 35, 45, 80])(
    'an abort after %i ms, in the middle of whatever goes on then',
    async (afterMs) => {
      const held = await world.acquire(bob, 'a');
      const controller = new AbortController();
      world.world.after(afterMs, () => controller.abort(stop));
      await rejection(world.acquire(ann, 'a', { signal: controller.signal }));
      await world.pass(200);
      expect(await contenders()).toEqual([held.nodePath.split('/').pop()]);
      expect(world.watchCount).toBe(1);
    },
  );

  it('nor does one who gives up while there is no connection', async () => {
    const held = await world.acquire(bob, 'a');
    const waiting = rejection(world.begin(ann, () => ann.locks.acquire('a', { waitMs: 600 })));
    await world.pass(100);
    world.world.partition(['ann'], ['server']);
    resetAnn();
    await world.pass(700);
    expect(await waiting).toBeInstanceOf(LockTimeoutError);
    expect(await contenders()).toHaveLength(2);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(100);
    expect(await contenders()).toEqual([held.nodePath.split('/').pop()]);
    expect(ann.zk.state.kind).toBe('reconnected');
  });
});

describe('T9: a release that does not reach the server', () => {
  it('does not keep its caller, and is made up for', async () => {
    const lease = await world.acquire(ann, 'a');
    world.world.partition(['ann'], ['server']);
    resetAnn();
    await world.pass(50);
    const startedMs = world.world.virtualMs;
    await world.release(ann, lease);
    expect(world.world.virtualMs - startedMs).toBeLessThan(5);
    expect(await contenders()).toHaveLength(1);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(100);
    expect(await contenders()).toEqual([]);
  });

  it('is waited for by the next attempt of the same process, also by one that does not wait', async () => {
    const lease = await world.acquire(ann, 'a');
    world.world.partition(['ann'], ['server']);
    resetAnn();
    await world.pass(50);
    await world.release(ann, lease);
    const again = world.begin(ann, () => ann.locks.acquire('a', { waitMs: 0 }));
    await world.pass(100);
    world.world.heal();
    const next = await world.world.settle(again);
    expect(next.isHeld).toBe(true);
    expect(next.token).toBeGreaterThan(lease.token);
    // Others have to take it for what it looks like.
    expect(await rejection(world.acquire(bob, 'a', { waitMs: 0 }))).toBeInstanceOf(LockBusyError);
  });
});

it('T10: tokens grow over removals of the lock’s directory, although its numbers start again', async () => {
  const seen: { token: bigint; number: string }[] = [];
  for (let round = 0; round < 4; round++) {
    const lease = await world.acquire(ann, 'b');
    seen.push({ token: lease.token, number: lease.nodePath.slice(-10) });
    await world.release(ann, lease);
    await world.world.reach(() => world.port.tree.findText('/locks/b') === -1);
  }
  expect(seen.map(({ number }) => number)).toEqual(Array(4).fill('0000000000'));
  const tokens = seen.map(({ token }) => token);
  expect(tokens).toEqual([...new Set(tokens)].sort((one, other) => (one < other ? -1 : 1)));
});

describe('T12: a predecessor that goes between the list and the watch', () => {
  it.each(Array.from({ length: 30 }, (_, at) => at * 2))(
    'is not waited for (released %i ms after the other began)',
    async (afterMs) => {
      const held = await world.acquire(bob, 'a');
      const waiting = world.begin(ann, () => ann.locks.acquire('a'));
      world.world.after(afterMs, () => bob.process.run(() => void held.release()));
      const startedMs = world.world.virtualMs;
      const lease = await world.world.settle(waiting);
      expect(lease.isHeld).toBe(true);
      expect(world.world.virtualMs - startedMs).toBeLessThan(afterMs + 90);
      await world.pass(30);
      expect(world.watchCount).toBe(1);
    },
  );
});

describe('T13: a wake-up that means nothing', () => {
  it('is not taken for the turn: the predecessor’s data, a broken connection', async () => {
    const held = await world.acquire(bob, 'a');
    const waiting = world.begin(ann, () => ann.locks.acquire('a'));
    await world.pass(100);
    await world.look((zk) => zk.set(held.nodePath, 'something else'));
    await world.pass(100);
    resetAnn();
    await world.pass(20);
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(100);
    expect(ann.zk.state.kind).toBe('reconnected');
    expect(ann.locks.leases).toEqual([]);
    await world.release(bob, held);
    await expectRightful(ann, await world.world.settle(waiting));
  });
});

it('T14: no watch is left behind, however attempts end', async () => {
  const held = await world.acquire(bob, 'a');
  await world.pass(20);
  const base = world.watchCount;
  expect(base).toBe(1);
  for (let round = 0; round < 10; round++) {
    await rejection(world.acquire(ann, 'a', { waitMs: 45 + round * 5 }));
    await rejection(world.acquire(ann, 'a', { waitMs: 0 }));
  }
  await world.pass(100);
  expect(world.watchCount).toBe(base);
  const waiting = world.begin(ann, () => ann.locks.acquire('a'));
  await world.pass(100);
  await world.release(bob, held);
  await world.release(ann, await world.world.settle(waiting));
  expect(world.watchCount).toBe(0);
  expect([ann.zk.watchCount, bob.zk.watchCount]).toEqual([0, 0]);
});

it('T18: what an old session answers late changes nothing in the new one', async () => {
  world.world.after(11, () => world.world.cutOneWay('server', 'ann'));
  const acquiring = world.begin(ann, () => ann.locks.acquire('a'));
  await world.pass(3 * SESSION_TIMEOUT_MS);
  // Everything that was sent meanwhile arrives now, in the order in which it was sent.
  world.world.heal();
  const lease = await world.world.settle(acquiring);
  await world.pass(SESSION_TIMEOUT_MS);
  await expectRightful(ann, lease);
  expect(await contenders()).toHaveLength(1);
});

it('T22: a held lock stays held, however many others are taken meanwhile', async () => {
  const held = await world.acquire(ann, 'a');
  for (let round = 0; round < 10; round++) {
    const others = Array.from({ length: 100 }, (_, at) => `other-${round}-${at}`);
    const leases = await world.in(ann, () =>
      Promise.all(others.map((path) => ann.locks.acquire(path))),
    );
    await world.in(ann, () => Promise.all(leases.map((lease) => lease.release())));
  }
  expect(held.isHeld).toBe(true);
  expect(ann.locks.leases).toEqual([held]);
  const second = await rejection(world.acquire(ann, 'a', { waitMs: 0 }));
  expect(second).toBeInstanceOf(LockBusyError);
});

it('T23: a late release deletes nobody else’s node', async () => {
  const lost = await world.acquire(ann, 'a');
  world.world.partition(['ann'], ['server']);
  const next = await world.acquire(bob, 'a');
  world.world.heal();
  await world.in(ann, () => ann.zk.whenConnected());
  await world.release(ann, lost);
  await world.pass(500);
  expect(next.isHeld).toBe(true);
  expect(await contenders()).toEqual([next.nodePath.split('/').pop()]);
});

it('T30: the timeout that counts is the one that the server granted', async () => {
  const strict = await LockWorld.start({ network: STEADY, server: { maxSessionTimeoutMs: 1_000 } });
  const cas = strict.service('cas', { sessionTimeoutMs: 60_000 });
  const dan = strict.service('dan');
  const lease = await strict.acquire(cas, 'a');
  strict.world.partition(['cas'], ['server']);
  const cutMs = strict.world.virtualMs;
  const next = await strict.acquire(dan, 'a');
  expect(strict.world.virtualMs - cutMs).toBeLessThan(1_500);
  expect(next.isHeld).toBe(true);
  expect(lease.isHeld).toBe(false);
});

describe('T31: clocks that jump', () => {
  it.each([-3_600_000, -1_000, 400])(
    'a lease stays when the wall clock moves by %i ms',
    async (ms) => {
      const lease = await world.acquire(ann, 'a');
      ann.process.host.stepWallClock(ms);
      expect(lease.isHeld).toBe(true);
      await world.pass(3 * SESSION_TIMEOUT_MS);
      expect(lease.isHeld).toBe(true);
      expect(lease.signal.aborted).toBe(false);
    },
  );

  it('a machine that slept, unseen by the monotonic clock, does not hold', async () => {
    const lease = await world.acquire(ann, 'a');
    ann.process.host.stepWallClock(3_600_000);
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'uncertain' });
    await world.release(ann, lease);
    const next = await world.acquire(ann, 'a');
    expect(next.isHeld).toBe(true);
  });

  it('nor does one that nobody asks: the signal tells', async () => {
    const lease = await world.acquire(ann, 'a');
    ann.process.host.stepWallClock(3_600_000);
    await world.pass(SESSION_TIMEOUT_MS / 3);
    expect(lease.signal.aborted).toBe(true);
  });
});
