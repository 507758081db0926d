import { zxidEpoch, type ByteStream, type StreamHandler, type Zxid } from '@aviary/foundation';
import {
  LEARNER_PROTOCOL_VERSION,
  PeerWireError,
  QuorumPacketReader,
  QuorumPacketType,
  QuorumPacketWriter,
  quorumPacketTypeName,
  readAckEpoch,
  readLearnerInfo,
  type QuorumPacket,
  type QuorumPacketSink,
} from '@aviary/protocol';
import type { ConnectionId, LeaderPacket, LearnerPacket, LearnerRole } from '@aviary/zab';
import type { SharedPackets } from './shared-packets.js';

/** Packets of one turn are sent in parts of about this length. */
export const PART_BYTES = 256 * 1024;

/** What a link to a learner tells the leader. */
export interface LinkListener {
  /** A packet of Zab's, other than the answers to proposals and pings. */
  onZab(link: LearnerLink, packet: LearnerPacket): void;
  /** The learner has logged the proposal `zxid`. */
  onAck(link: LearnerLink, zxid: Zxid): void;
  /** The answer to a ping, with the sessions that the learner has heard of. */
  onPing(link: LearnerLink, packet: QuorumPacket): void;
  /** A write of a client of the learner, or a sync. */
  onRequest(link: LearnerLink, packet: QuorumPacket): void;
  onRevalidate(link: LearnerLink, packet: QuorumPacket): void;
  /** Everything that has come in one piece was told. */
  onTold(): void;
  /** What was queued has left. */
  onDrained(link: LearnerLink): void;
  /** The connection has ended, or has brought what is no packet. */
  onEnded(link: LearnerLink, reason: string): void;
}

/** The leader's end of the connection to one learner. */
export class LearnerLink implements StreamHandler, QuorumPacketSink {
  /** Whether proposals and commits go there as they come. */
  isLive = false;
  role: LearnerRole = 'follower';
  /** Of the learner, once it has said so. */
  serverId = -1;
  private readonly reader: QuorumPacketReader;
  private readonly writer = new QuorumPacketWriter();
  private isEnded = false;
  private shared: SharedPackets | null = null;
  /** Up to where it has handed over what is shared. */
  private sharedFrom = 0;

  constructor(
    readonly id: ConnectionId,
    readonly stream: ByteStream,
    dataBytesMax: number,
    /** When the connection was made. */
    readonly sinceMs: number,
    private readonly listener: LinkListener,
  ) {
    this.reader = new QuorumPacketReader(dataBytesMax);
  }

  /** Whether it has not said whose it is. */
  get isStranger(): boolean {
    return this.serverId < 0;
  }

  /** Who it is, for the log. */
  get name(): string {
    const { address, port } = this.stream.remote;
    return this.serverId < 0 ? `${address}:${port}` : `server ${this.serverId}`;
  }

  get queuedBytes(): number {
    const shared = this.shared === null ? 0 : this.shared.position - this.sharedFrom;
    return this.stream.queuedBytes + this.writer.output.position + shared;
  }

  // To the learner; leaves with the next flush:

  send(packet: LeaderPacket<never>, configuration: string): void {
    switch (packet.type) {
      case 'leaderInfo':
        return this.own.leaderInfo(packet.epoch);
      case 'newLeader':
        return this.own.newLeader(packet.epoch, configuration);
      case 'upToDate':
        return this.own.upToDate();
      case 'ping':
        return this.own.ping(packet.zxid);
      default:
        throw new Error(`${packet.type} is not for a leader to send by itself`);
    }
  }

  begin(how: 'diff' | 'trunc' | 'snap', zxid: Zxid): void {
    const { diff, trunc, snap } = QuorumPacketType;
    this.own.bare({ diff, trunc, snap }[how], zxid);
  }

  proposal(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    this.own.proposal(zxid, bytes, start, end);
    this.flushIfLong();
  }

  commit(zxid: Zxid): void {
    this.own.commit(zxid);
  }

