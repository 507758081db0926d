import { describe, expect, it } from '@jest/globals';
import { writeInt32 } from '@aviary/foundation';
import { QuorumPacketType } from '@aviary/protocol';
import { SeededRandom } from '@aviary/simulator';
import type { WireConnection } from '../election/wire-peer.js';
import { EnsembleWorld, type TestMember } from '../ensemble/ensemble-world.js';
import { loggedTransactions } from '../log-replay.js';
import { FakeLeader, diff } from './fake-leader.js';
import { packets } from './quorum-visitor.js';

const EPOCH = 4;
const FIRST = EPOCH * 2 ** 32 + 1;
const TXN_BYTES = 36;

interface Scene {
  readonly world: EnsembleWorld;
  readonly member: TestMember;
  readonly leader: FakeLeader;
  readonly learner: WireConnection;
}

/** Server 1, which has just connected to a leader that the test plays. */
async function connected(seed = 1): Promise<Scene> {
  const world = new EnsembleWorld({ seed });
  const member = world.member(1);
  member.boot();
  await world.reach(() => member.server.lifecycle === 'serving');
  const leader = new FakeLeader(world, EPOCH);
  return { world, member, leader, learner: await leader.lead(member) };
}

/** The same, up to date. */
async function following(): Promise<Scene> {
  const scene = await connected();
  await scene.leader.bring(scene.learner);
  await scene.world.reach(() => scene.member.isServing, 1000);
  return scene;
}

/** Server 1 has let the leader go, is in order, and can follow again. */
async function expectRecovery({ world, member, leader, learner }: Scene): Promise<void> {
  await world.reach(() => learner.isClosed, 3000);
  expect([member.isAlive, member.failures]).toEqual([true, []]);
  await world.reach(() => member.server.mode === 'looking');
  const again = await leader.lead(member);
  await leader.bring(again);
  await world.reach(() => member.isServing, 1000);
}

/** A transaction that creates a session, with any zxid in its header. */
function transaction(zxid: number): Uint8Array {
  const bytes = new Uint8Array(TXN_BYTES);
  writeInt32(bytes, 7, 1);
  writeInt32(bytes, 12, Math.floor(zxid / 2 ** 32));
  writeInt32(bytes, 16, zxid % 2 ** 32);
  writeInt32(bytes, 28, -10);
  writeInt32(bytes, 32, 60_000);
  return bytes;
}

const proposal = (zxid: number, txn = transaction(zxid)) =>
  packets((writer) => writer.proposal(zxid, txn));
const commit = (zxid: number) => packets((writer) => writer.commit(zxid));
const bare = (type: number, zxid: number) => packets((writer) => writer.bare(type as never, zxid));
const leaderInfo = (epoch: number) => packets((writer) => writer.leaderInfo(epoch));
const newLeader = (epoch: number) => packets((writer) => writer.newLeader(epoch, 'version=0'));

const { snap } = QuorumPacketType;

describe('a learner leaves a leader that makes no sense, and follows again', () => {
  it.each<[string, readonly Uint8Array[]]>([
    ['with garbage', [Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')]],
    ['with a history before its epoch', [diff(0)]],
    ['with NEWLEADER before its epoch', [newLeader(EPOCH)]],
    ['with LEADERINFO twice', [leaderInfo(EPOCH), leaderInfo(EPOCH)]],
    ['with two histories', [leaderInfo(EPOCH), diff(0), diff(0)]],
    ['with another epoch in NEWLEADER', [leaderInfo(EPOCH), diff(0), newLeader(EPOCH + 1)]],
    [
      'with a snapshot that is none',
      [leaderInfo(EPOCH), bare(snap, 0), new Uint8Array(500).fill(255)],
    ],
    ['with a proposal that is missing', [leaderInfo(EPOCH), diff(0), proposal(1), proposal(3)]],
    ['with a commit of nothing', [leaderInfo(EPOCH), diff(0), commit(5)]],
    ['with another transaction', [leaderInfo(EPOCH), diff(0), proposal(1, transaction(2))]],
    ['with no transaction', [leaderInfo(EPOCH), diff(0), proposal(1, new Uint8Array(3))]],
  ])('%s', async (_what, said) => {
    const scene = await connected();
    for (const bytes of said) {
      scene.learner.send(bytes);
      await scene.world.pass(30);
    }
    await expectRecovery(scene);
  });

  it.each<[string, readonly Uint8Array[]]>([
    ['with garbage', [new Uint8Array(64).fill(0x41)]],
    ['with a proposal that is missing', [proposal(FIRST + 1)]],
    ['with another transaction', [proposal(FIRST, transaction(FIRST + 1))]],
    ['with no transaction', [proposal(FIRST, new Uint8Array(0))]],
    ['with a commit of another one', [proposal(FIRST), commit(FIRST + 1)]],
  ])('that it follows already: %s', async (_what, said) => {
    const scene = await following();
    scene.learner.send(...said);
    await expectRecovery(scene);
  });

  it('but passes over what was not asked for', async () => {
    const { world, member, learner } = await following();
    learner.send(packets((writer) => writer.sync()));
    learner.send(packets((writer) => writer.revalidationReply(1, 2, true)));
    learner.send(bare(77, 0), proposal(FIRST), commit(FIRST));
    await world.pass(100);
    expect([learner.isClosed, member.isServing]).toEqual([false, true]);
    expect(member.server.state.lastApplied).toBe(FIRST);
  });
});

it('a transaction that cannot be applied ends the process in one sentence', async () => {
  const { world, member, learner } = await following();
  const unknown = transaction(FIRST);
  writeInt32(unknown, 28, 99);
  learner.send(proposal(FIRST, unknown), commit(FIRST));
  await world.reach(() => !member.isAlive, 1000);
  expect(member.failures).toHaveLength(1);
  expect(member.failures[0]).toContain('cannot be applied (unknown transaction type 99)');
});

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

it.each(SEEDS)('a leader with wrong bytes harms nobody (seed %i)', async (seed) => {
  const random = new SeededRandom(`leader ${seed}`);
  const scene = await connected(seed);
  const { world, member, leader } = scene;
  let { learner } = scene;
  for (let i = 0; i < 15; i++) {
    const stream = Buffer.concat([
      leaderInfo(EPOCH),
      random.chance(0.7) ? diff(0) : bare(random.below(22), random.pick([0, 1, FIRST])),
      ...Array.from({ length: random.below(3) }, (_, at) => proposal(at + 1)),
      newLeader(EPOCH),
      packets((writer) => writer.upToDate()),
    ]);
    for (let flips = 1 + random.below(3); flips > 0; flips--) {
      // The types and lengths of packets; a transaction that is damaged on its way is TCP's to find.
      const at = random.pick([0, 3, 12, 15, 16, 19, 24, 27, 28, 31, 36, 40, 44, 48]);
      stream[at] = random.below(256);
    }
    learner.send(new Uint8Array(stream));
    await world.pass(random.below(100));
    if (learner.isClosed || random.chance(0.3)) {
      learner.close();
      await world.reach(() => member.server.mode === 'looking', 5000);
      learner = await leader.lead(member);
    }
  }
  learner.close();
  await expectRecovery({ world, member, leader, learner });
  expect(member.warnings.length).toBeLessThan(30);
  for (const { header } of await loggedTransactions(member.host.drive)) {
    expect(header.type).toBe(-10);
  }
});
