import {
  formatZxid,
  readInt32,
  zxidEpoch,
  type ByteStream,
  type StreamHandler,
  type Zxid,
} from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import {
  LEARNER_PROTOCOL_VERSION,
  PeerWireError,
  QuorumPacketReader,
  QuorumPacketType,
  QuorumPacketWriter,
  TXN_HEADER_BYTES,
  quorumPacketTypeName,
  readRevalidationReply,
  type LearnerInfo,
  type QuorumPacket,
  type QuorumPacketSink,
} from '@aviary/protocol';
import type { SnapshotBodySink } from '@aviary/storage';
import type { LeaderPacket, LearnerPacket } from '@aviary/zab';
import { SnapshotStream } from './snapshot-stream.js';

/** Where the zxid stands in the header of a transaction. */
const ZXID_AT = 12;
const COUNTER_RANGE = 2 ** 32;

/** What the connection to the leader tells the learner. */
export interface LeaderLinkListener {
  /** A packet of Zab's; the bytes of a transaction are a copy. */
  onZab(packet: LeaderPacket<Uint8Array>): void;
  /** The hot path, once live: a proposal, or a transaction that is committed already. */
  onProposal(zxid: Zxid, bytes: Uint8Array, start: number, end: number): void;
  onCommit(zxid: Zxid): void;
  onPing(zxid: Zxid): void;
  onSync(): void;
  onRevalidated(high: number, low: number, isValid: boolean): void;
  /** A snapshot follows: where it goes. */
  openSnapshot(): SnapshotBodySink;
  onSnapshot(): void;
  /** What came is no snapshot; the connection is closed. */
  onSnapshotRefused(problem: string): void;
  onSnapshotPiece(): void;
  /** Everything that has come in one piece was told. */
  onTold(): void;
  onEnded(reason: string): void;
}

/** A learner's end of the connection to its leader. */
export class LeaderLink implements StreamHandler, QuorumPacketSink {
  /** Whether proposals and commits take the hot path. */
  isLive = false;
  readonly writer = new QuorumPacketWriter();
  private readonly reader: QuorumPacketReader;
  private snapshot: SnapshotStream | null = null;
  private isEnded = false;

  constructor(
    readonly stream: ByteStream,
    private readonly dataBytesMax: number,
    private readonly listener: LeaderLinkListener,
  ) {
    this.reader = new QuorumPacketReader(dataBytesMax);
  }

  send(packet: LearnerPacket): void {
    switch (packet.type) {
      case 'followerInfo':
        return this.writer.followerInfo(packet.acceptedEpoch, infoOf(packet));
      case 'observerInfo':
        return this.writer.observerInfo(packet.acceptedEpoch, infoOf(packet));
      case 'ackEpoch':
        return this.writer.ackEpoch(packet.lastZxid, packet.currentEpoch);
      case 'ack':
        return this.writer.ack(packet.zxid);
      case 'ping':
        this.writer.beginPingReply(packet.zxid);
        return this.writer.endPingReply();
    }
  }

  flush(): void {
    const { output } = this.writer;
    if (output.position === 0 || this.isEnded) return;
    const isTaken = this.stream.write(output.bytes, 0, output.position);
    if (!isTaken) output.bytes = new Uint8Array(output.bytes.length);
    output.clear();
  }

  close(): void {
    this.isEnded = true;
    this.stream.destroy();
  }

