import { InvalidArgumentError } from '@aviary/client';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ForeignContenderError,
  LockBusyError,
  LockClient,
  SemaphoreLimitError,
} from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';

const HEX = '0123456789abcdef0123456789abcdef';

let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  const kazoo = (name: string) => world.service(name, {}, { layout: 'kazoo' });
  [ann, bob] = [kazoo('ann'), kazoo('bob')];
  await world.in(ann, () => ann.zk.connect());
  await world.in(bob, () => bob.zk.connect());
});

/** What kazoo's own objects do: a node of this name, at the end of the queue. */
async function stand(marker: string, path = 'a'): Promise<string> {
  await world.look((zk) => zk.ensurePath(`/locks/${path}`));
  const create = () =>
    bob.zk.create(`/locks/${path}/${HEX}${marker}`, 'kazoo', { mode: 'ephemeralSequential' });
  return (await world.in(bob, create)).path;
}

const read = (service: Service) =>
  world.in(service, () => service.locks.acquireRead('a', { waitMs: 0 }));
const write = (service: Service) =>
  world.in(service, () => service.locks.acquireWrite('a', { waitMs: 0 }));
const permit = (service: Service, limit: number) =>
  world.in(service, () => service.locks.acquirePermit('s', { limit, waitMs: 0 }));
const busy = async (attempt: Promise<unknown>) =>
  expect(await rejection(attempt)).toBeInstanceOf(LockBusyError);

describe('locks on kazoo’s znodes', () => {
  it('have names that kazoo finds, its data, and directories that stay', async () => {
    const mutex = await world.acquire(ann, 'a');
    expect(mutex.nodePath).toMatch(/__lock__\d{10}$/);
    const { data } = await world.look((zk) => zk.get(mutex.nodePath));
    expect(String(data)).toBe('ann');
    await world.release(ann, mutex);
    const reading = await read(ann);
    expect(reading.nodePath).toMatch(/__rlock__\d{10}$/);
    await world.release(ann, reading);
    await world.pass(10_000);
    // kazoo makes a directory once and never again.
    expect(await world.children('/locks/a')).toEqual([]);
  });

  it('wait for kazoo’s Lock, WriteLock and ReadLock, as their kind does', async () => {
    const reader = await stand('__rlock__');
    await world.release(ann, await read(ann));
    await busy(write(ann));
    await busy(world.acquire(ann, 'a', { waitMs: 0 }));
    await world.look((zk) => zk.delete(reader));
    const writer = await stand('__lock__');
    await busy(read(ann));
    await busy(write(ann));
    const view = await world.look(async () => ann.locks.inspect('a'));
    expect(view).toMatchObject({ kind: 'mutex', holder: { identity: 'kazoo' }, queue: [] });
    await world.look((zk) => zk.delete(writer));
    await world.release(ann, await write(ann));
  });

  it('are one lock: who writes and who takes the mutex exclude each other', async () => {
    await world.acquire(ann, 'a');
    await busy(write(bob));
    await busy(read(bob));
  });

  it('are downgraded under the writer’s number', async () => {
    const writing = await write(ann);
    const reading = await world.in(ann, () => writing.downgrade());
    expect(reading.nodePath.slice(-19)).toBe(`__rlock__${writing.nodePath.slice(-10)}`);
    await world.release(bob, await read(bob));
    await busy(write(bob));
  });

  it('refuse Curator’s contenders, and Curator’s layout refuses theirs', async () => {
    const theirs = new LockClient(ann.zk, { root: '/locks', layout: 'curator' });
    await world.in(ann, () => theirs.acquire('a'));
    expect(await rejection(world.acquire(bob, 'a'))).toBeInstanceOf(ForeignContenderError);
    await world.acquire(bob, 'b');
    const refused = world.in(ann, () => theirs.acquire('b'));
    expect(await rejection(refused)).toBeInstanceOf(ForeignContenderError);
  });
});

