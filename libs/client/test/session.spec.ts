import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OpCode } from '@aviary/protocol';
import {
  AbortedError,
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  DeadlineExceededError,
  ReplyTooLargeError,
  SessionExpiredError,
  TooManyRequestsError,
} from '../src/index.js';
import { Fixture, rejection, statesOf } from './fixture.js';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await Fixture.start();
});

afterEach(() => fixture.stop());

const run = <T>(promise: Promise<T>) => fixture.settled(promise);

const failure = (promise: Promise<unknown>) => rejection(run(promise));

describe('connecting', () => {
  it('begins with the first call', async () => {
    const zk = fixture.client();
    await fixture.clock.settle();
    expect(fixture.network.attempts).toEqual([]);
    expect(zk.state).toEqual({ kind: 'connecting' });
    expect(zk.sessionId).toBeNull();
    expect(await run(zk.exists('/no'))).toBeNull();
    expect(zk.state).toMatchObject({ kind: 'connected', timeoutMs: 9_000, readOnly: false });
    expect(zk.sessionId).toBe(0x100n);
  });

  it('resolves with the state, at once if there is a connection', async () => {
    const zk = fixture.client();
    const state = await run(zk.connect());
    expect(state).toEqual(zk.state);
    expect(await zk.whenConnected()).toEqual(state);
  });

  it('replays the latest state to late subscribers, also after the end', async () => {
    const zk = await fixture.connected();
    const first = statesOf(zk);
    expect(first).toEqual(['connected']);
    await run(zk.close());
    expect(first).toEqual(['connected', 'closed']);
    expect(statesOf(zk)).toEqual(['closed']);
  });

  it('says why it could not, when the caller has waited long enough', async () => {
    await fixture.ensemble.stop();
    const zk = fixture.client({ servers: '127.0.0.1:1' });
    const error = await failure(zk.connect({ deadlineMs: 500 }));
    expect(error).toBeInstanceOf(DeadlineExceededError);
    expect(error.message).toBe(
      'whenConnected: not within 500 ms (no connection: cannot connect to 127.0.0.1:1: ECONNREFUSED)',
    );
    const controller = new AbortController();
    const waiting = failure(zk.connect({ signal: controller.signal }));
    controller.abort(new Error('changed my mind'));
    const aborted = await waiting;
    expect(aborted).toBeInstanceOf(AbortedError);
    expect(aborted.cause).toEqual(new Error('changed my mind'));
  });

  it('goes on behind a wait that ended', async () => {
    await fixture.ensemble.stop();
    const zk = fixture.client();
    await failure(zk.connect({ deadlineMs: 500 }));
    await fixture.listen();
    await run(zk.connect());
    expect(zk.state.kind).toBe('connected');
  });
});

