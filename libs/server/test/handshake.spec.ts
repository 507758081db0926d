import { beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { create, getData, ping } from './requests.js';
import { ServerWorld } from './server-world.js';
import { Reply, frameOf, handshakeFrame, requestFrame } from './wire-client.js';

const ZEROS = new Uint8Array(16);
const WRONG_PASSWORD = Uint8Array.from({ length: 16 }, (_, i) => i);
const READY_MS = 50;

let world: ServerWorld;

beforeEach(async () => {
  world = await ServerWorld.start({ server: { tickTimeMs: 1000 } });
});

/** What a connection got after `bytes`: frames, and whether it was closed. */
async function outcomeOf(bytes: Uint8Array): Promise<{ frames: number; closed: boolean }> {
  const client = world.connect();
  client.sendRaw(bytes);
  await world.pass(READY_MS);
  return { frames: client.pending, closed: client.isClosed };
}

const CLOSED_SILENTLY = { frames: 0, closed: true };

describe('a handshake for a new session', () => {
  it.each([
    ['below the minimum', 1, 2_000],
    ['zero', 0, 2_000],
    ['negative', -5, 2_000],
    ['at the minimum', 2_000, 2_000],
    ['between', 7_000, 7_000],
    ['at the maximum', 20_000, 20_000],
    ['above the maximum', 3_600_000, 20_000],
    ['the greatest', 0x7fff_ffff, 20_000],
  ])('gets the timeout it asked for, within the bounds: %s', async (_name, asked, given) => {
    const client = world.connect();
    expect((await client.handshake({ timeoutMs: asked })).timeoutMs).toBe(given);
  });

  it.each([
    ['with the field readOnly', { readOnly: false }, 37],
    ['content with a read-only server', { readOnly: true }, 37],
    ['without the field, as old clients are', { readOnly: null }, 36],
    ['with a null password', { password: null }, 37],
    ['with an empty password', { password: new Uint8Array(0) }, 37],
  ])('is answered in the shape in which it was asked: %s', async (_name, options, frameBytes) => {
    const greeting = await world.connect().handshake(options);
    expect(greeting.frameBytes).toBe(frameBytes);
    expect(greeting.sessionId).not.toBe(0n);
    expect(greeting.password).toHaveLength(16);
    expect(greeting.password).not.toEqual(ZEROS);
  });

  it('is not read past before it is answered', async () => {
    const client = world.connect();
    client.offer();
    expect(client.link.server.isPaused).toBe(true);
    client.send(create('/early'));
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    await client.greeted();
    expect((await client.reply()).err).toBe(ErrorCode.ok);
  });

  it('may come with requests behind it, which wait for the answer', async () => {
    const client = world.connect();
    const chunk = [handshakeFrame(), requestFrame(-2, ping), requestFrame(1, create('/early'))];
    client.sendRaw(Buffer.concat(chunk));
    await client.greeted();
    const replies = await client.replies(2);
    expect(replies.map(({ xid }) => xid)).toEqual([-2, 1]);
  });

  it('may come byte by byte', async () => {
    const client = world.connect();
    for (const byte of handshakeFrame()) client.sendRaw(Uint8Array.of(byte));
    expect((await client.greeted()).sessionId).not.toBe(0n);
  });

  it('makes no two sessions with one id', async () => {
    const ids = new Set<bigint>();
    for (let i = 0; i < 50; i++) ids.add((await world.session()).credentials.sessionId);
    expect(ids.size).toBe(50);
  });

  it('that is left before it is answered leaves a session that expires', async () => {
    const client = world.connect();
    client.offer({ timeoutMs: 2_000 });
    client.link.drop();
    await world.reach(() => world.port.sessions.size === 1);
    await world.reach(() => world.port.sessions.size === 0);
    expect(world.port.tree.sessions.size).toBe(0);
  });
});

describe('a handshake is closed without a word', () => {
  it('while the server stops, on an old connection and on a new one', async () => {
    const waiting = world.connect();
    const stopped = world.server.stop();
    waiting.offer();
    const late = world.connect();
    await world.world.settle(stopped);
    expect([waiting.isClosed, late.isClosed]).toEqual([true, true]);
    expect([waiting.pending, late.pending]).toEqual([0, 0]);
  });

  it('of a client that has seen a later zxid', async () => {
    await (await world.session()).done(create('/a'));
    const seen = BigInt(world.zxid);
    expect(await outcomeOf(handshakeFrame({ lastZxidSeen: seen }))).toEqual({
      frames: 1,
      closed: false,
    });
    const now = BigInt(world.zxid);
    for (const lastZxidSeen of [now + 1n, 1n << 32n, 1n << 53n, (1n << 63n) - 1n]) {
      expect(await outcomeOf(handshakeFrame({ lastZxidSeen }))).toEqual(CLOSED_SILENTLY);
    }
  });

  it.each([
    ['nothing', frameOf(new Uint8Array(0))],
    ['eight bytes', frameOf(new Uint8Array(8))],
    ['a password that has no end', frameOf(handshakeFrame().subarray(4, 40))],
    ['a password of negative length', frameOf(negativePassword())],
    ['more than a handshake ever has', frameOf(new Uint8Array(2000))],
    ['a length of zero twice', Buffer.from('0000000000000000', 'hex')],
  ])('of %s', async (_name, bytes) => {
    expect(await outcomeOf(bytes)).toEqual(CLOSED_SILENTLY);
  });

  function negativePassword(): Uint8Array {
    const record = handshakeFrame().slice(4);
    record.set([0xff, 0xff, 0xff, 0xfe], 24);
    return record;
  }
});

describe('a handshake that takes a session up again', () => {
  it('on another connection closes the first, and goes on with the new timeout', async () => {
    const first = await world.session({ timeoutMs: 10_000 });
    const second = world.connect();
    const greeting = await second.handshake({ ...first.credentials, timeoutMs: 4_000 });
    expect(greeting).toMatchObject({ ...first.credentials, timeoutMs: 4_000 });
    await first.closed();
    expect((await second.call(getData('/'))).err).toBe(ErrorCode.ok);
    expect(world.port.sessions.size).toBe(1);
  });

  it('after the first was dropped', async () => {
    const first = await world.session();
    first.link.drop();
    const second = await world.session(first.credentials);
    expect(second.credentials).toEqual(first.credentials);
  });

  it('keeps its zxids: it costs no transaction', async () => {
    const first = await world.session();
    const before = world.zxid;
    await world.session(first.credentials);
    expect(world.zxid).toBe(before);
  });

  it('leaves the watches of the first connection behind', async () => {
    const first = await world.session();
    const writer = await world.session();
    await first.done(getData('/', true));
    const second = await world.session(first.credentials);
    await writer.done(create('/a'));
    await world.pass(READY_MS);
    expect(world.port.tree.watches.size).toBe(0);
    expect(second.pending).toBe(0);
  });

  const REFUSED = { timeoutMs: 0, sessionId: 0n, password: ZEROS };

  it.each([
    ['wrong', WRONG_PASSWORD],
    ['zero', ZEROS],
    ['null', null],
    ['too short', new Uint8Array(15)],
    ['too long', new Uint8Array(17)],
  ])(
    'with a password that is %s is refused, and the session is left alone',
    async (_n, password) => {
      const victim = await world.session();
      const thief = world.connect();
      const { sessionId } = victim.credentials;
      expect(await thief.handshake({ sessionId, password })).toMatchObject(REFUSED);
      await thief.closed();
      expect((await victim.call(getData('/'))).err).toBe(ErrorCode.ok);
    },
  );

  it('with a password that differs in one bit is refused', async () => {
    const victim = await world.session();
    const { sessionId, password } = victim.credentials;
    for (let bit = 0; bit < 128; bit += 9) {
      const guess = password.slice();
      guess[bit >> 3]! ^= 1 << (bit & 7);
      expect(await world.connect().handshake({ sessionId, password: guess })).toMatchObject(
        REFUSED,
      );
    }
    expect(victim.isClosed).toBe(false);
  });

  it('that never was is refused, in the shape in which it was asked', async () => {
    const asked = { sessionId: 0x7766_5544_3322_1100n, password: WRONG_PASSWORD };
    const [young, old] = [world.connect(), world.connect()];
    expect(await young.handshake(asked)).toMatchObject({ ...REFUSED, frameBytes: 37 });
    expect(await old.handshake({ ...asked, readOnly: null })).toMatchObject({
      ...REFUSED,
      frameBytes: 36,
    });
    await young.closed();
    await old.closed();
  });

  it('that has expired is refused', async () => {
    const client = await world.session({ timeoutMs: 2_000 });
    await client.closed();
    expect(await world.connect().handshake(client.credentials)).toMatchObject(REFUSED);
  });

  it('whose end is on its way is refused', async () => {
    const client = await world.session();
    client.send({ type: -11, body: new Uint8Array(0) });
    const late = world.connect();
    late.offer(client.credentials);
    // The answer is there before the disk has had any time at all.
    expect(world.port.writes.outstanding).toBe(1);
    expect(await late.greeted()).toMatchObject(REFUSED);
    expect(new Reply(await client.frame())).toMatchObject({ err: ErrorCode.ok });
  });
});
