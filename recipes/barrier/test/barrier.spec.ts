import { beforeEach, describe, expect, it } from '@jest/globals';
import { Barriers, BarrierTimeoutError } from '../src/index.js';
import {
  BarrierWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  failure,
  settledness,
  type Service,
} from './barrier-world.js';

const PATH = '/barriers/deploy';

let world: BarrierWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await BarrierWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const barrierOf = ({ barriers }: Service) => barriers.barrier('deploy');
const raise = (service: Service) => world.in(service, () => barrierOf(service).raise());
const lower = (service: Service) => world.in(service, () => barrierOf(service).lower());
const reset = (name: string) => world.world.fabric.resetBetween(name, 'server');

describe('a barrier', () => {
  it('holds up who waits until somebody lowers it', async () => {
    expect(await raise(ann)).toBe(true);
    expect(await raise(bob)).toBe(false);
    const waiting = world.begin(bob, () => barrierOf(bob).wait());
    const seen = settledness(waiting);
    await world.pass(1_000);
    expect(seen.isSettled).toBe(false);
    expect(await world.in(bob, () => barrierOf(bob).isRaised())).toBe(true);
    expect(await lower(ann)).toBe(true);
    await world.world.settle(waiting, { virtualMsMax: 100 });
    expect(await lower(ann)).toBe(false);
    expect([world.watchCount, bob.zk.watchCount]).toEqual([0, 0]);
  });

  it('holds up nobody while it is not raised', async () => {
    await world.in(ann, () => barrierOf(ann).wait({ waitMs: 0 }));
    expect(world.watchCount).toBe(0);
  });

  it('outlives the session of who raised it, and a gap of who waits', async () => {
    await raise(ann);
    await world.in(ann, () => ann.zk.close());
    const waiting = world.begin(bob, () => barrierOf(bob).wait());
    const seen = settledness(waiting);
    await world.pass(100);
    world.world.partition(['bob'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const cas = await world.connected('cas');
    expect(seen.isSettled).toBe(false);
    await lower(cas);
    world.world.heal();
    await world.world.settle(waiting);
  });

  it('is raised and lowered across the ends of sessions', async () => {
    for (const isRaised of [true, false]) {
      for (const afterMs of [0, 5, 15, 25]) {
        const call = () => (isRaised ? barrierOf(ann).raise() : barrierOf(ann).lower());
        const calling = world.begin(ann, call);
        await world.pass(afterMs);
        world.world.partition(['ann'], ['server']);
        await world.pass(3 * SESSION_TIMEOUT_MS);
        world.world.heal();
        await world.world.settle(calling);
        expect((await world.look((zk) => zk.exists(PATH))) !== null).toBe(isRaised);
      }
    }
  });

  it('is waited for as long as is said', async () => {
    await raise(ann);
    const startedMs = world.world.virtualMs;
    const late = await failure(world.in(bob, () => barrierOf(bob).wait({ waitMs: 300 })));
    expect(late).toBeInstanceOf(BarrierTimeoutError);
    expect(late).toMatchObject({
      message: 'wait /barriers/deploy: it was not lowered within 300 ms',
    });
    expect(world.world.virtualMs - startedMs).toBeLessThan(310);
    const look = await failure(world.in(bob, () => barrierOf(bob).wait({ waitMs: 0 })));
    expect(look).toBeInstanceOf(BarrierTimeoutError);
    world.world.partition(['bob'], ['server']);
    reset('bob');
    const unknown = await failure(world.in(bob, () => barrierOf(bob).wait({ waitMs: 300 })));
    expect(unknown).toMatchObject({ name: 'BarrierUnavailableError', outcome: 'notApplied' });
    await world.pass(100);
    expect(bob.zk.watchCount).toBe(0);
  });

  it('lets a crowd go on one after the other', async () => {
    await raise(ann);
    const passedMs: number[] = [];
    const waiting = Array.from({ length: 20 }, () =>
      world.begin(bob, async () => {
        await bob.barriers.barrier('deploy', { jitterMs: 1_000 }).wait({ waitMs: 5_000 });
        passedMs.push(world.world.virtualMs);
      }),
    );
    await world.pass(100);
    await lower(ann);
    await world.world.settle(Promise.all(waiting));
    const spreadMs = Math.max(...passedMs) - Math.min(...passedMs);
    expect(spreadMs).toBeGreaterThan(500);
    expect(spreadMs).toBeLessThanOrEqual(1_000);
  });
});

describe('T21: an answer that is lost', () => {
  // 10 ms: the request is at the server; 12 ms: written; 20 ms: the answer would be here.
  it.each([5, 11, 13, 15, 19, 25, 35])('to raise (reset after %i ms)', async (afterMs) => {
    world.world.after(afterMs, () => reset('ann'));
    expect(await raise(ann)).toBe(true);
    expect(await world.look((zk) => zk.exists(PATH))).not.toBeNull();
  });

  it.each([5, 15, 25, 31, 33, 35, 39])('to lower (reset after %i ms)', async (afterMs) => {
    await raise(ann);
    world.world.after(afterMs, () => reset('ann'));
    expect(await lower(ann)).toBe(true);
    expect(await world.look((zk) => zk.exists(PATH))).toBeNull();
  });

  it('to lower does not lower a barrier that was raised anew meanwhile', async () => {
    await raise(ann);
    const lowering = world.begin(ann, () => barrierOf(ann).lower());
    // Deleted at the server, and the answer on its way.
    await world.pass(35);
    expect(await world.look((zk) => zk.exists(PATH))).toBeNull();
    reset('ann');
    world.world.partition(['ann'], ['server']);
    await raise(bob);
    world.world.heal();
    expect(await world.world.settle(lowering)).toBe(true);
    expect(await world.look((zk) => zk.exists(PATH))).not.toBeNull();
  });
});

describe('what is refused', () => {
  it.each([
    ['', /must be a string, and not empty/],
    ['/', /the root cannot be a barrier/],
    ['a//b', /barrier: /],
    ['../a', /barrier: /],
  ])('the path %p', (path, message) => {
    expect(() => ann.barriers.barrier(path)).toThrow(message);
    expect(() => ann.barriers.double(path, 2)).toThrow(message);
  });

  it('options that are no times', async () => {
    expect(() => ann.barriers.barrier('a', { jitterMs: -1 })).toThrow(/jitterMs must be/);
    expect(() => new Barriers(ann.zk, { attemptMs: NaN })).toThrow(/attemptMs must be/);
    expect(() => new Barriers(ann.zk, { root: 'a' })).toThrow(/^root: /);
    const error = await failure(world.in(ann, () => barrierOf(ann).wait({ waitMs: -1 })));
    expect(error).toMatchObject({ name: 'InvalidArgumentError' });
    const signal = new AbortController() as never;
    const none = await failure(world.in(ann, () => barrierOf(ann).wait({ signal })));
    expect(none).toMatchObject({ message: expect.stringMatching(/signal must be an AbortSignal/) });
  });
});
