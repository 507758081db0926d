import {
  NotificationReader,
  InitialMessageReader,
  PeerState,
  QuorumPacketReader,
  QuorumPacketType,
  QuorumPacketWriter,
  PACKET_DATA_BYTES_MAX_DEFAULT,
  SNAPSHOT_STREAM_SIGNATURE,
  forEachTouch,
  initialMessage,
  notificationFrame,
  readAckEpoch,
  readActivation,
  readLearnerInfo,
  readNewLeader,
  readAuthinfo,
  readRequest,
  readRevalidationReply,
  readRevalidationRequest,
  type InitialMessage,
  type NotificationMessage,
  type QuorumPacket,
} from '@aviary/protocol';
import type { RecordedStream } from '../../../test/golden/wire/streams.js';

/** What takes a stream in chunks, and writes anew whatever it understands of it. */
export interface RoundTrip {
  push(chunk: Uint8Array, start: number, end: number): void;
  /** One entry for each message or packet, in short and as it is written anew. */
  readonly messages: readonly { readonly said: string; readonly anew: Uint8Array }[];
  /** Bytes that have come and belong to nothing whole. */
  readonly heldBytes: number;
}

function signature(): Buffer {
  const bytes = Buffer.from(SNAPSHOT_STREAM_SIGNATURE);
  return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
}

/** Writes the packet from what our functions read of its body. */
export function packetAnew(packet: QuorumPacket, isFromLeader: boolean): Uint8Array {
  const writer = new QuorumPacketWriter();
  write(writer, packet, isFromLeader);
  return writer.output.take();
}

function write(writer: QuorumPacketWriter, packet: QuorumPacket, isFromLeader: boolean): void {
  const { type, zxid, bytes, dataStart, dataEnd } = packet;
  const epoch = Math.floor(zxid / 2 ** 32);
  switch (type) {
    case QuorumPacketType.ack:
      return writer.ack(zxid);
    case QuorumPacketType.commit:
      return writer.commit(zxid);
    case QuorumPacketType.upToDate:
      return writer.upToDate();
    case QuorumPacketType.sync:
      return writer.sync();
    case QuorumPacketType.diff:
    case QuorumPacketType.trunc:
    case QuorumPacketType.snap:
      return writer.bare(type, zxid);
    case QuorumPacketType.proposal:
      return writer.proposal(zxid, bytes, dataStart, dataEnd);
    case QuorumPacketType.inform:
      return writer.inform(zxid, bytes, dataStart, dataEnd);
    case QuorumPacketType.commitAndActivate:
      return writer.commitAndActivate(zxid, readActivation(packet).designatedLeader);
    case QuorumPacketType.informAndActivate: {
      const { designatedLeader, txnStart, txnEnd } = readActivation(packet);
      return writer.informAndActivate(zxid, designatedLeader, bytes, txnStart, txnEnd);
    }
    case QuorumPacketType.followerInfo:
      return writer.followerInfo(epoch, readLearnerInfo(packet));
    case QuorumPacketType.observerInfo:
      return writer.observerInfo(epoch, readLearnerInfo(packet));
    case QuorumPacketType.leaderInfo:
      return writer.leaderInfo(epoch);
    case QuorumPacketType.ackEpoch:
      return writer.ackEpoch(zxid, readAckEpoch(packet));
    case QuorumPacketType.newLeader:
      return writer.newLeader(epoch, readNewLeader(packet)!);
    case QuorumPacketType.ping:
      return writePing(writer, packet);
    case QuorumPacketType.revalidate:
      return writeRevalidate(writer, packet, isFromLeader);
    case QuorumPacketType.request:
      return writeRequest(writer, packet);
    default:
      throw new Error(`no server sends type ${type}`);
  }
}

function writePing(writer: QuorumPacketWriter, packet: QuorumPacket): void {
  if (packet.isDataNull) {
    writer.ping(packet.zxid);
    return;
  }
  writer.beginPingReply(packet.zxid);
  forEachTouch(packet, (high, low, timeoutMs) => writer.touch(high, low, timeoutMs));
  writer.endPingReply();
}