  inform(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void {
    this.own.inform(zxid, bytes, start, end);
    this.flushIfLong();
  }

  syncAnswer(): void {
    this.own.sync();
  }

  revalidationReply(sessionHigh: number, sessionLow: number, isValid: boolean): void {
    this.own.revalidationReply(sessionHigh, sessionLow, isValid);
  }

  /** Bytes between packets: a piece of a snapshot. They are copied. */
  raw(bytes: Uint8Array): void {
    this.flush();
    const copy = bytes.slice();
    this.stream.write(copy);
  }

  flush(): void {
    const { output } = this.writer;
    if (output.position === 0) return this.flushShared();
    this.takeShared();
    const isTaken = this.stream.write(output.bytes, 0, output.position);
    if (!isTaken) output.bytes = new Uint8Array(output.bytes.length);
    output.clear();
  }

  /** From now on it gets what all followers get. */
  follow(shared: SharedPackets): void {
    this.shared = shared;
    this.sharedFrom = shared.position;
    this.isLive = true;
  }

  /** Whether it gets what all followers get, or got it until it ended. */
  get isFollowing(): boolean {
    return this.shared !== null;
  }

  /** What is shared begins anew, after a flush of this. */
  sharedCleared(): void {
    this.sharedFrom = 0;
  }

  private flushShared(): void {
    const { shared, sharedFrom } = this;
    if (shared === null || shared.position === sharedFrom) return;
    this.sharedFrom = shared.position;
    if (!this.stream.write(shared.bytes, sharedFrom, shared.position)) shared.lend();
  }

  /** For what goes to this learner alone: it comes behind what was shared so far. */
  private get own(): QuorumPacketWriter {
    this.takeShared();
    return this.writer;
  }

  private takeShared(): void {
    const { shared, sharedFrom, writer } = this;
    if (shared === null || shared.position === sharedFrom) return;
    this.sharedFrom = shared.position;
    writer.output.raw(shared.bytes.subarray(sharedFrom, shared.position));
  }

  /** Closes; the listener hears nothing more. */
  close(): void {
    this.isEnded = true;
    this.isLive = false;
    this.stream.destroy();
  }

  private flushIfLong(): void {
    if (this.writer.output.position > PART_BYTES) this.flush();
  }

  // From the stream:

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.isEnded) return;
    try {
      this.reader.push(bytes, start, end, this);
    } catch (error) {
      if (!(error instanceof PeerWireError)) throw error;
      this.ended(error.message);
      return;
    }
    this.told();
  }

  onDrained(): void {
    if (!this.isEnded) this.listener.onDrained(this);
  }

  onClosed(reason: Error | null): void {
    this.ended(reason?.message ?? 'it closed the connection');
  }

  private told(): void {
    if (!this.isEnded) this.listener.onTold();
  }

  private ended(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.listener.onEnded(this, reason);
  }

  onPacket(packet: QuorumPacket): boolean {
    const { listener } = this;
    this.refuseIfEarly(packet.type);
    switch (packet.type) {
      case QuorumPacketType.ack:
        listener.onAck(this, packet.zxid);
        break;
      case QuorumPacketType.ping:
        if (this.isLive) listener.onPing(this, packet);
        break;
      case QuorumPacketType.request:
        listener.onRequest(this, packet);
        break;
      case QuorumPacketType.revalidate:
        listener.onRevalidate(this, packet);
        break;
      case QuorumPacketType.ackEpoch: {
        const currentEpoch = readAckEpoch(packet);
        listener.onZab(this, { type: 'ackEpoch', currentEpoch, lastZxid: packet.zxid });
        break;
      }
      case QuorumPacketType.followerInfo:
      case QuorumPacketType.observerInfo:
        this.introduced(packet);
        break;
      default:
        // As ZooKeeper: what nobody knows is passed over.
        break;
    }
    return !this.isEnded;
  }

  /** Who has not said who it is brings nothing, and nobody acts for clients before it may serve any. */
  private refuseIfEarly(type: number): void {
    if (this.isLive) return;
    const { followerInfo, observerInfo, request, revalidate } = QuorumPacketType;
    if (type === followerInfo || type === observerInfo) return;
    if (this.isStranger || type === request || type === revalidate) {
      throw new PeerWireError(`packet ${quorumPacketTypeName(type)} comes too early`);
    }
  }

  private introduced(packet: QuorumPacket): void {
    const { configVersion, protocolVersion, serverId: sid } = readLearnerInfo(packet);
    if (sid < 0) throw new PeerWireError(`it says that it is server ${sid}: ids begin at 0`);
    if (protocolVersion < LEARNER_PROTOCOL_VERSION) {
      throw new PeerWireError('it is of before ZooKeeper 3.4, and agrees to no epoch');
    }
    const isFollower = packet.type === QuorumPacketType.followerInfo;
    this.serverId = sid;
    this.role = isFollower ? 'follower' : 'observer';
    const type = isFollower ? 'followerInfo' : 'observerInfo';
    const acceptedEpoch = zxidEpoch(packet.zxid);
    this.listener.onZab(this, { type, sid, acceptedEpoch, configVersion });
  }
}
