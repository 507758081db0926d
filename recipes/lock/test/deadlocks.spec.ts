import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NoAuthError, OPEN_ACL, Permission } from '@aviary/client';
import type { ContenderView } from '@aviary/coordination';
import { rejection } from '../../../test/rejection.js';
import { deadlocksAmong, type Wait } from '../src/core/wait-graph.js';
import { LockWorld, STEADY, type Service } from './lock-world.js';

const contender = (session: number): ContenderView => ({
  nodePath: `/locks/${session}`,
  marker: 'lock-',
  sequence: 0,
  identity: `s${session}`,
  token: BigInt(session),
  since: new Date(0),
  sessionId: BigInt(session),
});

const wait = (waiter: number, blockers: number[], needs: Wait['needs'] = 'all'): Wait => ({
  path: '/locks/a',
  waiter: contender(waiter),
  blockers: blockers.map(contender),
  needs,
});

const circles = (waits: readonly Wait[]) =>
  deadlocksAmong(waits).map(({ steps }) => steps.map(({ waiter }) => Number(waiter.sessionId)));

describe('a graph of waits', () => {
  it('has a deadlock where sessions wait for each other, and names who waits for whom', () => {
    const waits = [wait(1, [2]), wait(2, [3]), wait(3, [1]), wait(4, [1]), wait(5, [6])];
    expect(circles(waits)).toEqual([[1, 2, 3]]);
    expect(deadlocksAmong(waits.slice(0, 3))[0]!.text).toBe(
      '"s1" (session 0x1) waits at /locks/a for "s2" (session 0x2), ' +
        '"s2" (session 0x2) waits at /locks/a for "s3" (session 0x3), ' +
        '"s3" (session 0x3) waits at /locks/a for "s1" (session 0x1)',
    );
  });

  it('has none in a queue, however long', () => {
    const queue = Array.from({ length: 1_000 }, (_, at) => wait(1_000 - at, [999 - at]));
    expect(deadlocksAmong(queue)).toEqual([]);
  });

  it('has none while one of the permits that would do comes back some time', () => {
    const others = [wait(2, [1]), wait(3, [1])];
    expect(circles([wait(1, [2, 3, 4], 'any'), ...others])).toEqual([]);
    expect(circles([wait(1, [2, 3], 'any'), ...others])).toEqual([[1, 2]]);
    expect(circles([wait(1, [4, 3]), ...others])).toEqual([[1, 3]]);
  });

  it('does not count who waits behind himself', () => {
    expect(circles([wait(1, [1]), wait(2, [1, 2])])).toEqual([]);
  });

  it('does not take all nodes without a session for those of one', () => {
    expect(circles([wait(5, [0]), wait(0, [5])])).toEqual([]);
    expect(circles([wait(5, [0]), wait(0, [5]), wait(5, [6]), wait(6, [5])])).toEqual([[5, 6]]);
  });

  it('says it in one line, whatever others wrote into their nodes', () => {
    const waits = [wait(1, [2]), wait(2, [1])].map(({ waiter, ...rest }) => {
      return { ...rest, waiter: { ...waiter, identity: `two\nlines${'x'.repeat(1_000_000)}` } };
    });
    const [deadlock] = deadlocksAmong(waits);
    expect(deadlock!.text).toMatch(/^"two\\nlinesx+" \(session 0x1\) waits/);
    expect(deadlock!.text.length).toBeLessThan(1_000);
  });

  it('is right: every circle closes, and without one everybody can be served', () => {
    const session = fc.integer({ min: 1, max: 8 });
    const anyWait = fc
      .tuple(session, fc.uniqueArray(session, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([waiter, blockers, any]) => wait(waiter, blockers, any ? 'any' : 'all'));
    fc.assert(
      fc.property(fc.array(anyWait, { maxLength: 10 }), (waits) => {
        const deadlocks = deadlocksAmong(waits);
        for (const { steps } of deadlocks) {
          steps.forEach(({ blocker }, at) => {
            const next = steps[(at + 1) % steps.length]!;
            expect(next.waiter.sessionId).toBe(blocker.sessionId);
          });
        }
        expect(deadlocks.length > 0).toBe(!canAllFinish(waits));
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

/** Plays it: who does not wait, or whose waits are over, lets go of everything. */
function canAllFinish(waits: readonly Wait[]): boolean {
  const finished = new Set<bigint>();
  const sessions = new Set(
    waits.flatMap(({ waiter, blockers }) => [waiter, ...blockers].map((one) => one.sessionId)),
  );
  for (let round = 0; round <= sessions.size; round++) {
    for (const session of sessions) {
      const own = waits.filter(({ waiter }) => waiter.sessionId === session);
      const isOver = own.every(({ blockers, needs }) => {
        const others = blockers.filter(({ sessionId }) => sessionId !== session);
        const gone = others.filter(({ sessionId }) => finished.has(sessionId));
        return gone.length === others.length || (needs === 'any' && gone.length > 0);
      });
      if (isOver) finished.add(session);
    }
  }
  return finished.size === sessions.size;
}

describe('deadlocks', () => {
  let world: LockWorld;
  let ann: Service;
  let bob: Service;
  let cas: Service;

  beforeEach(async () => {
    world = await LockWorld.start({ network: STEADY });
    ann = await world.connected('ann');
    bob = await world.connected('bob');
    cas = await world.connected('cas');
  });

  const begin = (service: Service, take: () => Promise<unknown>) =>
    void world.begin(service, take).catch(() => undefined);
  const deadlocks = () => world.in(cas, () => cas.locks.deadlocks());
  const text = async () => (await deadlocks()).map((found) => found.text).join('; ');

  it('are found over several locks, also below one another, and are over when one gives up', async () => {
    await world.acquire(ann, 'a');
    await world.acquire(bob, 'a/b');
    expect(await deadlocks()).toEqual([]);
    begin(ann, () => ann.locks.acquire('a/b'));
    await world.pass(100);
    expect(await deadlocks()).toEqual([]);
    begin(bob, () => bob.locks.acquire('a', { waitMs: 1_000 }));
    await world.pass(100);
    const [found, ...others] = await deadlocks();
    expect(others).toEqual([]);
    expect(found!.steps).toHaveLength(2);
    const paths = found!.steps.map(({ path, waiter, blocker }) => [
      waiter.identity,
      path,
      blocker.identity,
    ]);
    expect(paths.sort()).toEqual([
      ['ann', '/locks/a/b', 'bob'],
      ['bob', '/locks/a', 'ann'],
    ]);
    const { waits } = await world.in(cas, () => cas.locks.waitGraph('a'));
    expect(waits).toHaveLength(2);
    await world.pass(1_000);
    expect(await deadlocks()).toEqual([]);
  });

  it('are looked at again: one that is over by then is none', async () => {
    await world.acquire(ann, 'a');
    await world.acquire(bob, 'b');
    begin(ann, () => ann.locks.acquire('b'));
    const controller = new AbortController();
    begin(bob, () => bob.locks.acquire('a', { signal: controller.signal }));
    await world.pass(100);
    const startedMs = world.world.virtualMs;
    expect(await deadlocks()).toHaveLength(1);
    const tookMs = world.world.virtualMs - startedMs;
    // Two looks; he is gone when the second begins.
    world.world.after(tookMs / 2 - 12, () => bob.process.run(() => controller.abort()));
    expect(await deadlocks()).toEqual([]);
  });

  it('are found with clients of other makes', async () => {
    await world.look((zk) => zk.ensurePath('/locks/b'));
    const mode = 'ephemeralSequential';
    const curator = '/locks/b/_c_6b1f0f1c-7e5c-4a8e-9d7e-0f2d0a6f7a01-lock-';
    await world.in(bob, () => bob.zk.create(curator, '10.0.0.7', { mode }));
    await world.acquire(ann, 'a');
    begin(ann, () => ann.locks.acquire('b'));
    await world.pass(100);
    const waiting = '/locks/a/_c_6b1f0f1c-7e5c-4a8e-9d7e-0f2d0a6f7a02-lock-';
    await world.in(bob, () => bob.zk.create(waiting, '10.0.0.7', { mode }));
    expect(await text()).toMatch(/"10\.0\.0\.7" \(session 0x\w+\) waits at \/locks\/a for "ann"/);
  });

  it('are found among kazoo’s locks', async () => {
    const mode = 'ephemeralSequential';
    const hex = '0123456789abcdef0123456789abcdef';
    for (const lock of ['/locks/x', '/locks/y']) await world.look((zk) => zk.ensurePath(lock));
    const stand = (service: Service, node: string) =>
      world.in(service, () => service.zk.create(`/locks/${node}`, service.name, { mode }));
    await stand(ann, `x/${hex}__rlock__`);
    await stand(bob, `y/${hex}__lock__`);
    await stand(ann, `y/${hex}__rlock__`);
    expect(await deadlocks()).toEqual([]);
    await stand(bob, `x/${hex}__lock__`);
    expect(await text()).toMatch(/"ann" .* waits at \/locks\/y for "bob"/);
  });

  it('are found between two readers that both want to write', async () => {
    await world.in(ann, () => ann.locks.acquireRead('a'));
    await world.in(bob, () => bob.locks.acquireRead('a'));
    begin(ann, () => ann.locks.acquireWrite('a'));
    await world.pass(100);
    expect(await deadlocks()).toEqual([]);
    begin(bob, () => bob.locks.acquireWrite('a'));
    await world.pass(100);
    expect(await deadlocks()).toHaveLength(1);
  });

  it('are found over permits, once none of those that are out can come back', async () => {
    const permit = (service: Service, path: string, limit: number) =>
      service.locks.acquirePermit(path, { limit });
    await world.in(ann, () => permit(ann, 'p', 2));
    await world.in(cas, () => permit(cas, 'p', 2));
    await world.acquire(bob, 'a');
    begin(bob, () => permit(bob, 'p', 2));
    await world.pass(100);
    begin(ann, () => ann.locks.acquire('a'));
    await world.pass(100);
    expect(await deadlocks()).toEqual([]);
    begin(cas, () => cas.locks.acquire('a'));
    await world.pass(100);
    expect(await text()).toMatch(/"bob" .* waits at \/locks\/p for "(ann|cas)"/);
  });

  it('are found beside what may not be read, which is told', async () => {
    await world.acquire(ann, 'secret');
    await world.acquire(ann, 'a');
    await world.acquire(bob, 'b');
    begin(ann, () => ann.locks.acquire('b'));
    begin(bob, () => bob.locks.acquire('a'));
    await world.pass(100);
    const acl = OPEN_ACL.map((entry) => ({ ...entry, perms: Permission.all & ~Permission.read }));
    await world.look((zk) => zk.setAcl('/locks/secret', acl));
    expect(await deadlocks()).toHaveLength(1);
    await world.acquire(ann, 'mine');
    begin(bob, () => bob.locks.acquire('mine'));
    await world.pass(100);
    const [first] = (await world.look((zk) => zk.children('/locks/mine'))).children;
    await world.look((zk) => zk.setAcl(`/locks/mine/${first!}`, acl));
    const { unread } = await world.in(cas, () => cas.locks.waitGraph());
    expect(unread).toEqual(['/locks/secret', '/locks/mine']);
    await world.look((zk) => zk.setAcl('/locks', acl));
    expect(await rejection(deadlocks())).toBeInstanceOf(NoAuthError);
  });

  it('costs little where nobody waits', async () => {
    for (let at = 0; at < 20; at++) await world.acquire(ann, `many/${at}`);
    await world.pass(50);
    const requests = world.port.traffic.received;
    expect(await deadlocks()).toEqual([]);
    // A list of each directory, and no look at any contender.
    expect(world.port.traffic.received - requests).toBe(22);
  });
});
