import {
  AbortedError,
  BadVersionError,
  CoordinationError,
  InvalidArgumentError,
  InvalidPathError,
  NodeExistsError,
  TransactionFailedError,
} from '@aviary/client';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ForeignContenderError,
  LeaseLostError,
  LockBusyError,
  LockTimeoutError,
  LockUnavailableError,
  LocksClosedError,
} from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, STEADY, rejection, type Service } from './lock-world.js';

/** There and back on the links of these tests, with what server and disk take. */
const ROUND_TRIP_MS = { min: 20, max: 25 };

let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

describe('a lock without contention', () => {
  it('costs one round trip to acquire, one to release, and four requests', async () => {
    await world.release(ann, await world.acquire(ann, 'a'));
    const requests = () => world.port.traffic.received;
    const before = { requests: requests(), ms: world.world.virtualMs };
    const lease = await world.acquire(ann, 'a');
    const acquiredMs = world.world.virtualMs;
    await world.release(ann, lease);
    const roundTrips = [acquiredMs - before.ms, world.world.virtualMs - acquiredMs];
    for (const ms of roundTrips) {
      expect(ms).toBeGreaterThanOrEqual(ROUND_TRIP_MS.min);
      expect(ms).toBeLessThan(ROUND_TRIP_MS.max);
    }
    // create and getChildren together, getData with the watch on our own node, delete.
    expect(requests() - before.requests).toBe(4);
    expect(world.watchCount).toBe(0);
  });

  it('stands where Curator would put it, in containers, with the holder’s identity', async () => {
    const lease = await world.acquire(ann, 'orders/42');
    expect(lease.path).toBe('/locks/orders/42');
    expect(lease.nodePath).toMatch(
      /^\/locks\/orders\/42\/_c_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-lock-\d{10}$/,
    );
    const { data, stat } = await world.look((zk) => zk.get(lease.nodePath));
    expect(String(data)).toBe('ann');
    expect(stat.czxid).toBe(lease.token);
    expect(stat.ephemeralOwner).toBe(ann.zk.sessionId);
    // They are containers: the server removes them, innermost first, once they are empty.
    await world.release(ann, lease);
    await world.world.reach(() => world.port.tree.findText('/locks') === -1);
  });

  it('takes an absolute path as it is', async () => {
    expect((await world.acquire(ann, '/elsewhere/a')).path).toBe('/elsewhere/a');
  });

  it('is released by `await using`', async () => {
    await world.in(ann, async () => {
      await using lease = await ann.locks.acquire('a');
      expect(lease.isHeld).toBe(true);
      expect(ann.locks.leases).toEqual([lease]);
    });
    expect(ann.locks.leases).toEqual([]);
    expect(await world.children('/locks/a')).toEqual([]);
  });
});

