import { beforeEach, describe, expect, it } from '@jest/globals';
import { LeaseLostError, LockBusyError, LockTimeoutError, type WriteLease } from '../src/index.js';
import { holds, rulesOf } from '../src/core/lock-layout.js';
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
  await world.look((zk) => zk.ensurePath('/locks/a'));
});

const read = (service: Service, waitMs?: number) =>
  world.in(service, () => service.locks.acquireRead('a', { waitMs }));
const write = (service: Service, waitMs?: number) =>
  world.in(service, () => service.locks.acquireWrite('a', { waitMs }));
const beginRead = (service: Service) => world.begin(service, () => service.locks.acquireRead('a'));
const beginWrite = (service: Service) =>
  world.begin(service, () => service.locks.acquireWrite('a'));
const downgrade = (service: Service, lease: WriteLease) =>
  world.in(service, () => lease.downgrade());
const nameOf = (path: string) => path.split('/').pop()!;
const busy = async (attempt: Promise<unknown>) =>
  expect(await rejection(attempt)).toBeInstanceOf(LockBusyError);

describe('a read-write lock', () => {
  it('stands where Curator would put it', async () => {
    const reading = await read(ann);
    expect(nameOf(reading.nodePath)).toMatch(/^_c_[0-9a-f-]{36}-__READ__\d{10}$/);
    await world.release(ann, reading);
    const writing = await write(ann);
    expect(nameOf(writing.nodePath)).toMatch(/^_c_[0-9a-f-]{36}-__WRIT__\d{10}$/);
    const { data } = await world.look((zk) => zk.get(writing.nodePath));
    expect(String(data)).toBe('ann');
  });

  it('costs what the mutex costs: one round trip each way, four requests', async () => {
    for (const acquire of [read, write]) {
      const requests = world.port.traffic.received;
      const startedMs = world.world.virtualMs;
      const lease = await acquire(ann);
      const acquiredMs = world.world.virtualMs;
      await world.release(ann, lease);
      expect(acquiredMs - startedMs).toBeLessThan(25);
      expect(world.world.virtualMs - acquiredMs).toBeLessThan(25);
      expect(world.port.traffic.received - requests).toBe(4);
    }
    expect(world.watchCount).toBe(0);
  });

  it('lets readers in together and writers alone', async () => {
    const readers = [await read(ann), await read(bob)];
    await busy(write(cas, 0));
    await world.release(ann, readers[0]!);
    await world.release(bob, readers[1]!);
    await write(cas);
    await busy(read(ann, 0));
    await busy(write(ann, 0));
  });

  it('serves one queue: a reader behind a waiting writer waits, too', async () => {
    const first = await read(ann);
    const order: string[] = [];
    const writing = beginWrite(bob).then((lease) => {
      order.push('writer');
      return lease;
    });
    await world.pass(50);
    const reading = beginRead(cas).then((lease) => {
      order.push('reader');
      return lease;
    });
    await world.pass(100);
    expect(order).toEqual([]);
    await world.release(ann, first);
    const writer = await world.world.settle(writing);
    expect(order).toEqual(['writer']);
    await world.release(bob, writer);
    const reader = await world.world.settle(reading);
    expect(reader.token).toBeGreaterThan(writer.token);
  });

  it('T15: readers watch the nearest writer before them, and no later one', async () => {
    const first = await write(ann);
    const reading = beginRead(bob);
    await world.pass(50);
    const later = beginWrite(cas);
    await world.pass(50);
    // Own node of the holder, one predecessor for each who waits.
    expect(world.watchCount).toBe(3);
    await world.release(ann, first);
    const reader = await world.world.settle(reading);
    expect(reader.isHeld).toBe(true);
    await world.release(bob, reader);
    expect((await world.world.settle(later)).isHeld).toBe(true);
  });

  it('wakes no reader when another reader leaves', async () => {
    const readers = [await read(ann), await read(bob)];
    const writing = rejection(beginWrite(cas));
    await world.pass(50);
    const waiting = beginRead(ann);
    await world.pass(50);
    const requests = world.port.traffic.received;
    await world.release(ann, readers[0]!);
    await world.pass(100);
    // The delete alone: neither the writer (it watches the last reader) nor the reader behind it.
    expect(world.port.traffic.received - requests).toBe(1);
    await world.in(cas, () => cas.locks.close());
    await writing;
    await world.release(ann, await world.world.settle(waiting));
  });

  it('shows readers, writers and those who wait', async () => {
    const one = await read(ann);
    await read(bob);
    void beginWrite(cas);
    await world.pass(50);
    void beginRead(ann);
    await world.pass(50);
    const view = await world.look(async () => ann.locks.inspect('a'));
    expect(view).toMatchObject({
      kind: 'readWrite',
      holder: { identity: 'ann', token: one.token },
      holders: [{ identity: 'ann' }, { identity: 'bob' }],
      queue: [
        { identity: 'cas', marker: '__WRIT__' },
        { identity: 'ann', marker: '__READ__' },
      ],
      foreign: null,
    });
  });

  it('is not to be mixed with the mutex on one path', async () => {
    await world.acquire(ann, 'a');
    expect(await rejection(read(bob, 0))).toMatchObject({
      name: 'ForeignContenderError',
      recipe: "Curator's InterProcessMutex",
    });
  });

  it('is revoked as a whole, or one contender of it', async () => {
    const one = await read(ann);
    const two = await read(bob);
    const view = await world.look(async () => ann.locks.inspect('a'));
    expect(await world.in(cas, () => cas.locks.revoke(view.holders[1]!))).toBe(true);
    await world.pass(50);
    expect([one.lost, two.lost]).toEqual([null, 'revoked']);
    expect(await world.in(cas, () => cas.locks.revoke('a'))).toBe(true);
    await world.pass(50);
    expect(one.lost).toBe('revoked');
    await world.release(ann, one);
    await world.release(bob, two);
    expect(await world.in(cas, () => cas.locks.revoke(view.holders[1]!))).toBe(false);
  });
});

