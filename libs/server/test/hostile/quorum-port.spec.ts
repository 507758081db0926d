import { describe, expect, it } from '@jest/globals';
import { writeInt32 } from '@aviary/foundation';
import { OpCode, QuorumPacketType } from '@aviary/protocol';
import { killNine } from '@aviary/simulator';
import { EnsembleWorld, QUORUM_PORT, type TestMember } from '../ensemble/ensemble-world.js';
import { closeSession, create, getData, setData, type Request } from '../requests.js';
import { FOREIGN_TYPES, MULTIS, requestsOn, withNullPath } from './broken-requests.js';
import { QuorumVisitor, forwarded, introduction, packets } from './quorum-visitor.js';
import { expectAgreement } from './replayed-members.js';

const SESSION = 0x03_0000_0000_0000_77n;
const NOTHING = new Uint8Array(0);

/** Servers 1 and 2 of three serve, and 2 leads; 3 is for the test to play. */
async function twoOfThree(): Promise<EnsembleWorld> {
  const world = new EnsembleWorld();
  world.member(1).boot();
  world.member(2).boot();
  await world.settle();
  expect(world.leader.id).toBe(2);
  return world;
}

/** Clients of both members are served. */
async function expectService(world: EnsembleWorld): Promise<void> {
  await world.settle();
  for (const id of [1, 2]) {
    const client = await world.session(world.member(id));
    expect((await client.call(create(`/by-${id}`))).err).toBe(0);
    await client.done(closeSession);
  }
}

const linesOf = ({ warnings }: TestMember, word: string) =>
  warnings.filter((line) => line.includes(word));

const int = (value: number) => {
  const bytes = new Uint8Array(4);
  writeInt32(bytes, 0, value);
  return bytes;
};

/** The packet with other bytes at a place. */
function withAt(packet: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(packet);
  changed.set(bytes, at);
  return changed;
}

const LAST_EPOCH = 2 ** 21 - 1;

describe('a connection to the quorum port is closed, with one line, and harms nobody', () => {
  it.each<[string, Uint8Array]>([
    ['that asks for a page', Buffer.from('GET / HTTP/1.1\r\nHost: quorum\r\n\r\n')],
    ['with endless data', withAt(introduction(), 12, int(0x7fff_ffff))],
    ['with data of a negative length', withAt(introduction(), 12, int(-2))],
    ['with endless ids', withAt(introduction(), 36, int(0x7fff_ffff))],
    ['with an epoch that cannot be', withAt(introduction(), 4, int(0x7fff_ffff))],
    ['with the last epoch', introduction({ acceptedEpoch: LAST_EPOCH })],
    ['without an id', withAt(introduction(), 12, int(0)).slice(0, 20)],
    ['with a negative id', withAt(introduction(), 16, int(-1))],
    ['with the id of the leader', introduction({ id: 2 })],
    ['of before 3.4', introduction({ protocolVersion: 1 })],
    ['with a later configuration', introduction({ configVersion: 9 })],
    ['that introduces itself twice', Buffer.concat([introduction(), introduction()])],
    ['that begins with ACK', packets((writer) => writer.ack(0))],
    ['that begins with the ACK of a proposal', packets((writer) => writer.ack(0x1_0000_0001))],
    ['that begins with ACKEPOCH', packets((writer) => writer.ackEpoch(0, 0))],
    ['that begins with PING', packets((writer) => writer.ping(0))],
    ['that begins with what nobody knows', packets((writer) => writer.bare(99 as never, 0))],
    ['that begins with REQUEST', forwarded(SESSION, 1, create('/early'))],
    ['that begins with REVALIDATE', packets((writer) => writer.revalidationRequest(1, 2, 3))],
    [
      'with a REQUEST before it is up to date',
      Buffer.concat([introduction(), forwarded(SESSION, 1, create('/early'))]),
    ],
    [
      'with an ACKEPOCH that nobody asked for',
      Buffer.concat([
        introduction(),
        packets((writer) => writer.ackEpoch(0, 0)),
        packets((writer) => writer.ackEpoch(0, 0)),
      ]),
    ],
  ])('%s', async (_what, bytes) => {
    const world = await twoOfThree();
    const { leader } = world;
    const before = leader.warnings.length;
    const visitor = world.connect(leader, QUORUM_PORT, bytes);
    await world.reach(() => visitor.isClosed, 500);
    expect(leader.warnings.slice(before)).toHaveLength(1);
    expect(world.leader).toBe(leader);
    await expectService(world);
    expect(leader.server.monitor?.tree.findText('/early')).toBe(-1);
  });

  it('that stays silent, or in the middle of a packet, after a while', async () => {
    const world = await twoOfThree();
    const silent = ['', introduction().slice(0, 30), introduction().slice(0, 3)].map((bytes) =>
      world.connect(world.leader, QUORUM_PORT, Buffer.from(bytes)),
    );
    await world.reach(() => silent.every(({ isConnected }) => isConnected));
    await world.pass(900);
    expect(silent.some(({ isClosed }) => isClosed)).toBe(false);
    await world.reach(() => silent.every(({ isClosed }) => isClosed), 500);
    await expectService(world);
    expect(linesOf(world.leader, 'does not say whose it is')).toHaveLength(1);
  });

  it('that learns and then says nothing more, after a while', async () => {
    const world = await twoOfThree();
    const visitor = await QuorumVisitor.join(world, world.leader);
    await world.reach(() => visitor.isClosed, 1500);
    await expectService(world);
  });

  it('at a member that does not lead', async () => {
    const world = await twoOfThree();
    const visitor = world.connect(world.follower, QUORUM_PORT, introduction());
    await world.reach(() => visitor.isClosed, 100);
    await expectService(world);
  });
});