describe('a broken connection', () => {
  it('suspends the session, and reading goes on over the next one', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    const { sessionId } = zk;
    fixture.ensemble.treat = () => 'closeBefore';
    const reading = zk.exists('/no');
    await fixture.clock.settle();
    expect(zk.state).toMatchObject({ kind: 'suspended', sessionId });
    fixture.ensemble.treat = () => 'serve';
    expect(await run(reading)).toBeNull();
    expect(states).toEqual(['connected', 'suspended', 'reconnected']);
    expect(zk.sessionId).toBe(sessionId);
  });

  it('leaves a write that was sent unknown, and one that was not, not applied', async () => {
    const zk = await fixture.connected({ inFlightRequestsMax: 1 });
    fixture.ensemble.treat = () => 'closeAfter';
    const sent = failure(zk.create('/a'));
    const behind = failure(zk.create('/b'));
    await fixture.clock.settle();
    fixture.ensemble.treat = () => 'serve';
    expect(await sent).toBeInstanceOf(ConnectionLossError);
    expect(await sent).toMatchObject({ outcome: 'unknown', operation: 'create', path: '/a' });
    expect((await sent).message).toMatch(
      /^create \/a: 127.0.0.1:\d closed the connection; it was sent and may have been applied$/,
    );
    expect(await behind).toMatchObject({ outcome: 'notApplied', path: '/b' });
    // It was applied indeed.
    expect(await run(zk.exists('/a'))).not.toBeNull();
    expect(await run(zk.exists('/b'))).toBeNull();
  });

  it('does not touch what was asked for without a connection', async () => {
    const zk = await fixture.connected();
    fixture.ensemble.closeConnections();
    await fixture.clock.settle();
    expect(zk.state.kind).toBe('suspended');
    expect((await run(zk.create('/later'))).path).toBe('/later');
  });

  it('is noticed by silence, and the session is known lost before the server ends it', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    await run(zk.create('/mine', '', { mode: 'ephemeral' }));
    const heard = fixture.clock.nowMs;
    fixture.network.cutAll();
    fixture.network.deaf.add('127.0.0.1:1').add('127.0.0.1:2').add('127.0.0.1:3');
    await fixture.clock.advance(heard + 6_000 - fixture.clock.nowMs - 30);
    expect(states).toEqual(['connected']);
    expect(zk.isSessionCertain()).toBe(true);
    await fixture.clock.advance(60);
    expect(states).toEqual(['connected', 'suspended']);
    expect(zk.isSessionCertain()).toBe(false);
    const doomed = failure(zk.create('/x'));
    await fixture.clock.advance(2_930);
    expect(states).toEqual(['connected', 'suspended']);
    await fixture.clock.advance(60);
    expect(states).toEqual(['connected', 'suspended', 'lost']);
    expect(zk.state).toMatchObject({ kind: 'lost', reason: 'presumed' });
    expect(zk.sessionId).toBeNull();
    expect(await doomed).toBeInstanceOf(SessionExpiredError);
    expect(await doomed).toMatchObject({ outcome: 'notApplied' });
  });

  it('for too long costs the session, and a new one is made', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    const old = zk.sessionId!;
    const bound = { inSession: old };
    await run(zk.create('/mine', '', { mode: 'ephemeral', ...bound }));
    await fixture.ensemble.stop();
    await fixture.clock.advance(20_000);
    expect(states).toEqual(['connected', 'suspended', 'lost']);
    const refused = await failure(zk.create('/x', '', bound));
    expect(refused).toBeInstanceOf(SessionExpiredError);
    const waiting = zk.create('/y');
    await fixture.listen();
    expect((await run(waiting)).path).toBe('/y');
    expect(states).toEqual(['connected', 'suspended', 'lost', 'connected']);
    expect(zk.sessionId).not.toBe(old);
    expect(zk.isSessionCertain(old)).toBe(false);
    expect(zk.isSessionCertain()).toBe(true);
    expect(await failure(zk.get('/mine', bound))).toBeInstanceOf(SessionExpiredError);
    expect(await run(zk.exists('/mine'))).toBeNull();
  });

  it.each([12, 60])(
    'of a session that is presumed lost but alive ends it first (%i s)',
    async (s) => {
      const zk = await fixture.connected();
      const old = zk.sessionId!;
      await run(zk.create('/mine', '', { mode: 'ephemeral' }));
      await fixture.ensemble.stop();
      // The servers were down too, and give every session its whole time again.
      const session = fixture.ensemble.sessions.get(old)!;
      for (let second = 0; second < s; second++) {
        session.touchedMs = fixture.clock.nowMs;
        await fixture.clock.advance(1_000);
      }
      expect(zk.state.kind).toBe('lost');
      expect(fixture.ensemble.sessions.has(old)).toBe(true);
      await fixture.listen();
      expect(await run(zk.exists('/mine'))).toBeNull();
      expect(fixture.ensemble.sessions.has(old)).toBe(false);
      expect(fixture.ensemble.handshakes.slice(-2)).toEqual([old, 0n]);
    },
  );
});

describe('the server’s word', () => {
  it('that the session is over is final', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    const old = zk.sessionId!;
    await run(zk.create('/mine', '', { mode: 'ephemeral' }));
    fixture.ensemble.expire(old);
    await fixture.clock.settle();
    await run(zk.connect());
    await run(zk.exists('/'));
    expect(states).toEqual(['connected', 'suspended', 'lost', 'connected']);
    expect(await run(zk.exists('/mine'))).toBeNull();
  });

  it('that added credentials are wrong reaches who added them', async () => {
    const zk = await fixture.connected();
    await run(zk.addAuth('digest', 'u:p'));
    fixture.ensemble.refuseAuth = true;
    const error = await failure(zk.addAuth('digest', 'v:q'));
    expect(error).toBeInstanceOf(AuthFailedError);
    expect(zk.state).toEqual({ kind: 'authFailed' });
  });

  it('that the credentials are wrong is final too', async () => {
    fixture.ensemble.refuseAuth = true;
    const zk = fixture.client({ auth: [{ scheme: 'digest', auth: 'u:p' }] });
    const states = statesOf(zk);
    const error = await failure(zk.connect());
    expect(error).toBeInstanceOf(AuthFailedError);
    expect(states).toEqual(['connecting', 'connected', 'authFailed']);
    expect(await failure(zk.exists('/'))).toBeInstanceOf(AuthFailedError);
    expect(await failure(zk.connect())).toBeInstanceOf(AuthFailedError);
    expect(await failure(zk.addAuth('digest', 'v:q'))).toBeInstanceOf(AuthFailedError);
    await run(zk.close());
    expect(states).toEqual(['connecting', 'connected', 'authFailed', 'closed']);
  });
});