describe('a semaphore on kazoo’s znodes', () => {
  it('has its permits in its own directory, its guard beside it and its limit as data', async () => {
    const lease = await permit(ann, 2);
    expect(lease.nodePath).toMatch(/^\/locks\/s\/[^/]+$/);
    const { data, stat } = await world.look((zk) => zk.get('/locks/s'));
    expect([String(data), stat.numChildren]).toEqual(['2', 1]);
    expect(await world.children('/locks/s-__lock__')).toEqual([]);
    await permit(bob, 2);
    await busy(permit(ann, 2));
    const view = await world.look(async () => ann.locks.inspect('s'));
    expect(view).toMatchObject({ kind: 'semaphore', queue: [] });
    expect(view.holders.map(({ identity }) => identity).sort()).toEqual(['ann', 'bob']);
  });

  it('counts kazoo’s permits and waits behind kazoo’s guard', async () => {
    await world.look((zk) => zk.ensurePath('/locks/s'));
    await world.look((zk) => zk.set('/locks/s', '1'));
    await world.in(bob, () => bob.zk.create(`/locks/s/${HEX}`, 'kazoo', { mode: 'ephemeral' }));
    await busy(permit(ann, 1));
    await world.look((zk) => zk.delete(`/locks/s/${HEX}`));
    const guard = await stand('__lock__', 's-__lock__');
    const waiting = world.begin(ann, () => ann.locks.acquirePermit('s', { limit: 1 }));
    await world.pass(200);
    expect(ann.locks.leases).toEqual([]);
    await world.look((zk) => zk.delete(guard));
    expect((await world.world.settle(waiting)).isHeld).toBe(true);
  });

  it('waits for permits, not for what stands below it', async () => {
    await permit(ann, 2);
    await world.look((zk) => zk.create('/locks/s/below'));
    void world.begin(bob, () => bob.locks.acquirePermit('s', { limit: 2 }));
    await world.pass(200);
    const { waits } = await world.in(ann, () => ann.locks.waitGraph());
    expect(waits.map(({ blockers }) => blockers.map(({ identity }) => identity))).toEqual([
      ['ann'],
    ]);
  });

  it('has its limit written by one of those who come first', async () => {
    const begin = (service: Service) =>
      world.begin(service, () => service.locks.acquirePermit('s', { limit: 2, waitMs: 0 }));
    const leases = await world.world.settle(Promise.all([begin(ann), begin(bob)]));
    expect(leases.map(({ isHeld }) => isHeld)).toEqual([true, true]);
  });

  it('is not revoked as a whole, since nobody knows whose nodes those are, but one by one', async () => {
    const revoke = (target: Parameters<LockClient['revoke']>[0]) =>
      world.in(bob, () => bob.locks.revoke(target));
    expect(await revoke('s')).toBe(false);
    const lease = await permit(ann, 2);
    const error = await rejection(revoke('s'));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(String(error)).toMatch(
      /revoke \/locks\/s: .*: revoke one by one what inspect\(\) shows/,
    );
    expect(lease.isHeld).toBe(true);
    const view = await world.in(bob, () => bob.locks.inspect('s'));
    expect(await revoke(view.holders[0]!)).toBe(true);
    await world.pass(50);
    expect(lease.lost).toBe('revoked');
  });

  it('refuses another limit than the one that is written there', async () => {
    await world.release(ann, await permit(ann, 2));
    const error = await rejection(permit(bob, 3));
    expect(error).toBeInstanceOf(SemaphoreLimitError);
    expect(String(error)).toMatch(/its node says 2, and this caller 3/);
    await world.pass(100);
    expect(await world.children('/locks/s-__lock__')).toEqual([]);
  });
});

it('no other layout is known', () => {
  const other = () => new LockClient(ann.zk, { layout: 'etcd' as never });
  expect(other).toThrow(InvalidArgumentError);
  expect(other).toThrow(/layout must be "curator" or "kazoo"/);
});