describe('a lock with contention', () => {
  it('is handed on in the order of arrival, one wake-up for each release', async () => {
    await world.look((zk) => zk.ensurePath('/locks/a'));
    const services = [ann, bob, ...['cas', 'dan', 'eve'].map((name) => world.service(name))];
    const order: string[] = [];
    const turns: Promise<void>[] = [];
    for (const service of services) {
      turns.push(
        world.begin(service, async () => {
          const lease = await service.locks.acquire('a');
          order.push(service.name);
          await new Promise<void>((resolve) => service.process.clock.setTimer(1_000, resolve));
          await lease.release();
        }),
      );
      await world.pass(80);
    }
    await world.pass(100);
    // The holder watches its own node, every other the one before it, and the next its own as well.
    expect(world.watchCount).toBe(services.length + 1);
    await world.world.settle(Promise.all(turns));
    expect(order).toEqual(['ann', 'bob', 'cas', 'dan', 'eve']);
    expect(world.watchCount).toBe(0);
  });

  it('is handed to the next in one round trip: one way to the server, one to him', async () => {
    const lease = await world.acquire(ann, 'a');
    const next = world.begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    const releasedMs = world.world.virtualMs;
    void world.begin(ann, () => lease.release());
    expect((await world.world.settle(next)).isHeld).toBe(true);
    expect(world.world.virtualMs - releasedMs).toBeGreaterThanOrEqual(ROUND_TRIP_MS.min);
    expect(world.world.virtualMs - releasedMs).toBeLessThan(ROUND_TRIP_MS.max);
  });

  it('is not taken by the next if his own node went first', async () => {
    const lease = await world.acquire(ann, 'a');
    const next = world.begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    const ofBob = (await world.children('/locks/a')).find((name) => !lease.nodePath.endsWith(name));
    await world.look((zk) => zk.delete(`/locks/a/${String(ofBob)}`));
    await world.release(ann, lease);
    // He stands in line anew.
    expect((await world.world.settle(next)).nodePath).not.toContain(ofBob);
  });

  it('is not taken by the next on the word of a connection that was cut meanwhile', async () => {
    const lease = await world.acquire(ann, 'a');
    const next = world.begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    const ofBob = (await world.children('/locks/a')).find((name) => !lease.nodePath.endsWith(name));
    world.world.partition(['bob'], ['server']);
    await world.look((zk) => zk.delete(`/locks/a/${String(ofBob)}`));
    await world.release(ann, lease);
    world.world.heal();
    expect((await world.world.settle(next)).nodePath).not.toContain(ofBob);
  });

  it('says at once that it is busy, if asked not to wait', async () => {
    await world.acquire(ann, 'a');
    const error = await rejection(world.acquire(bob, 'a', { waitMs: 0 }));
    expect(error).toBeInstanceOf(LockBusyError);
    expect(error).toMatchObject({ ahead: 1, outcome: 'notApplied', path: '/locks/a' });
    await world.pass(50);
    expect(await world.children('/locks/a')).toHaveLength(1);
  });

  it('gives up after waitMs and says behind whom it stood', async () => {
    await world.acquire(ann, 'a');
    const startedMs = world.world.virtualMs;
    const error = await rejection(world.acquire(bob, 'a', { waitMs: 500 }));
    expect(world.world.virtualMs - startedMs).toBeLessThan(502);
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ ahead: 1, behind: 'ann', waitMs: 500, outcome: 'notApplied' });
  });

  it('gives up when its signal aborts, before or during the wait', async () => {
    await world.acquire(ann, 'a');
    const reason = new Error('enough');
    const early = await rejection(world.acquire(bob, 'a', { signal: AbortSignal.abort(reason) }));
    expect(early).toBeInstanceOf(AbortedError);
    const controller = new AbortController();
    world.world.after(300, () => controller.abort(reason));
    const error = await rejection(world.acquire(bob, 'a', { signal: controller.signal }));
    expect(error).toBeInstanceOf(AbortedError);
    expect(error).toMatchObject({ outcome: 'notApplied', cause: reason });
  });

  it('is not taken by who gave up in the turn in which it became free', async () => {
    const lease = await world.acquire(ann, 'a');
    const controller = new AbortController();
    await world.in(bob, async () => {
      const { watch } = await bob.zk.getAndWatch(lease.nodePath);
      void watch.fired.then(() => controller.abort());
    });
    const waiting = world.begin(bob, () => bob.locks.acquire('a', { signal: controller.signal }));
    const refused = rejection(waiting);
    await world.pass(100);
    await world.release(ann, lease);
    expect(await refused).toBeInstanceOf(AbortedError);
    expect(bob.locks.leases).toEqual([]);
    expect(await world.children('/locks/a')).toEqual([]);
  });

  it('tells a lock that is busy from an ensemble that does not answer', async () => {
    world.world.partition(['bob'], ['server']);
    const options = { waitMs: 400 };
    const error = await rejection(world.acquire(bob, 'a', options));
    expect(error).toBeInstanceOf(LockUnavailableError);
    const single = world.service('cas', {}, { attemptMs: 300 });
    world.world.partition(['cas'], ['server']);
    const other = await rejection(world.acquire(single, 'a', { waitMs: 0 }));
    expect(other).toBeInstanceOf(LockUnavailableError);
    expect(other).toMatchObject({ waitMs: 300 });
  });

  it('starts again when somebody deletes its place in the queue', async () => {
    const held = await world.acquire(ann, 'a');
    const waiting = world.begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    const names = await world.children('/locks/a');
    const place = names.find((name) => !held.nodePath.endsWith(name));
    await world.look((zk) => zk.delete(`/locks/a/${place}`));
    await world.release(ann, held);
    const lease = await world.world.settle(waiting);
    expect(lease.nodePath.endsWith(place!)).toBe(false);
    expect(lease.token).toBeGreaterThan(held.token);
  });
});

