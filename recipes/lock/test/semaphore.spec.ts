import { AbortedError, InvalidArgumentError, InvalidPathError } from '@aviary/client';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  LockBusyError,
  LockTimeoutError,
  LockUnavailableError,
  LocksClosedError,
  SemaphoreLimitError,
  type Lease,
  type PermitOptions,
} from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, STEADY, rejection, type Service } from './lock-world.js';

let world: LockWorld;
let ann: Service;
let bob: Service;
let cas: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  cas = await world.connected('cas');
  await world.look((zk) => zk.ensurePath('/locks/a/leases'));
  await world.look((zk) => zk.ensurePath('/locks/a/locks'));
});

const permit = (service: Service, options: Partial<PermitOptions> = {}) =>
  world.in(service, () => service.locks.acquirePermit('a', { limit: 2, ...options }));
const begin = (service: Service, options: Partial<PermitOptions> = {}) =>
  world.begin(service, () => service.locks.acquirePermit('a', { limit: 2, ...options }));
const several = (service: Service, quantity: number, options: Partial<PermitOptions> = {}) =>
  world.in(service, () => service.locks.acquirePermits('a', quantity, { limit: 2, ...options }));
const permits = () => world.children('/locks/a/leases');
const guard = () => world.children('/locks/a/locks');
const nameOf = ({ nodePath }: Lease) => nodePath.split('/').pop()!;

/** Nobody waits any more: what is left are the permits that are out. */
async function expectOnly(leases: readonly Lease[]): Promise<void> {
  await world.pass(100);
  expect(await permits()).toEqual(leases.map(nameOf).sort());
  expect(await guard()).toEqual([]);
  expect(world.watchCount).toBe(leases.length);
}

