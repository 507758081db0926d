import {
  LEARNER_PROTOCOL_VERSION,
  QuorumPacketReader,
  QuorumPacketType,
  QuorumPacketWriter,
  SNAPSHOT_STREAM_SIGNATURE,
  type QuorumPacket,
} from '@aviary/protocol';
import type { WireConnection } from '../election/wire-peer.js';
import { QUORUM_PORT, type EnsembleWorld, type TestMember } from '../ensemble/ensemble-world.js';
import type { Request } from '../requests.js';

const DATA_BYTES_MAX = 64 << 20;
const SIGNATURE = Buffer.from(SNAPSHOT_STREAM_SIGNATURE);
const XID_AT = 8;
const TYPE_AT = 28;
const STEP_MS = 20;

/** What a leader has said, by the names of what matters here. */
export interface Heard {
  readonly type: number;
  readonly zxid: number;
  readonly data: Uint8Array;
}

/** The header of a transaction that was proposed. */
export interface ProposedHeader {
  readonly session: bigint;
  readonly xid: number;
  readonly type: number;
}

/** The bytes of packets. */
export function packets(write: (writer: QuorumPacketWriter) => void): Uint8Array {
  const writer = new QuorumPacketWriter();
  write(writer);
  return writer.output.take();
}

export interface Introduction {
  readonly id?: number;
  readonly observes?: boolean;
  readonly acceptedEpoch?: number;
  readonly protocolVersion?: number;
  readonly configVersion?: number;
}

/** FOLLOWERINFO or OBSERVERINFO. */
export function introduction(given: Introduction = {}): Uint8Array {
  const { id = 3, observes = false, acceptedEpoch = 0, configVersion = 0 } = given;
  const { protocolVersion = LEARNER_PROTOCOL_VERSION } = given;
  const info = { serverId: id, protocolVersion, configVersion };
  return packets((writer) =>
    observes ? writer.observerInfo(acceptedEpoch, info) : writer.followerInfo(acceptedEpoch, info),
  );
}

/** A REQUEST that some client of a learner is said to have made. */
export function forwarded(session: bigint, xid: number, { type, body }: Request): Uint8Array {
  const high = Number(BigInt.asIntN(32, session >> 32n));
  const low = Number(BigInt.asIntN(32, session));
  const who = type === -10 ? null : [{ scheme: 'ip', id: '10.9.9.9' }];
  return packets((writer) => writer.request(high, low, xid, type, who, body));
}

/** A learner in the hands of a test: what it says is for the test to decide. */
export class QuorumVisitor {
  readonly connection: WireConnection;
  private readonly reader = new QuorumPacketReader(DATA_BYTES_MAX);
  private readonly log: Heard[] = [];
  private taken = 0;
  private isInSnapshot = false;
  /** How much of what was heard it has answered. */
  private served = 0;

  constructor(
    private readonly world: EnsembleWorld,
    readonly leader: TestMember,
    ...bytes: readonly Uint8Array[]
  ) {
    this.connection = world.connect(leader, QUORUM_PORT, ...bytes);
  }

  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.connection.send(...bytes);
  }

  /** Everything that the leader has said so far. */
  get heard(): readonly Heard[] {
    const { received } = this.connection;
    while (this.taken < received.length) {
      if (this.isInSnapshot) {
        const at = Buffer.from(received).indexOf(SIGNATURE, this.taken);
        if (at < 0) break;
        this.taken = at + SIGNATURE.length;
        this.isInSnapshot = false;
      } else {
        this.reader.push(received, this.taken, received.length, { onPacket: (p) => this.note(p) });
        this.taken = this.reader.stoppedAt;
      }
    }
    return this.log;
  }

  /** Waits for a packet of that type. */
  async hear(type: number): Promise<Heard> {
    const find = () => this.heard.find((packet) => packet.type === type);
    await this.world.reach(() => find() !== undefined || this.isClosed);
    const found = find();
    if (found === undefined) throw new Error(`the connection was closed before packet ${type}`);
    return found;
  }

  /** The headers of all transactions that were proposed. */
  get proposed(): ProposedHeader[] {
    const { proposal } = QuorumPacketType;
    return this.heard
      .filter(({ type }) => type === proposal)
      .map(({ data }) => {
        const view = new DataView(data.buffer, data.byteOffset, data.length);
        return {
          session: view.getBigInt64(0),
          xid: view.getInt32(XID_AT),
          type: view.getInt32(TYPE_AT),
        };
      });
  }

  /** Goes through discovery and synchronisation as server `id`, until it is up to date. */
  static async join(world: EnsembleWorld, leader: TestMember, id = 3): Promise<QuorumVisitor> {
    const visitor = new QuorumVisitor(world, leader, introduction({ id }));
    const { zxid: epochZxid } = await visitor.hear(QuorumPacketType.leaderInfo);
    visitor.send(packets((writer) => writer.ackEpoch(0, 0)));
    await visitor.hear(QuorumPacketType.newLeader);
    visitor.send(packets((writer) => writer.ack(epochZxid)));
    await visitor.hear(QuorumPacketType.upToDate);
    visitor.send(packets((writer) => writer.ack(epochZxid)));
    return visitor;
  }

  /** Lets time pass as a learner that does its duty: it answers pings and acknowledges proposals. */
  async serve(ms: number): Promise<void> {
    const untilMs = this.world.world.virtualMs + ms;
    while (this.world.world.virtualMs < untilMs) {
      await this.world.pass(STEP_MS);
      const { heard } = this;
      for (const { type, zxid } of heard.slice(this.served)) this.answer(type, zxid);
      this.served = heard.length;
    }
  }

  private answer(type: number, zxid: number): void {
    if (type === QuorumPacketType.proposal) this.send(packets((writer) => writer.ack(zxid)));
    if (type !== QuorumPacketType.ping) return;
    const reply = packets((writer) => {
      writer.beginPingReply(zxid);
      writer.endPingReply();
    });
    this.send(reply);
  }

  private note({ type, zxid, bytes, dataStart, dataEnd }: QuorumPacket): boolean {
    this.log.push({ type, zxid, data: bytes.slice(dataStart, dataEnd) });
    this.isInSnapshot = type === QuorumPacketType.snap;
    return !this.isInSnapshot;
  }
}