describe('T16: a writer that goes on as a reader', () => {
  it('keeps its number; readers come in, a writer that waited does not', async () => {
    const writing = await write(ann);
    const waiting = beginWrite(bob);
    await world.pass(50);
    const reading = await downgrade(ann, writing);
    expect([writing.isHeld, reading.isHeld]).toEqual([false, true]);
    expect(writing.lost).toBeNull();
    expect(nameOf(reading.nodePath)).toBe(nameOf(writing.nodePath).replace('WRIT', 'READ'));
    await world.pass(100);
    expect(bob.locks.leases).toEqual([]);
    expect(ann.locks.leases).toEqual([reading]);
    await world.release(ann, reading);
    await world.world.settle(waiting);
    expect(await world.children('/locks/a')).toHaveLength(1);
  });

  it('lets readers in that stand right behind it', async () => {
    const writing = await write(ann);
    const waiting = beginRead(bob);
    await world.pass(50);
    const startedMs = world.world.virtualMs;
    await downgrade(ann, writing);
    await world.world.settle(waiting);
    expect(world.world.virtualMs - startedMs).toBeLessThan(70);
    await busy(write(cas, 0));
  });

  it('is never without the lock: no moment shows the directory without its node', async () => {
    const writing = await write(ann);
    const seen: number[] = [];
    const going = world.begin(ann, () => writing.downgrade());
    for (let step = 0; step < 30; step++) {
      const { tree } = world.port;
      seen.push(tree.countDescendants(tree.findText('/locks/a')));
      await world.pass(1);
    }
    await going;
    expect(new Set(seen)).toEqual(new Set([1]));
  });

  it('costs one round trip', async () => {
    const writing = await write(ann);
    const startedMs = world.world.virtualMs;
    await downgrade(ann, writing);
    expect(world.world.virtualMs - startedMs).toBeLessThan(25);
  });

  it.each([5, 9, 11, 13, 15, 19])(
    'finds out what became of it when the answer is lost (reset after %i ms)',
    async (afterMs) => {
      const writing = await write(ann);
      world.world.after(afterMs, () => world.world.fabric.resetBetween('ann', 'server'));
      const reading = await downgrade(ann, writing);
      expect(await world.children('/locks/a')).toEqual([nameOf(reading.nodePath)]);
      expect(reading.isHeld).toBe(true);
      await world.release(ann, reading);
      expect(await world.children('/locks/a')).toEqual([]);
    },
  );

  it('ends with the session, if that ends meanwhile', async () => {
    const writing = await write(ann);
    world.world.after(15, () => {
      world.world.fabric.resetBetween('ann', 'server');
      world.world.partition(['ann'], ['server']);
    });
    const error = await rejection(downgrade(ann, writing));
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(error).toMatchObject({ reason: 'sessionLost', outcome: 'notApplied' });
    world.world.heal();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(await world.children('/locks/a')).toEqual([]);
  });

  it('is told if the lock was lost or asked for before', async () => {
    const revoked = await write(ann);
    const asked = world.begin(bob, () => bob.locks.revoke('a'));
    await world.pass(31);
    expect(await rejection(downgrade(ann, revoked))).toMatchObject({ reason: 'revoked' });
    await asked;
    const deleted = await write(ann);
    const gone = world.begin(bob, () => bob.zk.delete(deleted.nodePath));
    await world.pass(11);
    expect(await rejection(downgrade(ann, deleted))).toMatchObject({ reason: 'nodeDeleted' });
    await gone;
    expect(await rejection(downgrade(ann, deleted))).toMatchObject({ reason: 'released' });
    await world.pass(50);
    expect(await world.children('/locks/a')).toEqual([]);
    expect(world.watchCount).toBe(0);
  });

  it.each([0, 5, 11, 19])('ends with its locks, closed %i ms after it began', async (afterMs) => {
    const writing = await write(ann);
    const reading = world.begin(ann, () => writing.downgrade());
    await world.pass(afterMs);
    await world.in(ann, () => ann.locks.close());
    const error = await rejection(world.world.settle(reading));
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(error).toMatchObject({ reason: 'shutdown', outcome: 'notApplied' });
    await world.pass(100);
    expect(ann.locks.leases).toEqual([]);
    expect(await world.children('/locks/a')).toEqual([]);
    expect(world.watchCount).toBe(0);
  });

  it('is over if its answer comes too late to say that the session lives', async () => {
    const writing = await write(ann);
    const reading = world.begin(ann, () => writing.downgrade());
    await world.pass(5);
    ann.process.pause();
    await world.pass(0.8 * SESSION_TIMEOUT_MS);
    ann.process.resume();
    const error = await rejection(world.world.settle(reading));
    expect(error).toMatchObject({ name: 'LeaseLostError', reason: 'uncertain' });
    await world.pass(100);
    expect(await world.children('/locks/a')).toEqual([]);
    expect(ann.locks.leases).toEqual([]);
  });

  it('keeps the limit of its time', async () => {
    const writing = await world.in(ann, () => ann.locks.acquireWrite('a', { maxHoldMs: 1_000 }));
    await world.pass(500);
    const reading = await downgrade(ann, writing);
    await world.pass(500);
    expect(reading.lost).toBe('maxHold');
  });
});

