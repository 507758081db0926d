import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SessionExpiredError } from '../src/index.js';
import { Fixture, rejection, statesOf } from './fixture.js';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await Fixture.start();
});

afterEach(() => fixture.stop());

const run = <T>(promise: Promise<T>) => fixture.settled(promise);
const failure = (promise: Promise<unknown>) => rejection(run(promise));

describe('a process that stood still', () => {
  it('is not certain of its session in the moment it wakes, and loses it before it writes', async () => {
    const zk = await fixture.connected();
    const { sessionId } = zk;
    expect(zk.isSessionCertain(sessionId!)).toBe(true);
    fixture.clock.pause(6_001);
    // No timer has run yet.
    expect(zk.state.kind).toBe('connected');
    expect(zk.isSessionCertain(sessionId!)).toBe(false);
    fixture.clock.pause(60_000);
    const write = failure(zk.create('/stale', '', { inSession: sessionId! }));
    await fixture.clock.settle();
    expect(await write).toBeInstanceOf(SessionExpiredError);
    expect(fixture.ensemble.tree.nodes.has('/stale')).toBe(false);
    await run(zk.connect());
    expect(zk.sessionId).not.toBe(sessionId);
  });

  it('keeps its session if what it sent before has been answered meanwhile', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    await fixture.clock.advance(2_500);
    const read = zk.exists('/no');
    // The request leaves, the answer comes into the socket, and the process sleeps.
    await fixture.clock.turnOnce();
    await fixture.clock.turnOnce();
    await fixture.clock.wakeAfter(7_000);
    expect(await run(read)).toBeNull();
    expect(states).toEqual(['connected']);
  });
});

describe('the signal of leases', () => {
  it('aborts when the session is no longer certain, before it is lost', async () => {
    const zk = await fixture.connected();
    const signal = zk.holdSignal();
    await fixture.clock.advance(30_000);
    expect(signal.aborted).toBe(false);
    expect(zk.holdSignal(zk.sessionId!)).toBe(signal);
    fixture.network.cutAll();
    fixture.ensemble.refuseHandshakes = true;
    const { holdUntilMs } = zk;
    await fixture.clock.advance(holdUntilMs - fixture.clock.nowMs - 1);
    expect(signal.aborted).toBe(false);
    await fixture.clock.advance(2);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(SessionExpiredError);
    expect(zk.state.kind).not.toBe('lost');
    // It may be saved yet, for leases that are taken then.
    fixture.ensemble.refuseHandshakes = false;
    await run(zk.connect());
    expect(zk.holdSignal().aborted).toBe(false);
    expect(signal.aborted).toBe(true);
  });

  it('aborts with the session and with the client', async () => {
    const zk = await fixture.connected();
    const signal = zk.holdSignal();
    const heard: string[] = [];
    for (let lease = 0; lease < 20; lease++) {
      signal.addEventListener('abort', () => heard.push(zk.state.kind));
    }
    fixture.ensemble.expire(zk.sessionId!);
    await run(zk.whenConnected());
    await fixture.clock.advance(1_000);
    expect(heard).toEqual(Array.from({ length: 20 }, () => 'lost'));
    const next = zk.holdSignal();
    expect(next.aborted).toBe(false);
    await run(zk.close());
    expect(next.aborted).toBe(true);
    expect(zk.holdSignal().aborted).toBe(true);
    expect(zk.holdSignal(77n).aborted).toBe(true);
  });

  it('does not abort for a pause if the proof waits in the socket', async () => {
    const zk = await fixture.connected();
    await fixture.clock.advance(2_500);
    const signal = zk.holdSignal();
    const read = zk.exists('/no');
    await fixture.clock.turnOnce();
    await fixture.clock.turnOnce();
    await fixture.clock.wakeAfter(5_000);
    expect(await run(read)).toBeNull();
    expect(signal.aborted).toBe(false);
    const stopped = zk.holdSignal();
    await fixture.clock.wakeAfter(8_000);
    expect(stopped.aborted).toBe(true);
  });
});

describe('a machine that slept', () => {
  it('voids its leases although the monotonic clock stood still, until it is proved again', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    const signal = zk.holdSignal();
    await fixture.clock.advance(5);
    fixture.clock.wallLeadMs += 60_000;
    expect(zk.isSessionCertain()).toBe(false);
    expect(signal.aborted).toBe(true);
    await fixture.clock.advance(1);
    // The servers were asked at once, and the session has lived.
    expect(zk.isSessionCertain()).toBe(true);
    expect(zk.holdSignal().aborted).toBe(false);
    expect(states).toEqual(['connected']);
  });

  it('finds out by itself', async () => {
    const zk = await fixture.connected();
    const signal = zk.holdSignal();
    await fixture.clock.advance(5);
    fixture.clock.wallLeadMs += 60_000;
    fixture.ensemble.expire(zk.sessionId!);
    await fixture.clock.advance(10);
    expect(signal.aborted).toBe(true);
    await run(zk.connect());
  });

  it('is not what a wall clock that is put right looks like', async () => {
    const zk = await fixture.connected();
    const signal = zk.holdSignal();
    for (let step = 0; step < 100; step++) {
      fixture.clock.wallLeadMs += 20;
      await fixture.clock.advance(1_000);
    }
    fixture.clock.wallLeadMs -= 3_600_000;
    await fixture.clock.advance(10_000);
    expect(zk.isSessionCertain()).toBe(true);
    expect(signal.aborted).toBe(false);
  });
});
