import { AbortedError, InvalidArgumentError, NoNodeError } from '@aviary/client';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  LeaseLostError,
  LockBusyError,
  LockTimeoutError,
  type AcquireOptions,
  type LeaseGroup,
  type LockRequest,
} from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, STEADY, rejection, type Service } from './lock-world.js';

let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

type Wanted = readonly (string | LockRequest)[];
const all = (service: Service, locks: Wanted, options?: AcquireOptions) =>
  world.in(service, () => service.locks.acquireAll(locks, options));
const begin = (service: Service, locks: Wanted, options?: AcquireOptions) =>
  world.begin(service, () => service.locks.acquireAll(locks, options));
const release = (service: Service, group: LeaseGroup) => world.in(service, () => group.release());

async function expectNothingLeft(...paths: readonly string[]): Promise<void> {
  await world.pass(100);
  for (const path of paths) {
    const left = await world.children(path).catch((error: unknown) => {
      expect(error).toBeInstanceOf(NoNodeError);
      return [];
    });
    expect(left).toEqual([]);
  }
  expect(world.watchCount).toBe(0);
}

describe('several locks at once', () => {
  it('are held together, in the order in which they were asked for', async () => {
    const group = await all(ann, ['c', { path: 'a', mode: 'read' }, 'b']);
    expect(group.leases.map(({ path }) => path)).toEqual(['/locks/c', '/locks/a', '/locks/b']);
    expect(group.isHeld).toBe(true);
    expect(group.leaseOf('/locks/a')?.nodePath).toMatch(/__READ__/);
    expect(await rejection(world.acquire(bob, 'c', { waitMs: 0 }))).toBeInstanceOf(LockBusyError);
    await release(ann, group);
    await expectNothingLeft('/locks/a', '/locks/b', '/locks/c');
  });

  it('T24: are taken in the order of their paths, so two never wait for each other', async () => {
    const order: string[] = [];
    const use = (service: Service, locks: Wanted) =>
      world.begin(service, async () => {
        for (let round = 0; round < 5; round++) {
          await using group = await service.locks.acquireAll(locks, { waitMs: 10_000 });
          order.push(service.name);
          await new Promise<void>((resolve) => service.process.clock.setTimer(50, resolve));
          group.assertHeld();
        }
      });
    const both = [use(ann, ['a', 'b', 'c']), use(bob, ['c', 'b', 'a'])];
    await world.world.settle(Promise.all(both));
    expect(order.filter((name) => name === 'ann')).toHaveLength(5);
    expect(order).toHaveLength(10);
    await expectNothingLeft('/locks/a', '/locks/b', '/locks/c');
  });

  it('T24: have one deadline for all of them', async () => {
    const first = await world.acquire(bob, 'a');
    const second = await world.acquire(bob, 'b');
    world.world.after(400, () => bob.process.run(() => void first.release()));
    const startedMs = world.world.virtualMs;
    const error = await rejection(all(ann, ['b', 'a'], { waitMs: 600 }));
    expect(world.world.virtualMs - startedMs).toBeLessThan(605);
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ path: '/locks/b', waitMs: 600, ahead: 1, behind: 'bob' });
    await world.release(bob, second);
    await expectNothingLeft('/locks/a', '/locks/b');
  });

  it('are not waited for, if one asks so', async () => {
    const held = await world.acquire(bob, 'b');
    const error = await rejection(all(ann, ['a', 'b', 'c'], { waitMs: 0 }));
    expect(error).toBeInstanceOf(LockBusyError);
    expect(error).toMatchObject({ path: '/locks/b' });
    await world.release(bob, held);
    await expectNothingLeft('/locks/a', '/locks/b', '/locks/c');
  });

  it('are given up when the signal aborts', async () => {
    const held = await world.acquire(bob, 'b');
    const controller = new AbortController();
    world.world.after(300, () => controller.abort());
    const error = await rejection(all(ann, ['a', 'b'], { signal: controller.signal }));
    expect(error).toBeInstanceOf(AbortedError);
    await world.release(bob, held);
    await expectNothingLeft('/locks/a', '/locks/b');
  });

  it('end the wait when one that is held already is lost', async () => {
    await world.acquire(bob, 'b');
    const waiting = rejection(begin(ann, ['a', 'b']));
    await world.pass(200);
    expect(await world.in(bob, () => bob.locks.revoke('a'))).toBe(true);
    await world.pass(50);
    const error = await waiting;
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(error).toMatchObject({ reason: 'revoked', path: '/locks/a' });
    await world.pass(100);
    expect(await world.children('/locks/a')).toEqual([]);
  });

  it('T24: hide no error behind another', async () => {
    await world.acquire(bob, 'b');
    await world.acquire(bob, 'c');
    const waiting = rejection(begin(ann, ['a', 'b'], { waitMs: 500 }));
    const both = rejection(begin(ann, ['0', 'c'], { waitMs: 5_000, maxHoldMs: 500 }));
    await world.pass(1_000);
    expect(await waiting).toBeInstanceOf(LockTimeoutError);
    expect(await both).toMatchObject({ reason: 'maxHold', path: '/locks/0' });
    // Two that are held are lost with the session, while a third is waited for.
    const three = rejection(begin(ann, ['0', 'a', 'c']));
    await world.pass(200);
    world.world.partition(['ann'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    world.world.heal();
    const error = await three;
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([
      expect.objectContaining({ path: '/locks/0', reason: 'uncertain' }),
      expect.objectContaining({ path: '/locks/a', reason: 'uncertain' }),
    ]);
  });

  it('guard a transaction with all their nodes', async () => {
    const group = await all(ann, ['a', 'b']);
    const results = await world.in(ann, () => group.transaction().create('/x').commit());
    expect(results).toHaveLength(3);
    const gone = world.begin(bob, () => bob.zk.delete(group.leases[1]!.nodePath));
    await world.pass(11);
    expect(group.isHeld).toBe(true);
    const error = await rejection(world.in(ann, () => group.transaction().create('/y').commit()));
    expect(error).toMatchObject({ reason: 'nodeDeleted', path: '/locks/b' });
    await gone;
    expect(() => group.assertHeld()).toThrow(LeaseLostError);
    expect(group.signal.aborted).toBe(true);
    expect(await world.look((zk) => zk.exists('/y'))).toBeNull();
  });

  it('are all held in the moment in which they are had', async () => {
    const error = await rejection(all(ann, ['a'], { maxHoldMs: 0 }));
    expect(error).toMatchObject({ name: 'LeaseLostError', reason: 'maxHold' });
    await expectNothingLeft('/locks/a');
  });

  it('commit nothing once the loss is known, and do not ask for it', async () => {
    const group = await all(ann, ['a', 'b']);
    world.world.partition(['ann'], ['server']);
    await world.pass(SESSION_TIMEOUT_MS);
    const startedMs = world.world.virtualMs;
    const error = await rejection(world.in(ann, () => group.transaction().create('/x').commit()));
    expect(error).toMatchObject({ name: 'LeaseLostError', outcome: 'notApplied' });
    expect(world.world.virtualMs - startedMs).toBeLessThan(1);
  });

  it('must be some, each once, and no others', async () => {
    for (const wrong of [[], ['a', '/locks/a'], ['a', { path: 'a', mode: 'read' as const }]]) {
      expect(await rejection(all(ann, wrong))).toBeInstanceOf(InvalidArgumentError);
    }
    const error = await rejection(all(ann, ['a', { path: 'b', mode: 'shared' as never }]));
    expect(String(error)).toMatch(
      /InvalidArgumentError: .* \/locks\/b must be "mutex", .* not "shared"/,
    );
    await expectNothingLeft('/locks/a', '/locks/b');
  });
});