describe('contenders of other recipes', () => {
  const foreign = '/locks/a/0123456789abcdef0123456789abcdef__lock__';

  it('are refused, and nothing of ours stays', async () => {
    await world.look((zk) => zk.ensurePath('/locks/a'));
    await world.in(ann, () => ann.zk.create(foreign, '', { mode: 'ephemeralSequential' }));
    const error = await rejection(world.acquire(bob, 'a'));
    expect(error).toBeInstanceOf(ForeignContenderError);
    expect(error).toMatchObject({ recipe: "kazoo's Lock", outcome: 'notApplied' });
    await world.pass(100);
    expect(await world.children('/locks/a')).toHaveLength(1);
  });

  it('are only warned of, if one asks for that', async () => {
    const cas = world.service('cas', {}, { onForeignContender: 'warn' });
    await world.look((zk) => zk.ensurePath('/locks/a'));
    await world.in(ann, () => ann.zk.create(foreign, '', { mode: 'ephemeralSequential' }));
    expect((await world.acquire(cas, 'a')).isHeld).toBe(true);
    expect(cas.lines.join()).toMatch(/kazoo's Lock/);
  });

  it('are not what lies below: locks may stand in one another', async () => {
    const inner = await world.acquire(ann, 'orders/1234567890');
    const outer = await world.acquire(bob, 'orders', { waitMs: 0 });
    expect([inner.isHeld, outer.isHeld]).toEqual([true, true]);
  });
});

describe('a lease', () => {
  it('is lost when somebody deletes its node', async () => {
    const lease = await world.acquire(ann, 'a');
    await world.look((zk) => zk.delete(lease.nodePath));
    await world.pass(20);
    expect(lease.signal.reason).toMatchObject({ reason: 'nodeDeleted', token: lease.token });
    expect(() => lease.assertHeld()).toThrow(LeaseLostError);
    await world.release(ann, lease);
  });

  it('is lost by revocation, and protects its holder’s last words until the release', async () => {
    expect(await world.in(bob, () => bob.locks.revoke('a'))).toBe(false);
    const lease = await world.acquire(ann, 'a');
    expect(await world.in(bob, () => bob.locks.revoke('a'))).toBe(true);
    const { data } = await world.look((zk) => zk.get(lease.nodePath));
    expect(String(data)).toBe('__REVOKE__');
    await world.pass(20);
    expect(lease.lost).toBe('revoked');
    expect(lease.signal.aborted).toBe(true);
    const busy = rejection(world.acquire(bob, 'a', { waitMs: 0 }));
    expect(await busy).toBeInstanceOf(LockBusyError);
    await world.release(ann, lease);
    expect((await world.acquire(bob, 'a', { waitMs: 0 })).isHeld).toBe(true);
  });

  it('is lost after maxHoldMs, by the clock and by the signal', async () => {
    const lease = await world.acquire(ann, 'a', { maxHoldMs: 300 });
    await world.pass(295);
    expect(lease.isHeld).toBe(true);
    await world.pass(10);
    expect(lease.signal.reason).toMatchObject({ reason: 'maxHold' });
    expect(lease.isHeld).toBe(false);
  });

  it('is over with its release, which may be asked for twice, and aborts nothing', async () => {
    const lease = await world.acquire(ann, 'a');
    await world.in(ann, () => Promise.all([lease.release(), lease.release()]));
    expect(lease.isHeld).toBe(false);
    expect(lease.lost).toBeNull();
    expect(lease.signal.aborted).toBe(false);
    expect(() => lease.assertHeld()).toThrow(/it has been released/);
    const commit = lease.transaction().create('/late').commit();
    expect(await rejection(commit)).toMatchObject({ reason: 'released', outcome: 'notApplied' });
  });
});

describe('a guarded transaction', () => {
  it('is applied while the lock is held, after the result of its check', async () => {
    const lease = await world.acquire(ann, 'a');
    const [check, created] = await world.in(ann, () =>
      lease.transaction().create('/x', '1').commit(),
    );
    expect(check).toBeUndefined();
    expect(created.path).toBe('/x');
  });

  it('is refused by the server once the node is gone, before the client knows', async () => {
    const lease = await world.acquire(ann, 'a');
    const deleted = world.begin(bob, () => bob.zk.delete(lease.nodePath));
    await world.pass(11);
    expect(lease.isHeld).toBe(true);
    const committing = world.in(ann, () => lease.transaction().create('/x').commit());
    const error = await rejection(committing);
    await deleted;
    expect(error).toMatchObject({ reason: 'nodeDeleted', outcome: 'notApplied' });
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(lease.signal.aborted).toBe(true);
    expect(await world.look((zk) => zk.exists('/x'))).toBeNull();
  });

  it('is refused once somebody wrote to the node', async () => {
    const lease = await world.acquire(ann, 'a');
    const revoked = world.begin(bob, () => bob.locks.revoke('a'));
    await world.pass(31);
    const error = await rejection(world.in(ann, () => lease.transaction().create('/x').commit()));
    await revoked;
    expect(error).toMatchObject({
      reason: 'revoked',
      cause: { cause: expect.any(BadVersionError) },
    });
  });

  it('fails as any other for other reasons', async () => {
    const lease = await world.acquire(ann, 'a');
    const error = await rejection(
      world.in(ann, () => lease.transaction().create('/zookeeper').commit()),
    );
    expect(error).toBeInstanceOf(TransactionFailedError);
    expect(error).toMatchObject({ index: 1, cause: expect.any(NodeExistsError) });
    expect(lease.isHeld).toBe(true);
  });
});

describe('an operator', () => {
  it('sees who holds and who waits, with tokens and since when', async () => {
    expect(await world.in(ann, () => ann.locks.inspect('a'))).toMatchObject({ holder: null });
    const lease = await world.acquire(ann, 'a');
    void world.begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    expect(bob.locks.waiting).toEqual(['/locks/a']);
    const view = await world.in(ann, () => ann.locks.inspect('a'));
    expect(view).toMatchObject({
      path: '/locks/a',
      holder: { identity: 'ann', token: lease.token, sessionId: ann.zk.sessionId },
      queue: [{ identity: 'bob', sessionId: bob.zk.sessionId }],
      foreign: null,
    });
    expect(view.queue[0]!.token).toBeGreaterThan(lease.token);
    expect(view.holder!.since.getTime()).toBeLessThan(view.queue[0]!.since.getTime());
  });
});

describe('a lock client that is closed', () => {
  it('ends its attempts and its leases, leaves nothing behind and takes no more', async () => {
    const lease = await world.acquire(ann, 'a');
    const other = await world.acquire(bob, 'b');
    const waiting = rejection(world.begin(ann, () => ann.locks.acquire('b')));
    await world.pass(100);
    await world.in(ann, () => ann.locks.close());
    expect(await waiting).toBeInstanceOf(LocksClosedError);
    expect(lease.lost).toBe('shutdown');
    const late = await rejection(world.acquire(ann, 'c'));
    expect(late).toMatchObject({ outcome: 'notApplied', path: '/locks/c' });
    expect(await world.children('/locks/a')).toEqual([]);
    expect(await world.children('/locks/b')).toHaveLength(1);
    expect(other.isHeld).toBe(true);
    expect(world.watchCount).toBe(1);
  });

  it('does not wait longer than it was told for servers that do not answer', async () => {
    await world.acquire(ann, 'a');
    world.world.partition(['ann'], ['server']);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => ann.locks.close({ deadlineMs: 700 }));
    expect(world.world.virtualMs - startedMs).toBeLessThan(705);
  });
});

