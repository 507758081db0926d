import type { ByteStream } from '@aviary/foundation';
import { PeerState, QuorumPacketType, initialMessage, notificationFrame } from '@aviary/protocol';
import type { SimulatedProcess } from '@aviary/simulator';
import { WireConnection } from '../election/wire-peer.js';
import { QUORUM_PORT, type EnsembleWorld, type TestMember } from '../ensemble/ensemble-world.js';
import { packets } from './quorum-visitor.js';

const ELECTION_PORT = 3888;
const CLAIMS_MAX = 20;
const CLAIM_MS = 50;

/** Server 3 as a leader, and server 2 as one that follows it, in the hands of a test. */
export class FakeLeader {
  /** Learners that have connected, in their order. */
  readonly learners: WireConnection[] = [];
  private readonly leader: SimulatedProcess;
  private readonly follower: SimulatedProcess;

  /** @param zxid Where its history ended when it was elected. */
  constructor(
    private readonly world: EnsembleWorld,
    readonly epoch: number,
    private readonly zxid = 0,
  ) {
    this.leader = world.member(3).host.boot();
    this.follower = world.member(2).host.boot();
    this.leader.run(() => {
      void this.leader.network.listen(
        { address: null, port: QUORUM_PORT },
        (stream: ByteStream) => {
          this.learners.push(new WireConnection(this.leader).use(stream));
        },
      );
    });
  }

  /** Makes `member` follow, and waits until it has connected. */
  async lead(member: TestMember): Promise<WireConnection> {
    const before = this.learners.length;
    // Who is between two roles does not listen.
    for (let i = 0; i < CLAIMS_MAX && this.learners.length === before; i++) {
      this.claim(member);
      await this.world.pass(CLAIM_MS);
    }
    const learner = this.learners.at(-1)!;
    await this.world.reach(() => learner.received.length > 0, 100);
    return learner;
  }

  /** Tells `member` once that 3 leads. */
  claim(member: TestMember): void {
    for (const [process, id] of [
      [this.follower, 2],
      [this.leader, 3],
    ] as const) {
      const said = notificationFrame({
        state: PeerState[id === 3 ? 'leading' : 'following'],
        leader: 3,
        zxid: this.zxid,
        electionEpoch: 1,
        peerEpoch: this.epoch,
        config: 'version=0',
      });
      const initial = initialMessage(id, [{ host: `m${id}`, port: ELECTION_PORT }], false);
      process.run(() => {
        const to = { address: member.host.address, port: ELECTION_PORT };
        void process.network.connect(to, 1000).then((stream) => {
          new WireConnection(process).use(stream).send(initial, said);
        });
      });
    }
  }

  /** Brings a learner to where it is ready for what is proposed; what comes first is `begin`. */
  async bring(learner: WireConnection, begin: Uint8Array = diff(0)): Promise<void> {
    const { epoch, world } = this;
    learner.send(packets((writer) => writer.leaderInfo(epoch)));
    const acked = learner.received.length;
    await world.reach(() => learner.received.length > acked || learner.isClosed);
    learner.send(
      begin,
      packets((writer) => writer.newLeader(epoch, 'version=0')),
    );
    await world.pass(50);
    learner.send(packets((writer) => writer.upToDate()));
    await world.pass(50);
  }
}

/** The packet with which a history begins that lacks nothing. */
export function diff(zxid: number): Uint8Array {
  return packets((writer) => writer.bare(QuorumPacketType.diff, zxid));
}