describe('deadlines and signals', () => {
  it('end every call, with all servers gone', async () => {
    const zk = await fixture.connected({ requestDeadlineMs: 2_000 });
    await fixture.ensemble.stop();
    await fixture.clock.settle();
    const calls = [
      zk.get('/a'),
      zk.create('/a'),
      zk.transaction().create('/a').commit(),
      zk.getAndWatch('/a'),
      zk.addAuth('digest', 'u:p'),
      zk.sync(),
    ];
    const errors = await Promise.all(calls.map((call) => failure(call)));
    for (const error of errors) expect(error).toBeInstanceOf(DeadlineExceededError);
    expect(errors[1]?.message).toMatch(
      /^create \/a: no answer within 2000 ms; it was not applied \(no connection: .*ECONNREFUSED\)/,
    );
    expect(errors[1]?.outcome).toBe('notApplied');
  });

  it('leave a request that was sent unknown', async () => {
    const zk = await fixture.connected();
    fixture.ensemble.treat = () => 'silent';
    const error = await failure(zk.create('/a', '', { deadlineMs: 100 }));
    expect(error).toMatchObject({ outcome: 'unknown', name: 'DeadlineExceededError' });
    expect(fixture.ensemble.tree.nodes.has('/a')).toBe(true);
  });

  it('leave no doubt about a read', async () => {
    const zk = await fixture.connected();
    fixture.ensemble.treat = () => 'silent';
    const error = await failure(zk.get('/', { deadlineMs: 100 }));
    expect(error.outcome).toBe('notApplied');
    expect(error.message).toBe('get /: no answer within 100 ms');
  });

  it('take a request back that was not sent, and disturb no other', async () => {
    const zk = await fixture.connected();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = ['/a', '/b', '/c'].map((path) =>
      zk.create(path, '', path === '/b' ? { signal } : {}),
    );
    const aborted = failure(calls[1]!);
    controller.abort('enough');
    expect(await aborted).toMatchObject({ outcome: 'notApplied', cause: 'enough' });
    expect((await run(calls[0]!)).path).toBe('/a');
    expect((await run(calls[2]!)).path).toBe('/c');
    expect(fixture.ensemble.tree.nodes.has('/b')).toBe(false);
    const late = await failure(zk.create('/d', '', { signal }));
    expect(late).toMatchObject({ outcome: 'notApplied', name: 'AbortedError' });
  });

  it('leave an aborted request that was sent unknown, and its answer in its place', async () => {
    const zk = await fixture.connected();
    const controller = new AbortController();
    fixture.ensemble.treat = () => {
      controller.abort();
      return 'serve';
    };
    const aborted = failure(zk.create('/a', '', { signal: controller.signal }));
    const next = zk.create('/b');
    expect(await aborted).toMatchObject({ outcome: 'unknown', name: 'AbortedError' });
    expect((await run(next)).path).toBe('/b');
  });

  it('put one listener on a signal, however many calls share it, and take it off again', async () => {
    const zk = await fixture.connected();
    let listeners = 0;
    const { signal } = new AbortController();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const calls = Array.from({ length: 50 }, () => zk.exists('/', { signal }));
    expect(listeners).toBe(1);
    await run(Promise.all(calls));
    expect(listeners).toBe(0);
    const { watch } = await run(zk.getAndWatch('/', { signal }));
    expect(listeners).toBe(1);
    watch.cancel();
    expect(await run(watch.fired)).toEqual({ kind: 'cancelled' });
    expect(listeners).toBe(0);
  });
});