describe('a crowd at the quorum port', () => {
  it('does not keep out a member that comes', async () => {
    const world = await twoOfThree();
    const crowd = Array.from({ length: 200 }, () => world.connect(world.leader, QUORUM_PORT));
    await world.reach(() => crowd.every(({ isConnected }) => isConnected));
    world.member(3).boot();
    await world.reach(() => world.member(3).isServing, 500);
    expect(crowd.filter(({ isClosed }) => isClosed).length).toBeGreaterThanOrEqual(200 - 64);
    expect(linesOf(world.leader, 'too many others')).toHaveLength(1);
    await expectService(world);
  });

  it('does not keep a quorum apart that looks for a leader', async () => {
    const world = new EnsembleWorld();
    world.member(2).boot();
    await world.reach(() => world.member(2).server.lifecycle === 'serving');
    const crowd = Array.from({ length: 200 }, () => world.connect(world.member(2), QUORUM_PORT));
    await world.reach(() => crowd.every(({ isConnected }) => isConnected));
    world.member(1).boot();
    await world.reach(() => world.member(1).isServing, 1000);
    await expectService(world);
  });
});

describe('a learner', () => {
  it('that the configuration does not know learns, is named in one line, and has no vote', async () => {
    const world = await twoOfThree();
    const { leader, follower } = world;
    const visitor = await QuorumVisitor.join(world, leader, 9);
    await visitor.serve(3000);
    expect(visitor.isClosed).toBe(false);
    expect(linesOf(leader, 'Server 9, which connects')).toHaveLength(1);
    follower.kill(killNine);
    await visitor.serve(200);
    expect(leader.server.mode).toBe('looking');
  });

  it('of another id with a later epoch does not end the one of the leader', async () => {
    const world = await twoOfThree();
    const { leader } = world;
    const visitor = new QuorumVisitor(world, leader, introduction({ id: 9, acceptedEpoch: 7 }));
    await visitor.hear(QuorumPacketType.leaderInfo);
    await world.pass(500);
    expect(leader.server.mode).toBe('leader');
    await expectService(world);
  });

  it('that leaves but one epoch makes it the last: who is to open another one stops and says why', async () => {
    const world = await twoOfThree();
    const { leader } = world;
    world.connect(leader, QUORUM_PORT, introduction({ acceptedEpoch: LAST_EPOCH - 1 }));
    await world.reach(() => leader.server.epochs.accepted === LAST_EPOCH);
    await expectService(world);
    leader.kill();
    leader.boot();
    const failures = () => [1, 2].flatMap((id) => world.member(id).failures);
    await world.reach(() => failures().length > 0);
    expect(failures()[0]).toContain(
      `has agreed to epoch ${LAST_EPOCH}, and there is none after that`,
    );
  });

  it('with the id of another one takes its place until that comes back, and is warned of', async () => {
    const world = await twoOfThree();
    const { leader } = world;
    const visitor = await QuorumVisitor.join(world, leader, 1);
    await world.reach(() => visitor.isClosed, 5000);
    await expectService(world);
    expect(linesOf(leader, 'two servers have one id in their myid files')).toHaveLength(1);
  });
});

const CREATE_SESSION = OpCode.createSession;

/** A learner with a session of a client of its own. */
async function learnerWithSession(world: EnsembleWorld): Promise<QuorumVisitor> {
  const visitor = await QuorumVisitor.join(world, world.leader);
  visitor.send(forwarded(SESSION, 0, { type: CREATE_SESSION, body: int(60_000) }));
  await visitor.serve(100);
  expect(visitor.proposed).toContainEqual({ session: SESSION, xid: 0, type: CREATE_SESSION });
  return visitor;
}