function writeRevalidate(
  writer: QuorumPacketWriter,
  packet: QuorumPacket,
  isFromLeader: boolean,
): void {
  if (isFromLeader) {
    const { sessionHigh, sessionLow, isValid } = readRevalidationReply(packet);
    writer.revalidationReply(sessionHigh, sessionLow, isValid);
  } else {
    const { sessionHigh, sessionLow, timeoutMs } = readRevalidationRequest(packet);
    writer.revalidationRequest(sessionHigh, sessionLow, timeoutMs);
  }
}

function writeRequest(writer: QuorumPacketWriter, packet: QuorumPacket): void {
  const { sessionHigh, sessionLow, cxid, type, bodyStart, bodyEnd } = readRequest(packet);
  const who = readAuthinfo(packet);
  writer.request(sessionHigh, sessionLow, cxid, type, who, packet.bytes, bodyStart, bodyEnd);
}

/** A learner's or a leader's ear, which lets a snapshot pass by until its signature. */
class PacketTrip implements RoundTrip {
  readonly messages: { said: string; anew: Uint8Array }[] = [];
  private readonly reader = new QuorumPacketReader(PACKET_DATA_BYTES_MAX_DEFAULT);
  private snapshot: Buffer | null = null;

  constructor(private readonly isFromLeader: boolean) {}

  get heldBytes(): number {
    return this.reader.heldBytes + (this.snapshot?.length ?? 0);
  }

  push(chunk: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.snapshot === null) {
        this.reader.push(chunk, at, end, this);
        at = this.reader.stoppedAt;
      } else {
        at = this.passSnapshot(this.snapshot, chunk, at, end);
      }
    }
  }

  onPacket(packet: QuorumPacket): boolean {
    const anew = packetAnew(packet, this.isFromLeader);
    this.messages.push({ said: `${packet.type} ${packet.zxid}`, anew });
    if (packet.type !== QuorumPacketType.snap) return true;
    this.snapshot = Buffer.alloc(0);
    return false;
  }

  /** Good for recordings only: in a snapshot of strangers the signature could be somebody's data. */
  private passSnapshot(before: Buffer, chunk: Uint8Array, start: number, end: number): number {
    const all = Buffer.concat([before, chunk.subarray(start, end)]);
    const at = all.indexOf(signature());
    if (at < 0) {
      this.snapshot = all;
      return end;
    }
    const length = at + signature().length;
    this.messages.push({ said: 'snapshot', anew: all.subarray(0, length) });
    this.snapshot = null;
    return start + length - before.length;
  }
}

class ElectionTrip implements RoundTrip {
  readonly messages: { said: string; anew: Uint8Array }[] = [];
  private readonly notifications = new NotificationReader(this);
  private initial: InitialMessageReader | null;
  private pushed = 0;
  private whole = 0;

  constructor(isFromConnector: boolean) {
    this.initial = isFromConnector ? new InitialMessageReader() : null;
  }

  get heldBytes(): number {
    return this.pushed - this.whole;
  }

  push(chunk: Uint8Array, start: number, end: number): void {
    this.pushed += end - start;
    let at = start;
    if (this.initial !== null) {
      const message = this.initial.push(chunk, at, end);
      at = this.initial.stoppedAt;
      if (message === null) return;
      this.initial = null;
      this.keep(`initial ${message.serverId}`, initialAnew(message));
    }
    this.notifications.push(chunk, at, end);
  }

  onNotification(notification: NotificationMessage): void {
    const { config, leader, state } = notification;
    const bytes = notificationFrame({ ...notification, config: config! });
    const name = Object.entries(PeerState).find(([, value]) => value === state)![0];
    this.keep(`notification ${name} ${leader}`, bytes);
  }

  onIgnored(reason: string): void {
    throw new Error(reason);
  }

  private keep(said: string, bytes: Uint8Array): void {
    this.whole += bytes.length;
    this.messages.push({ said, anew: bytes });
  }
}

function initialAnew({ serverId, addresses }: InitialMessage): Uint8Array {
  return initialMessage(serverId!, addresses, addresses.length > 1);
}

/** What reads and writes anew the messages of `stream`. */
export function roundTripOf(stream: RecordedStream): RoundTrip {
  if (stream.port === 'election') return new ElectionTrip(stream.isFromConnector);
  return new PacketTrip(!isLearner(stream));
}

/** Learners open connections; the recorder cannot know whose the older ones are. */
function isLearner({ isFromConnector, from }: RecordedStream): boolean {
  return isFromConnector || from === '?';
}