describe('limits', () => {
  it('refuse at once what would wait behind too much', async () => {
    await fixture.ensemble.stop();
    const zk = fixture.client({ waitingRequestsMax: 2 });
    const first = failure(zk.get('/a', { deadlineMs: 1_000 }));
    const second = failure(zk.get('/b', { deadlineMs: 1_000 }));
    const third = await failure(zk.get('/c'));
    expect(third).toBeInstanceOf(TooManyRequestsError);
    expect(third.message).toContain('2 requests wait already');
    expect(await first).toBeInstanceOf(DeadlineExceededError);
    expect(await second).toBeInstanceOf(DeadlineExceededError);
    // Those that ended have made room.
    expect(await failure(zk.get('/d', { deadlineMs: 10 }))).toBeInstanceOf(DeadlineExceededError);
  });

  it('keep a huge answer from being asked for again and again', async () => {
    const zk = await fixture.connected({ replyBytesMax: 10_000 });
    await run(zk.create('/huge', new Uint8Array(20_000)));
    const error = await failure(zk.get('/huge'));
    expect(error).toBeInstanceOf(ReplyTooLargeError);
    expect((await run(zk.exists('/huge')))?.dataLength).toBe(20_000);
  });

  it('of a socket that takes no more hold requests back', async () => {
    const zk = await fixture.connected();
    const [stream] = fixture.network.open;
    stream!.hold();
    const data = new Uint8Array(200_000);
    const written = [zk.create('/a', data), zk.create('/b', data)];
    await fixture.clock.settle();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = failure(zk.create('/c', '', { signal }));
    const last = zk.create('/d');
    await fixture.clock.settle();
    controller.abort();
    expect((await waiting).outcome).toBe('notApplied');
    stream!.drain();
    await run(Promise.all(written));
    expect((await run(last)).path).toBe('/d');
  });

  it('of requests in flight hold the others back', async () => {
    const zk = await fixture.connected({ inFlightRequestsMax: 3 });
    let most = 0;
    let open = 0;
    fixture.ensemble.treat = () => {
      open++;
      most = Math.max(most, open);
      fixture.clock.atEndOfTurn(() => open--);
      return 'serve';
    };
    await run(Promise.all(Array.from({ length: 20 }, () => zk.exists('/'))));
    expect(most).toBe(3);
  });
});

describe('closing', () => {
  it('ends the session, its ephemeral nodes and everything else', async () => {
    const zk = await fixture.connected();
    await run(zk.create('/mine', '', { mode: 'ephemeral' }));
    const stream = zk.watchNode('/mine').subscribe();
    const write = zk.create('/last');
    const timersOfServer = fixture.ensemble.sessions.size;
    await run(zk.close());
    expect((await write).path).toBe('/last');
    expect(zk.state).toEqual({ kind: 'closed', sessionClosed: true });
    expect(fixture.ensemble.tree.nodes.has('/mine')).toBe(false);
    await fixture.clock.settle();
    expect(stream.closed).toBe(true);
    expect(fixture.network.openCount).toBe(0);
    expect(fixture.clock.timerCount).toBe(timersOfServer);
    const error = await failure(zk.get('/'));
    expect(error).toBeInstanceOf(ClosedError);
    expect(error).toMatchObject({
      outcome: 'notApplied',
      message: expect.stringMatching('closed'),
    });
  });

  it('is bounded when no server answers, and leaves no timer', async () => {
    const zk = await fixture.connected();
    await fixture.ensemble.stop();
    await fixture.clock.settle();
    const write = failure(zk.create('/a', '', { deadlineMs: 1_000_000 }));
    const wait = failure(zk.connect({ deadlineMs: 1_000_000 }));
    await fixture.clock.settle();
    const before = fixture.clock.nowMs;
    await run(zk.close({ deadlineMs: 700 }));
    expect(fixture.clock.nowMs - before).toBeLessThanOrEqual(720);
    expect(zk.state).toEqual({ kind: 'closed', sessionClosed: false });
    expect(await write).toBeInstanceOf(ClosedError);
    expect(await wait).toBeInstanceOf(ClosedError);
    await fixture.clock.advance(60_000);
    expect(fixture.clock.timerCount).toBe(0);
  });

  it('works before anything was connected, twice, and by await using', async () => {
    const idle = fixture.client();
    await run(Promise.all([idle.close(), idle.close()]));
    expect(fixture.network.attempts).toEqual([]);
    const zk = await fixture.connected();
    await run(zk[Symbol.asyncDispose]());
    expect(zk.state.kind).toBe('closed');
  });
});

describe('a quiet session', () => {
  it('lives on by pings', async () => {
    const zk = await fixture.connected();
    const states = statesOf(zk);
    await fixture.clock.advance(60_000);
    expect(states).toEqual(['connected']);
    expect(zk.isSessionCertain()).toBe(true);
    const [connection] = fixture.ensemble.connections;
    expect(connection?.seen.filter((op) => op === OpCode.ping).length).toBe(20);
  });
});