describe('a semaphore', () => {
  it('stands where Curator would put it: guard and permits', async () => {
    const lease = await permit(ann);
    expect(lease.path).toBe('/locks/a');
    expect(lease.nodePath).toMatch(/^\/locks\/a\/leases\/_c_[0-9a-f-]{36}-lease-\d{10}$/);
    const { data, stat } = await world.look((zk) => zk.get(lease.nodePath));
    expect([String(data), stat.czxid]).toEqual(['ann', lease.token]);
    await expectOnly([lease]);
    const waiting = begin(bob, { limit: 1 });
    await world.pass(100);
    expect(await guard()).toEqual([expect.stringMatching(/^_c_[0-9a-f-]{36}-lock-\d{10}$/)]);
    await world.release(ann, lease);
    await expectOnly([await world.world.settle(waiting)]);
  });

  it('costs three round trips to acquire, one to release, and eight requests', async () => {
    await world.release(ann, await permit(ann));
    await world.pass(50);
    const requests = world.port.traffic.received;
    const startedMs = world.world.virtualMs;
    const lease = await permit(ann);
    const acquiredMs = world.world.virtualMs;
    await world.release(ann, lease);
    expect(acquiredMs - startedMs).toBeGreaterThanOrEqual(60);
    expect(acquiredMs - startedMs).toBeLessThan(75);
    expect(world.world.virtualMs - acquiredMs).toBeLessThan(25);
    await world.pass(50);
    // Guard and its queue; permits; permit and guard; its end and our own node's watch; the release.
    expect(world.port.traffic.received - requests).toBe(8);
    expect(world.watchCount).toBe(0);
  });

  it('gives so many permits as there are, and the next in the order of arrival', async () => {
    const [one, two] = [await permit(ann), await permit(bob)];
    const order: string[] = [];
    const waiting: Promise<Lease>[] = [];
    for (const service of [cas, ann, bob]) {
      const going = begin(service);
      void going.then(() => order.push(service.name));
      waiting.push(going);
      await world.pass(50);
    }
    await world.pass(100);
    expect(order).toEqual([]);
    await world.release(ann, one);
    await world.world.settle(waiting[0]!);
    await world.pass(100);
    expect(order).toEqual(['cas']);
    await world.release(bob, two);
    await world.world.settle(waiting[1]!);
    await world.release(cas, await waiting[0]!);
    await world.world.settle(waiting[2]!);
    expect(order).toEqual(['cas', 'ann', 'bob']);
  });

  it('lets only the first of those who wait watch the permits', async () => {
    const held = [await permit(ann), await permit(ann)];
    const waiting: Promise<Lease>[] = [];
    for (const service of [bob, cas, bob]) {
      waiting.push(begin(service));
      await world.pass(100);
    }
    // Two permits' own nodes; the permits, by the first in line; one predecessor for each other, with
    // his own node, which tells him that he is first.
    const base = world.watchCount;
    const requests = world.port.traffic.received;
    await world.release(ann, held[0]!);
    await world.world.settle(waiting[0]!);
    await world.pass(100);
    expect(base).toBeLessThanOrEqual(2 + 1 + 2 * 2);
    // The third in line heard of nothing.
    expect(world.port.traffic.received - requests).toBeLessThan(14);
  });

  it('says at once that it is full, if asked not to wait', async () => {
    const held = [await permit(ann), await permit(bob)];
    const error = await rejection(permit(cas, { waitMs: 0 }));
    expect(error).toBeInstanceOf(LockBusyError);
    expect(error).toMatchObject({ ahead: 2, outcome: 'notApplied', path: '/locks/a' });
    expect(String(error)).toMatch(/the semaphore \/locks\/a is not free/);
    await expectOnly(held);
    const waiting = rejection(begin(cas, { waitMs: 1_000 }));
    await world.pass(100);
    expect(await rejection(permit(ann, { waitMs: 0 }))).toBeInstanceOf(LockBusyError);
    await world.world.settle(waiting);
    await expectOnly(held);
  });

  it('does not take somebody who is just taking a permit for one who waits', async () => {
    await permit(ann);
    const going = begin(bob);
    await world.pass(25);
    const lease = await permit(cas, { waitMs: 0, limit: 3 });
    expect(lease.isHeld).toBe(true);
    await going;
  });

  it('gives up after waitMs, by its signal, or at the end of its client, and leaves nothing', async () => {
    const held = [await permit(ann), await permit(ann)];
    const late = await rejection(permit(bob, { waitMs: 300 }));
    expect(late).toBeInstanceOf(LockTimeoutError);
    expect(late).toMatchObject({ waitMs: 300, ahead: 2 });
    await expectOnly(held);
    const controller = new AbortController();
    world.world.after(300, () => controller.abort());
    expect(await rejection(permit(bob, { signal: controller.signal }))).toBeInstanceOf(
      AbortedError,
    );
    await expectOnly(held);
    const waiting = rejection(begin(bob));
    await world.pass(100);
    expect(bob.locks.waiting).toEqual(['/locks/a']);
    await world.in(bob, () => bob.locks.close());
    expect(await waiting).toBeInstanceOf(LocksClosedError);
    await expectOnly(held);
  });

  it('takes several permits or none', async () => {
    const one = await permit(ann);
    const error = await rejection(several(bob, 2, { waitMs: 0 }));
    expect(error).toBeInstanceOf(LockBusyError);
    await expectOnly([one]);
    const waiting = world.begin(bob, () => bob.locks.acquirePermits('a', 2, { limit: 2 }));
    await world.pass(200);
    // Nobody passes him by, though there would be room for one.
    expect(await rejection(permit(cas, { waitMs: 300 }))).toBeInstanceOf(LockTimeoutError);
    await world.release(ann, one);
    const group = await world.world.settle(waiting);
    expect(group.leases).toHaveLength(2);
    expect(group.isHeld).toBe(true);
    await expectOnly(group.leases);
    await world.look((zk) => zk.delete(group.leases[1]!.nodePath));
    await world.pass(50);
    expect(group.isHeld).toBe(false);
    expect(group.signal.reason).toMatchObject({ reason: 'nodeDeleted' });
    await world.in(bob, () => group.release());
    await expectOnly([]);
  });

  it('refuses what can never be', async () => {
    const wrong: [number, unknown][] = [
      [0, 2],
      [1.5, 2],
      [3, 2],
      [1, 0],
      [1, -1],
      [1, 2.5],
      [1, null],
    ];
    for (const [quantity, limit] of wrong) {
      const error = await rejection(several(ann, quantity, { limit: limit as number }));
      expect(error).toBeInstanceOf(InvalidArgumentError);
    }
    const climbing = await rejection(permit(ann, { limit: '../limits' }));
    expect(climbing).toBeInstanceOf(InvalidPathError);
  });

  it('shows permits and those who wait', async () => {
    await permit(ann);
    await permit(bob);
    void begin(cas);
    await world.pass(100);
    const view = await world.look(async () => ann.locks.inspect('a'));
    expect(view).toMatchObject({
      kind: 'semaphore',
      holder: { identity: 'ann' },
      holders: [{ identity: 'ann' }, { identity: 'bob' }],
      queue: [{ identity: 'cas' }],
    });
  });

  it('is revoked: every permit is asked for', async () => {
    const [one, two] = [await permit(ann), await permit(bob)];
    expect(await world.in(cas, () => cas.locks.revoke('a'))).toBe(true);
    await world.pass(50);
    expect([one.lost, two.lost]).toEqual(['revoked', 'revoked']);
  });
});

