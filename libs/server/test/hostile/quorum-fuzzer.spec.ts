import { describe, expect, it } from '@jest/globals';
import { LIMITS_DEFAULT } from '@aviary/server';
import { SeededRandom, worstPowerCut } from '@aviary/simulator';
import {
  CLIENT_PORT,
  EnsembleWorld,
  QUORUM_PORT,
  type TestMember,
} from '../ensemble/ensemble-world.js';
import { ATTACKS } from './attacks.js';
import { Attacker } from './attacker.js';
import { hostileRequest } from './broken-requests.js';
import { QuorumVisitor, forwarded, introduction, packets } from './quorum-visitor.js';
import { expectAgreement } from './replayed-members.js';
import { SteadyClient } from './steady-client.js';

const FIRST_SEED = Number(process.env.SEED ?? 1);
const SEEDS = Array.from({ length: Number(process.env.FUZZ_SEEDS ?? 3) }, (_, i) => FIRST_SEED + i);
const IDS: readonly [number, ...number[]] = [0, 1, 2, 3, 9, 255];
const LINES_MAX = 40;

/** Packets that a learner might send, in some order. */
function anyPacket(random: SeededRandom): Uint8Array {
  const zxid = random.pick([0, 1, 0x1_0000_0000, 0x1_0000_0001, 0x2_0000_0000, 0x7_0000_0003]);
  const session = BigInt(random.uint32());
  switch (random.below(7)) {
    case 0:
      return introduction({ id: random.pick(IDS), observes: random.chance(0.3) });
    case 1:
      return packets((writer) => writer.ackEpoch(zxid, random.pick([-1, 0, 1, 2])));
    case 2:
      return packets((writer) => writer.ack(zxid));
    case 3:
      return packets((writer) => writer.ping(zxid));
    case 4:
      return packets((writer) => writer.revalidationRequest(random.below(9), 1, 4000));
    case 5:
      return packets((writer) => writer.bare(random.below(30) as never, zxid));
    default:
      return forwarded(session, random.below(100), hostileRequest(random));
  }
}

/** Whole packets, and then some bytes wrong, or the end missing. */
function anyStream(random: SeededRandom): Uint8Array {
  const first = random.chance(0.7) ? [introduction({ id: random.pick(IDS) })] : [];
  const count = random.below(6);
  const stream = Buffer.concat([
    ...first,
    ...Array.from({ length: count }, () => anyPacket(random)),
  ]);
  for (let flips = random.below(6); flips > 0 && stream.length > 0; flips--) {
    stream[random.below(stream.length)] = random.pick([0, 0xff, random.below(256)]);
  }
  return new Uint8Array(stream.subarray(0, random.chance(0.3) ? random.below(200) : undefined));
}

/** Attacks the quorum ports for a while. */
async function attackQuorumPorts(world: EnsembleWorld, random: SeededRandom): Promise<void> {
  for (let i = 0; i < 80; i++) {
    const target = world.member(random.pick([1, 2]));
    const visitor = world.connect(target, QUORUM_PORT, anyStream(random));
    if (random.chance(0.3)) world.world.after(random.below(300), () => visitor.close());
    await world.pass(random.below(40));
  }
}

/** A learner that is up to date, and then forwards whatever comes to its mind. */
async function misbehaveAsLearner(world: EnsembleWorld, random: SeededRandom): Promise<void> {
  const visitor = await QuorumVisitor.join(world, world.leader);
  const session = 0x03_0000_0000_0000_99n;
  visitor.send(forwarded(session, 0, { type: -10, body: Uint8Array.of(0, 0, 0x40, 0) }));
  for (let i = 1; i < 60 && !visitor.isClosed; i++) {
    visitor.send(
      random.chance(0.8) ? forwarded(session, i, hostileRequest(random)) : anyPacket(random),
    );
    await visitor.serve(20);
  }
  visitor.connection.close();
}

async function steadyAt(world: EnsembleWorld, member: TestMember): Promise<SteadyClient> {
  const home = world.world.addHost(`steady ${member.id}`).boot();
  const steady = new SteadyClient(home, { address: member.host.address, port: CLIENT_PORT });
  home.run(() => steady.begin());
  await world.reach(() => steady.rounds > 0);
  return steady;
}

function expectAllWell(world: EnsembleWorld, ids: readonly number[]): void {
  for (const id of ids) {
    const { failures, warnings } = world.member(id);
    expect(failures).toEqual([]);
    expect(warnings.length).toBeLessThan(LINES_MAX);
  }
}

describe('hostile learners at the quorum ports', () => {
  it.each(SEEDS)(
    'bring down no member, and no history apart (seed %i)',
    async (seed) => {
      const random = new SeededRandom(`quorum ${seed}`);
      const world = new EnsembleWorld({ seed });
      world.member(1).boot();
      world.member(2).boot();
      await world.settle();
      await attackQuorumPorts(world, random);
      await world.pass(3000);
      await world.settle();
      await misbehaveAsLearner(world, random);
      await world.pass(3000);
      await world.settle();
      world.member(3).boot();
      await world.settle();
      for (const member of world.members.values()) {
        const client = await world.session(member);
        expect(client.isClosed).toBe(false);
      }
      expectAllWell(world, [1, 2, 3]);
      await expectAgreement(world, [1, 2]);
      const zxid = world.member(3).server.state.lastApplied;
      for (const member of world.members.values()) member.kill(worstPowerCut);
      for (const member of world.members.values()) member.boot();
      await world.settle();
      expect(world.leader.server.state.lastApplied).toBeGreaterThanOrEqual(zxid);
    },
    60_000,
  );
});

describe('hostile clients of a follower', () => {
  it.each(SEEDS)(
    'harm neither it nor the others, and leave logs that replay (seed %i)',
    async (seed) => {
      const random = new SeededRandom(`hostile followers ${seed}`);
      const limits = { ...LIMITS_DEFAULT, outputBytesMax: 2 << 20, handshakeMs: 2000 };
      const server = { maxSessionTimeoutMs: 3000, limits };
      const world = await EnsembleWorld.start({ seed, server });
      const { follower } = world;
      const steady = await steadyAt(world, follower);
      const target = { address: follower.host.address, port: CLIENT_PORT };
      const attackers: Attacker[] = [];
      for (let i = 0; i < 100; i++) {
        const attack = random.pick(ATTACKS);
        const attacker = new Attacker(world.visitor, target, attack.moves(random, steady));
        attackers.push(attacker);
        world.visitor.run(() => attacker.begin());
        await world.pass(random.below(60));
      }
      await world.pass(2000);
      for (const attacker of attackers) world.visitor.run(() => attacker.giveUp());
      await world.pass(6000);
      expect(steady.complaints).toEqual([]);
      expect(steady.rounds).toBeGreaterThan(100);
      expectAllWell(world, [1, 2, 3]);
      steady.rest();
      await world.pass(1000);
      const port = follower.server.monitor!;
      expect([port.connections.size, port.writes.outstanding]).toEqual([1, 0]);
      expect(world.leader.server.state.tree.sessions.size).toBe(1);
      await expectAgreement(world, [1, 2, 3]);
    },
    60_000,
  );
});