it('T10: a reader before a writer holds, also where the numbers wrap', () => {
  const reader = { marker: '__READ__', sequence: 0x7fff_ffff } as const;
  const writer = { marker: '__WRIT__', sequence: -0x8000_0000 } as const;
  const isHolder = holds([reader, writer], rulesOf('curator')!);
  expect([reader, writer].map(isHolder)).toEqual([true, false]);
  expect(isHolder({ ...reader, sequence: -0x7fff_ffff })).toBe(false);
});

it('T11: the token of a downgrade is the writer’s, so it never passes one that waits', async () => {
  const writing = await write(ann);
  const waiting = beginWrite(bob);
  await world.pass(50);
  const reading = await downgrade(ann, writing);
  expect(reading.token).toBe(writing.token);
  const { stat } = await world.look((zk) => zk.get(reading.nodePath));
  expect(stat.czxid).toBeGreaterThan(reading.token);
  await world.release(ann, reading);
  expect((await world.world.settle(waiting)).token).toBeGreaterThan(reading.token);
});

it('says behind whom it waited', async () => {
  await write(ann);
  const error = await rejection(read(bob, 300));
  expect(error).toBeInstanceOf(LockTimeoutError);
  expect(error).toMatchObject({ ahead: 1, behind: 'ann' });
});