  // From the stream:

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    try {
      while (at < end && !this.isEnded) at = this.take(bytes, at, end);
    } catch (error) {
      if (!(error instanceof PeerWireError || error instanceof JuteError)) throw error;
      if (this.snapshot === null) this.ended(error.message);
      else this.refuseSnapshot(error.message);
      return;
    }
    if (!this.isEnded) this.listener.onTold();
  }

  private take(bytes: Uint8Array, start: number, end: number): number {
    const { snapshot } = this;
    if (snapshot === null) {
      this.reader.push(bytes, start, end, this);
      return this.reader.stoppedAt;
    }
    const at = snapshot.push(bytes, start, end);
    if (!snapshot.isDone) {
      this.listener.onSnapshotPiece();
      return at;
    }
    this.snapshot = null;
    this.listener.onSnapshot();
    return at;
  }

  onDrained(): void {
    // What goes to a leader is small, and limited by what clients may have outstanding.
  }

  onClosed(reason: Error | null): void {
    this.ended(reason?.message ?? 'the leader closed the connection');
  }

  private refuseSnapshot(problem: string): void {
    this.close();
    this.listener.onSnapshotRefused(problem);
  }

  private ended(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.listener.onEnded(reason);
  }

  onPacket(packet: QuorumPacket): boolean {
    const { bytes, dataEnd, dataStart, zxid } = packet;
    const { listener } = this;
    switch (packet.type) {
      case QuorumPacketType.proposal:
      case QuorumPacketType.inform:
        refuseIfOther(packet);
        if (this.isLive) listener.onProposal(zxid, bytes, dataStart, dataEnd);
        else {
          const type = packet.type === QuorumPacketType.proposal ? 'proposal' : 'inform';
          listener.onZab({ type, zxid, transaction: bytes.slice(dataStart, dataEnd) });
        }
        break;
      case QuorumPacketType.commit:
      case QuorumPacketType.commitAndActivate:
        if (this.isLive) listener.onCommit(zxid);
        else listener.onZab({ type: 'commit', zxid });
        break;
      case QuorumPacketType.ping:
        listener.onPing(zxid);
        break;
      case QuorumPacketType.sync:
        listener.onSync();
        break;
      case QuorumPacketType.revalidate: {
        const { isValid, sessionHigh, sessionLow } = readRevalidationReply(packet);
        listener.onRevalidated(sessionHigh, sessionLow, isValid);
        break;
      }
      default:
        this.onRare(packet);
    }
    return !this.isEnded && this.snapshot === null;
  }

  private onRare({ type, zxid }: QuorumPacket): void {
    const { listener } = this;
    switch (type) {
      case QuorumPacketType.leaderInfo:
        return listener.onZab({ type: 'leaderInfo', epoch: zxidEpoch(zxid) });
      case QuorumPacketType.diff:
        return listener.onZab({ type: 'diff', zxid });
      case QuorumPacketType.trunc:
        return listener.onZab({ type: 'trunc', zxid });
      case QuorumPacketType.snap:
        listener.onZab({ type: 'snap', zxid });
        if (this.isEnded) return;
        this.snapshot = new SnapshotStream(listener.openSnapshot(), this.dataBytesMax);
        return;
      case QuorumPacketType.newLeader:
        return listener.onZab({ type: 'newLeader', epoch: zxidEpoch(zxid) });
      case QuorumPacketType.upToDate:
        return listener.onZab({ type: 'upToDate' });
      default:
        // As ZooKeeper: what nobody knows is passed over.
        return;
    }
  }
}

/** A log in which transactions had other zxids than they say could not be replayed. */
function refuseIfOther({ bytes, dataStart, dataEnd, type, zxid }: QuorumPacket): void {
  const isWhole = dataEnd - dataStart >= TXN_HEADER_BYTES;
  const at = dataStart + ZXID_AT;
  if (isWhole && zxidIn(bytes, at) === zxid) return;
  throw new PeerWireError(
    `packet ${quorumPacketTypeName(type)} of 0x${formatZxid(zxid)} has another transaction`,
  );
}

/** As it stands there, however large. */
function zxidIn(bytes: Uint8Array, at: number): number {
  return (readInt32(bytes, at) >>> 0) * COUNTER_RANGE + (readInt32(bytes, at + 4) >>> 0);
}

function infoOf(packet: { readonly sid: number; readonly configVersion: Zxid }): LearnerInfo {
  const { configVersion, sid: serverId } = packet;
  return { serverId, protocolVersion: LEARNER_PROTOCOL_VERSION, configVersion };
}