describe('T17: a permit', () => {
  it('does not stay behind when an answer is lost', async () => {
    for (let afterMs = 5; afterMs < 90; afterMs += 7) {
      world.world.after(afterMs, () => world.world.fabric.resetBetween('ann', 'server'));
      const lease = await permit(ann);
      await world.pass(300);
      await expectOnly([lease]);
      await world.release(ann, lease);
      await world.pass(300);
      await expectOnly([]);
    }
  });

  it('does not stay behind a caller that gives up in the middle of whatever goes on', async () => {
    for (let afterMs = 5; afterMs < 90; afterMs += 7) {
      const controller = new AbortController();
      world.world.after(afterMs, () => controller.abort());
      const settled = permit(ann, { signal: controller.signal });
      const lease = await settled.catch(() => null);
      if (lease !== null) await world.release(ann, lease);
      await expectOnly([]);
    }
  });

  it('is not counted twice over the end of a session', async () => {
    world.world.after(45, () => world.world.partition(['ann'], ['server']));
    const going = begin(ann);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    world.world.heal();
    const lease = await world.world.settle(going);
    await expectOnly([lease]);
    expect(lease.sessionId).toBe(ann.zk.sessionId);
  });

  it('comes with the limit: who waits is told when it changes', async () => {
    await world.look((zk) => zk.create('/limit', '1'));
    const limit = '/limit';
    const one = await permit(ann, { limit });
    const waiting = begin(bob, { limit });
    await world.pass(100);
    expect(bob.locks.leases).toEqual([]);
    const changedMs = world.world.virtualMs;
    // As Curator's SharedCount writes it.
    await world.look((zk) => zk.set('/limit', Buffer.from([0, 0, 0, 2])));
    const two = await world.world.settle(waiting);
    expect(world.world.virtualMs - changedMs).toBeLessThan(200);
    await world.look((zk) => zk.set('/limit', '1'));
    expect([one.isHeld, two.isHeld]).toEqual([true, true]);
    await world.release(ann, one);
    expect(await rejection(permit(ann, { limit, waitMs: 200 }))).toBeInstanceOf(LockTimeoutError);
    await world.release(bob, two);
    await expectOnly([await permit(ann, { limit })]);
  });

  it.each(['', 'two', '-1', Buffer.from([255, 255, 255, 255])])(
    'is not given under a limit that says nothing: %p',
    async (data) => {
      await world.look((zk) => zk.create('/limit', data));
      const error = await rejection(permit(ann, { limit: '/limit' }));
      expect(error).toBeInstanceOf(SemaphoreLimitError);
      await expectOnly([]);
      const missing = await rejection(permit(ann, { limit: '/nowhere' }));
      expect(String(missing)).toMatch(/there is no node \/nowhere; create it/);
      await expectOnly([]);
    },
  );

  it('ends the wait when its limit’s node goes, with nothing left', async () => {
    await world.look((zk) => zk.create('/limit', '1'));
    const one = await permit(ann, { limit: '/limit' });
    const waiting = rejection(begin(bob, { limit: '/limit' }));
    await world.pass(100);
    await world.look((zk) => zk.delete('/limit'));
    expect(await world.world.settle(waiting)).toBeInstanceOf(SemaphoreLimitError);
    await expectOnly([one]);
  });
});

describe('a permit that is not to be had', () => {
  it.each([
    ['0', 1, 'the limit is 0, 0 are out, and 1 is wanted'],
    ['1', 2, 'the limit is 1, 0 are out, and 2 are wanted'],
  ])('is refused with the limit, if that is %s and %i wanted', async (data, quantity, why) => {
    await world.look((zk) => zk.create('/limit', data));
    const late = await rejection(several(ann, quantity, { limit: '/limit', waitMs: 300 }));
    expect(late).toBeInstanceOf(LockTimeoutError);
    expect(late).toMatchObject({ waitMs: 300, ahead: 0, behind: null });
    expect(String(late)).toMatch(`/locks/a was not free within 300 ms: ${why}`);
    const busy = await rejection(several(ann, quantity, { limit: '/limit', waitMs: 0 }));
    expect(busy).toBeInstanceOf(LockBusyError);
    expect(String(busy)).toMatch(`/locks/a is not free: ${why}`);
    await expectOnly([]);
  });

  it('is refused with the limit also before the second look has been answered', async () => {
    await permit(ann, { limit: 1 });
    const late = rejection(begin(bob, { limit: 1, waitMs: 300 }));
    // 20 ms: the guard is ours; 40: the semaphore is full; 60: it is watched.
    await world.pass(45);
    cutOff(bob);
    expect(await world.world.settle(late)).toMatchObject({ name: 'LockTimeoutError', ahead: 1 });
  });

  it('is not known to be so while the answer to the first look is lost', async () => {
    const late = rejection(begin(bob, { waitMs: 300 }));
    await world.pass(25);
    cutOff(bob);
    expect(await world.world.settle(late)).toBeInstanceOf(LockUnavailableError);
  });

  it('is not known to be so any more once there was room and the answer is lost', async () => {
    const [one] = [await permit(ann), await permit(ann)];
    const late = rejection(begin(bob, { waitMs: 600 }));
    await world.pass(100);
    void world.begin(ann, () => one.release());
    // 20 ms: it is told; 40: there is room; 60: the permit would be his.
    await world.pass(45);
    cutOff(bob);
    expect(await world.world.settle(late)).toBeInstanceOf(LockUnavailableError);
  });

  function cutOff({ name }: Service): void {
    world.world.partition([name], ['server']);
  }
});