/** What became of requests with xids from 1 on: the type of the one transaction of each. */
async function fatesOf(visitor: QuorumVisitor, requests: readonly Request[]): Promise<number[]> {
  for (const [index, request] of requests.entries()) {
    visitor.send(forwarded(SESSION, index + 1, request));
  }
  await visitor.serve(500);
  const own = visitor.proposed.filter(({ session, xid }) => session === SESSION && xid > 0);
  expect(own.map(({ xid }) => xid)).toEqual(requests.map((_, index) => index + 1));
  return own.map(({ type }) => type);
}

describe('a request that a learner forwards becomes one transaction', () => {
  it('whatever it lacks', async () => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    const whole = requestsOn('/node').filter(({ type }) => type !== OpCode.sync);
    const cut = whole.flatMap(({ type, body }) =>
      Array.from({ length: body.length }, (_, end) => ({ type, body: body.subarray(0, end) })),
    );
    const nulled = whole.filter(({ body }) => body.length > 4 && body[3] === 5).map(withNullPath);
    await fatesOf(visitor, [...whole, ...cut, ...nulled]);
    await expectAgreement(world, [1, 2]);
  });

  it.each<[string, readonly Request[]]>([
    ['multis that are wrong', MULTIS],
    [
      'types that nobody may use',
      FOREIGN_TYPES.filter((type) => type !== CREATE_SESSION).map((type) => ({
        type,
        body: new Uint8Array(40),
      })),
    ],
    [
      'reconfigurations',
      [NOTHING, new Uint8Array(11), new Uint8Array(60).fill(0xff)].map((body) => ({
        type: OpCode.reconfig,
        body,
      })),
    ],
  ])('%s', async (_what, requests) => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    await fatesOf(visitor, requests);
    await fatesOfMore(visitor, requests.length);
    await expectAgreement(world, [1, 2]);
  });

  it('of an error, if the session is not its own, or does not exist', async () => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    const client = await world.session(world.leader);
    const { sessionId } = client.credentials;
    for (const session of [sessionId, SESSION + 1n]) {
      visitor.send(forwarded(session, 7, closeSession), forwarded(session, 8, create('/theirs')));
    }
    await visitor.serve(200);
    for (const session of [sessionId, SESSION + 1n]) {
      const own = visitor.proposed.filter((each) => each.session === session && each.xid > 0);
      expect(own).toEqual([
        { session, xid: 7, type: OpCode.error },
        { session, xid: 8, type: OpCode.error },
      ]);
    }
    expect((await client.call(getData('/theirs'))).err).toBe(-101);
    await client.done(create('/ours'));
  });

  it.each([
    ['nothing', NOTHING],
    ['half a number', new Uint8Array(2)],
    ['a negative timeout', int(-1)],
    ['no timeout', int(0)],
    ['an endless timeout', int(0x7fff_ffff)],
    ['more than it should', new Uint8Array(100).fill(1)],
  ])('a session with %s', async (_what, body) => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    visitor.send(forwarded(SESSION + 5n, 0, { type: CREATE_SESSION, body }));
    visitor.send(forwarded(SESSION + 5n, 0, { type: CREATE_SESSION, body }));
    await visitor.serve(3000);
    const own = visitor.proposed.filter(({ session }) => session === SESSION + 5n);
    expect(own.filter(({ type }) => type !== OpCode.closeSession)).toHaveLength(2);
    await fatesOf(visitor, [create('/still')]);
    await expectAgreement(world, [1, 2]);
  });

  it('and each sync is answered, in its turn', async () => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    const sync = { type: OpCode.sync, body: NOTHING };
    visitor.send(forwarded(SESSION, 1, sync), forwarded(SESSION, 2, create('/a')));
    visitor.send(forwarded(SESSION, 3, sync), forwarded(SESSION, 4, setData('/a', 'x')));
    await visitor.serve(200);
    const { sync: answer, proposal } = QuorumPacketType;
    expect(visitor.heard.filter(({ type }) => type === answer)).toHaveLength(2);
    const types = visitor.heard.map(({ type }) => type);
    expect(types.filter((type) => type === proposal)).toHaveLength(3);
  });

  it('but what is no request ends the connection', async () => {
    const world = await twoOfThree();
    const visitor = await learnerWithSession(world);
    // As much data as is cut off it announces less.
    const short = withAt(forwarded(SESSION, 1, create('/short')), 12, int(10));
    visitor.send(Buffer.concat([short.slice(0, 26), int(-1)]));
    await world.reach(() => visitor.isClosed, 200);
    expect(world.leader.warnings.at(-1)).toContain('packet request has 10 bytes of data');
    await expectService(world);
  });
});

/** The learner is still served behind all that. */
async function fatesOfMore(visitor: QuorumVisitor, before: number): Promise<void> {
  visitor.send(forwarded(SESSION, before + 1, create('/behind')));
  await visitor.serve(100);
  const last = visitor.proposed.at(-1);
  expect(last).toEqual({ session: SESSION, xid: before + 1, type: OpCode.create });
}