describe('wrong arguments', () => {
  it.each(['', '/', 'a//b', 'a/', 'a/../b'])('path %j', async (path) => {
    const error = await rejection(world.acquire(ann, path));
    expect(error).toBeInstanceOf(InvalidPathError);
    expect(error).toBeInstanceOf(CoordinationError);
  });

  it.each([{ waitMs: -1 }, { waitMs: NaN }, { maxHoldMs: '5' as never }])('%j', async (options) => {
    const error = await rejection(world.acquire(ann, 'a', options));
    expect(error).toBeInstanceOf(InvalidArgumentError);
  });
});

describe('a session that ends', () => {
  it('ends its leases; the next contender is served', async () => {
    const lease = await world.acquire(ann, 'a');
    const waiting = world.begin(bob, () => bob.locks.acquire('a'));
    world.world.partition(['ann'], ['server']);
    const next = await world.world.settle(waiting, { virtualMsMax: 2 * SESSION_TIMEOUT_MS });
    expect(lease.isHeld).toBe(false);
    expect(next.token).toBeGreaterThan(lease.token);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    expect(lease.signal.aborted).toBe(true);
    const error = await rejection(world.in(ann, () => lease.transaction().create('/x').commit()));
    expect(error).toMatchObject({ outcome: 'notApplied' });
  });
});