describe('a place in the queue for permits', () => {
  /** The places in the order of arrival. */
  const places = async () => (await guard()).map((name) => `/locks/a/locks/${name}`).sort(byNumber);
  const byNumber = (one: string, other: string) => (one.slice(-10) < other.slice(-10) ? -1 : 1);
  const out = () => [ann, bob, cas].flatMap(({ locks }) => locks.leases);

  it('that somebody deletes lets nobody pass: he stands in line anew', async () => {
    const held = await permit(ann, { limit: 1 });
    const waiting = begin(bob, { limit: 1 });
    await world.pass(100);
    const [ofBob] = await places();
    await world.look((zk) => zk.delete(ofBob!));
    const next = begin(cas, { limit: 1 });
    await world.pass(100);
    await world.release(ann, held);
    const first = await world.world.settle(Promise.race([waiting, next]));
    await world.pass(200);
    expect(out()).toEqual([first]);
    await world.release(first.sessionId === bob.zk.sessionId ? bob : cas, first);
    const leases = await world.world.settle(Promise.all([waiting, next]));
    await expectOnly(leases.filter(({ isHeld }) => isHeld));
  });

  it.each([15, 25, 35])('may go while its owner sleeps, from %i ms on', async (afterMs) => {
    const first = begin(ann, { limit: 1 });
    await world.pass(afterMs);
    ann.process.pause();
    const [ofAnn] = await places();
    await world.look((zk) => zk.delete(ofAnn!));
    const lease = await permit(cas, { limit: 1 });
    ann.process.resume();
    await world.pass(200);
    expect(out()).toEqual([lease]);
    await world.release(cas, lease);
    await expectOnly([await world.world.settle(first)]);
  });

  it('may go while the directory of the permits is made', async () => {
    await world.look((zk) => zk.ensurePath('/locks/b/locks'));
    const take = (service: Service) => service.locks.acquirePermit('b', { limit: 1 });
    const first = world.begin(ann, () => take(ann));
    // 60 ms: it is known to be missing; 80: it is made.
    await world.pass(65);
    ann.process.pause();
    const [ofAnn] = await world.children('/locks/b/locks');
    await world.look((zk) => zk.delete(`/locks/b/locks/${ofAnn}`));
    const lease = await world.in(cas, () => take(cas));
    ann.process.resume();
    await world.pass(200);
    expect(out()).toEqual([lease]);
    await world.release(cas, lease);
    expect((await world.world.settle(first)).isHeld).toBe(true);
  });

  it('that is asked for costs its owner the permit in the moment in which he gets it', async () => {
    const held = await permit(ann, { limit: 1 });
    const waiting = begin(bob, { limit: 1 });
    await world.pass(100);
    const { queue } = await world.in(cas, () => cas.locks.inspect('a'));
    expect(await world.in(cas, () => cas.locks.revoke(queue[0]!))).toBe(true);
    await world.release(ann, held);
    const lease = await world.world.settle(waiting);
    expect(lease.lost).toBe('revoked');
    await world.release(bob, lease);
    await expectOnly([]);
  });
});

it('T4: a permit of a session that is over is not held', async () => {
  const held = [await permit(ann), await permit(bob)];
  ann.process.pause();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  const next = await permit(cas);
  ann.process.resume();
  expect(held[0]!.isHeld).toBe(false);
  await world.release(ann, held[0]!);
  await expectOnly([held[1]!, next]);
});

it('T9: a permit whose release is on its way is not in the way of its own process', async () => {
  const one = await permit(ann, { limit: 1 });
  world.world.partition(['ann'], ['server']);
  world.world.fabric.resetBetween('ann', 'server');
  await world.pass(50);
  await world.release(ann, one);
  const again = begin(ann, { limit: 1, waitMs: 0 });
  await world.pass(100);
  world.world.heal();
  await expectOnly([await world.world.settle(again)]);
});

it('survives that its directories are removed when they are empty', async () => {
  for (let round = 0; round < 3; round++) {
    const lease = await world.in(ann, () => ann.locks.acquirePermit('b', { limit: 1 }));
    await world.release(ann, lease);
    await world.world.reach(() => world.port.tree.findText('/locks/b') === -1);
  }
});
