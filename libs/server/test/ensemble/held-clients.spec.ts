import { describe, expect, it } from '@jest/globals';
import { FOUR_LETTER_WORDS } from '@aviary/protocol';
import { killNine } from '@aviary/simulator';
import type { WireConnection } from '../election/wire-peer.js';
import { create } from '../requests.js';
import { handshakeFrame, requestFrame } from '../wire-client.js';
import { CLIENT_PORT, EnsembleWorld, type TestMember } from './ensemble-world.js';

const UNSERVED = 'This ZooKeeper instance is not currently serving requests\n';
const HELD_MS = 2000;
const RESPONSE_BYTES = 41;

/** A member without a quorum. */
async function alone(words: readonly string[] = FOUR_LETTER_WORDS): Promise<EnsembleWorld> {
  const world = new EnsembleWorld({ server: { fourLetterWords: new Set(words) } });
  world.member(1).boot();
  await world.reach(() => world.member(1).server.lifecycle === 'serving');
  return world;
}

const textOf = ({ received }: WireConnection) => Buffer.from(received).toString();

/** What a member says to a word, and how long it took until it closed, in milliseconds. */
async function ask(
  world: EnsembleWorld,
  member: TestMember,
  ...parts: readonly string[]
): Promise<{ answer: string; tookMs: number }> {
  const startedMs = world.world.virtualMs;
  const connection = world.connect(member, CLIENT_PORT);
  await world.reach(() => connection.isConnected || connection.isClosed);
  for (const part of parts) {
    connection.send(Buffer.from(part));
    await world.pass(5);
  }
  await world.reach(() => connection.isClosed);
  return { answer: textOf(connection), tookMs: world.world.virtualMs - startedMs };
}

describe('a member that looks for a leader', () => {
  it.each([
    ['ruok', 'imok'],
    ['isro', 'null'],
    ['srvr', UNSERVED],
    ['stat', UNSERVED],
    ['mntr', UNSERVED],
    ['conf', UNSERVED],
    ['cons', UNSERVED],
    ['crst', UNSERVED],
    ['dump', UNSERVED],
    ['wchs', UNSERVED],
    ['wchc', UNSERVED],
    ['wchp', UNSERVED],
    ['dirs', UNSERVED],
    ['srst', UNSERVED],
  ])('answers %s at once, as ZooKeeper does', async (word, expected) => {
    const world = await alone();
    const { answer, tookMs } = await ask(world, world.member(1), word);
    expect(answer).toBe(expected);
    expect(tookMs).toBeLessThan(100);
    expect(world.member(1).server.mode).toBe('looking');
  });

  it('answers envi in full', async () => {
    const world = await alone();
    const { answer } = await ask(world, world.member(1), 'envi');
    expect(answer).toMatch(/^Environment:\nzookeeper\.version=/);
  });

  it('answers a word that comes letter by letter', async () => {
    const world = await alone();
    expect((await ask(world, world.member(1), 'r', 'u', 'o', 'k')).answer).toBe('imok');
  });

  it('answers only words that it is told to answer', async () => {
    const world = await alone(['ruok']);
    const { answer } = await ask(world, world.member(1), 'stat');
    expect(answer).toBe('stat is not executed because it is not in the whitelist.\n');
  });

  it('holds everybody else for a while, and not longer', async () => {
    const world = await alone();
    const connections = ['', 'xy', 'GET / HTTP/1.1\r\n\r\n', handshakeFrame()].map((said) =>
      world.connect(world.member(1), CLIENT_PORT, Buffer.from(said)),
    );
    await world.pass(HELD_MS - 100);
    expect(connections.map(({ isClosed }) => isClosed)).toEqual([false, false, false, false]);
    await world.reach(() => connections.every(({ isClosed }) => isClosed), 200);
    expect(connections.map(textOf)).toEqual(['', '', '', '']);
  });

  it('cuts off who sends much before it is answered', async () => {
    const world = await alone();
    const flood = new Uint8Array(64 * 1024).fill(1);
    const connection = world.connect(world.member(1), CLIENT_PORT, flood);
    await world.reach(() => connection.isClosed, 100);
  });

  it('lets no crowd keep out who comes later: the oldest make room', async () => {
    const world = await alone();
    const crowd = Array.from({ length: 1000 }, () =>
      world.connect(world.member(1), CLIENT_PORT, handshakeFrame()),
    );
    await world.reach(() => crowd.every(({ isConnected }) => isConnected));
    await world.pass(50);
    expect((await ask(world, world.member(1), 'ruok')).answer).toBe('imok');
    expect(crowd.filter(({ isClosed }) => isClosed)).toHaveLength(1);
  });
});

describe('once it serves', () => {
  it('takes the handshakes that waited, with all that came behind them', async () => {
    const world = await alone();
    const member = world.member(1);
    const pieces = [
      [handshakeFrame()],
      [handshakeFrame(), requestFrame(1, create('/held'))],
      [handshakeFrame().subarray(0, 3), handshakeFrame().subarray(3)],
    ];
    const connections = pieces.map(() => world.connect(member, CLIENT_PORT));
    await world.reach(() => connections.every(({ isConnected }) => isConnected));
    for (const [index, connection] of connections.entries()) {
      for (const piece of pieces[index] ?? []) connection.send(piece);
    }
    await world.pass(50);
    world.member(2).boot();
    await world.reach(() => member.isServing, HELD_MS);
    await world.reach(() => connections.every(({ received }) => received.length > 0), 500);
    await world.pass(100);
    const [plain, busy, split] = connections.map(({ received }) => received.length);
    expect(plain).toBe(RESPONSE_BYTES);
    expect(busy).toBeGreaterThan(RESPONSE_BYTES);
    expect(split).toBe(RESPONSE_BYTES);
    expect(member.server.monitor?.connections.size).toBe(3);
    expect(member.server.monitor?.tree.findText('/held')).not.toBe(-1);
  });

  it('answers a word of which the beginning came before', async () => {
    const world = await alone();
    const connection = world.connect(world.member(1), CLIENT_PORT, Buffer.from('ru'));
    await world.reach(() => connection.isConnected);
    world.member(2).boot();
    await world.reach(() => world.member(1).isServing, HELD_MS);
    connection.send(Buffer.from('ok'));
    await world.reach(() => connection.isClosed);
    expect(textOf(connection)).toBe('imok');
  });

  it('does not take who has left meanwhile', async () => {
    const world = await alone();
    const connection = world.connect(world.member(1), CLIENT_PORT, Buffer.from('xy'));
    await world.reach(() => connection.isConnected);
    await world.pass(20);
    connection.close();
    await world.pass(20);
    world.member(2).boot();
    await world.settle();
    expect(world.member(1).server.monitor?.connections.size).toBe(0);
  });
});

it('answers words again when its leader is gone', async () => {
  const world = await EnsembleWorld.start({ server: { fourLetterWords: new Set(['srvr']) } });
  const { leader, follower } = world;
  expect((await ask(world, follower, 'srvr')).answer).toContain('Mode: follower');
  for (const member of world.members.values()) if (member !== follower) member.kill(killNine);
  await world.reach(() => follower.server.mode === 'looking');
  expect((await ask(world, follower, 'srvr')).answer).toBe(UNSERVED);
  expect(leader.isAlive).toBe(false);
});

it('closes who waits when it stops', async () => {
  const world = await alone();
  const connection = world.connect(world.member(1), CLIENT_PORT, handshakeFrame());
  await world.reach(() => connection.isConnected);
  await world.pass(20);
  await world.world.settle(world.member(1).server.stop());
  await world.reach(() => connection.isClosed, 100);
});
