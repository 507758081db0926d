import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { OPEN_ACL } from '@aviary/client';
import { rejection } from '../../../test/rejection.js';
import { ServerTime } from '../src/core/server-time.js';
import { QueueWorld, SESSION_TIMEOUT_MS, STEADY, texts, type Service } from './queue-world.js';

const HOUR_MS = 3_600_000;
const settings = texts('delay');

let world: QueueWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

/** How long after it was put with a delay of three seconds an item is delivered. */
async function deliveredAfterMs(): Promise<number> {
  const { delivered } = world.consume(ann, 'a', settings);
  const startedMs = world.world.virtualMs;
  await world.in(bob, () => bob.queues.queue('a', settings).put('x', { delayMs: 3_000 }));
  await world.world.reach(() => delivered.length === 1, { virtualMsMax: 2 * HOUR_MS });
  return world.world.virtualMs - startedMs;
}

describe('a delayed item', () => {
  it.each([
    [0, HOUR_MS],
    [0, -HOUR_MS],
    [HOUR_MS, 0],
    [-HOUR_MS, 0],
    [-HOUR_MS, HOUR_MS],
  ])(
    'is due by the clock of the servers (the producer is off by %i ms, the consumer by %i ms)',
    async (producerMs, consumerMs) => {
      bob.process.host.stepWallClock(producerMs);
      ann.process.host.stepWallClock(consumerMs);
      const tookMs = await deliveredAfterMs();
      expect(tookMs).toBeGreaterThanOrEqual(3_000);
      expect(tookMs).toBeLessThan(3_300);
    },
  );

  it('is due at the moment that was given, as the servers see it', async () => {
    const { delivered } = world.consume(ann, 'a', settings);
    const nowMs = Number((await world.look((zk) => zk.create('/now'))).stat.ctime);
    const startedMs = world.world.virtualMs;
    bob.process.host.stepWallClock(-HOUR_MS);
    const dueAt = new Date(nowMs + 2_000);
    await world.in(bob, () => bob.queues.queue('a', settings).put('x', { dueAt }));
    await world.world.reach(() => delivered.length === 1);
    const tookMs = world.world.virtualMs - startedMs;
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(2_300);
  });

  it('is due a minute after the clock of the servers was set, at the latest', async () => {
    const { delivered } = world.consume(ann, 'a', settings);
    const queue = bob.queues.queue('a', settings);
    await world.in(bob, () => queue.put('x', { delayMs: HOUR_MS }));
    await world.pass(500);
    world.host.stepWallClock(HOUR_MS);
    const startedMs = world.world.virtualMs;
    await world.world.reach(() => delivered.length === 1, { virtualMsMax: HOUR_MS });
    expect(world.world.virtualMs - startedMs).toBeLessThan(61_000);
  });
});

describe('the time of the servers', () => {
  it('lies between the two that are told, also a while after; a new session asks anew', async () => {
    const { zk, log, process } = ann;
    const terms = { zk, directory: '/t', acl: undefined, random: process.random, log };
    const time = new ServerTime(terms);
    const look = async (): Promise<void> => {
      const { earliest, latest } = await world.in(ann, () => time.now({ deadlineMs: 5_000 }));
      const wallMs = world.host.process!.clock.wallMs();
      expect(earliest).toBeLessThanOrEqual(wallMs);
      expect(latest).toBeGreaterThanOrEqual(wallMs);
      expect(latest - earliest).toBeLessThan(50);
    };
    for (const passMs of [0, 100, 30_000]) {
      await world.pass(passMs);
      await look();
    }
    const asked = jest.spyOn(zk, 'transaction');
    await look();
    expect(asked).not.toHaveBeenCalled();
    world.world.partition(['ann'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    world.world.heal();
    await world.pass(1_000);
    await look();
    expect(asked).toHaveBeenCalled();
  });

  it('is learnt once by all who ask, and leaves nothing behind', async () => {
    const queue = ann.queues.queue('a', settings);
    const zxid = async () => (await world.look((zk) => zk.create('/mark'))).stat.czxid;
    const polls = () => world.in(ann, () => Promise.all([1, 2, 3].map(() => queue.poll())));
    await world.in(bob, () => bob.queues.queue('a', settings).put('x', { delayMs: HOUR_MS }));
    await world.look((zk) => zk.ensurePath('/q/a-taken'));
    const before = await zxid();
    expect(await polls()).toEqual([null, null, null]);
    expect(await polls()).toEqual([null, null, null]);
    await world.look((zk) => zk.delete('/mark'));
    // The deletion of the mark is another one, and each onlooker opens and closes a session.
    expect(Number((await zxid()) - before)).toBe(1 + 1 + 1 + 4);
    expect(await world.namesIn('/q/a-taken')).toEqual([]);
  });

  it('is waited for no longer than the call may take, and then nothing was done', async () => {
    const queue = ann.queues.queue('a', settings);
    await world.in(bob, () => bob.queues.queue('a', settings).put('x', { delayMs: HOUR_MS }));
    // What is asked reaches the server; its answers do not come.
    world.world.after(5, () => world.world.cutOneWay('server', 'ann'));
    const startedMs = world.world.virtualMs;
    const limits = { waitMs: 500 };
    const calls: (() => Promise<unknown>)[] = [
      () => queue.put('y', limits),
      () => queue.poll(limits),
    ];
    for (const call of calls) {
      const error = await rejection(world.in(ann, call));
      expect(error).toMatchObject({ outcome: 'notApplied' });
    }
    expect(world.world.virtualMs - startedMs).toBeLessThan(1_010);
    world.world.heal();
    expect(await world.in(ann, () => queue.poll())).toBeNull();
  });

  it('is that of the wall clock where the servers refuse to tell it', async () => {
    const readOnly = OPEN_ACL.map((one) => ({ ...one, perms: 1 }));
    await world.look(async (zk) => {
      await zk.ensurePath('/q');
      await zk.create('/q/a-taken', '', { acl: readOnly });
    });
    const queue = ann.queues.queue('a', settings);
    await world.in(ann, () => queue.put('x', { delayMs: HOUR_MS }));
    expect(await world.in(ann, () => queue.peek())).toBeNull();
    ann.process.host.stepWallClock(HOUR_MS);
    await world.pass(61_000);
    expect(await world.in(ann, () => queue.peek())).toMatchObject({ messages: ['x'] });
    expect(ann.lines[0]).toMatch(/time of the servers is not known \(\/q\/a-taken\): the wall/);
  });
});
