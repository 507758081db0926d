import { assert, readInt32, writeInt32 } from '@aviary/foundation';
import { FrameReader, type FrameSink } from '../frame-reader.js';
import { PeerWireError } from './peer-wire-error.js';
import { INT64_MIN, readInt64, writeInt64 } from './wide-integers.js';

/** What a server of an ensemble is doing. QuorumPeer.ServerState. */
export const PeerState = {
  looking: 0,
  following: 1,
  leading: 2,
  observing: 3,
} as const;
export type PeerState = (typeof PeerState)[keyof typeof PeerState];

/**
 * Stands for zxid and epoch in an observer's own vote: Long.MIN_VALUE, below all others and exact
 * as a number.
 */
export const NO_VOTE = INT64_MIN;

/** A vote in an election, or its outcome. FastLeaderElection.Notification. */
export interface NotificationMessage {
  /** Of the sender. */
  readonly state: PeerState;
  /**
   * Whom the sender votes for or has as its leader; null: it does not vote, because it is an
   * observer, or because its configuration does not name it. The latter says its zxid and epoch.
   */
  readonly leader: number | null;
  /** The last zxid of `leader`; -1 or {@link NO_VOTE} stand for none. */
  readonly zxid: number;
  /** The sender's round of election. */
  readonly electionEpoch: number;
  /** The epoch that `leader` has seen; -1 or {@link NO_VOTE} stand for none. */
  readonly peerEpoch: number;
  /** Of the message: 0 before 3.4.6, 1 before 3.5, now 2. */
  readonly version: number;
  /** The sender's ensemble configuration, as it stands; null before version 2. */
  readonly config: string | null;
}

/** What a {@link NotificationReader} hands messages to. */
export interface NotificationSink {
  onNotification(notification: NotificationMessage): void;
  /** A message came that makes no sense. ZooKeeper passes over it, and goes on with the next. */
  onIgnored(reason: string): void;
}

/** The longest message on an election connection, in bytes. QuorumCnxManager.PACKETMAXSIZE. */
export const ELECTION_MESSAGE_BYTES_MAX = 512 * 1024;

const LENGTH_BYTES = 4;
/** Up to the election epoch; servers before 3.4 stop here. */
const ANCIENT_BYTES = 28;
/** Up to the version, which is not read where the message ends with it; then it counts as 0. */
const VERSION_END_BYTES = 40;
const HEAD_BYTES = 44;
const VERSION = 2;

const utf8 = new TextEncoder();
/** Tolerant: the vote counts even if the configuration beside it cannot be read. */
const tolerantUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The message with its length in front, as servers since 3.5 send it. */
export function notificationFrame(
  notification: Omit<NotificationMessage, 'version' | 'config'> & { readonly config: string },
): Uint8Array {
  const config = utf8.encode(notification.config);
  const length = HEAD_BYTES + config.length;
  assert(length <= ELECTION_MESSAGE_BYTES_MAX, 'an ensemble configuration fits into a message');
  const bytes = new Uint8Array(LENGTH_BYTES + length);
  writeInt32(bytes, 0, length);
  writeInt32(bytes, 4, notification.state);
  writeInt64(bytes, 8, notification.leader ?? NO_VOTE);
  writeInt64(bytes, 16, notification.zxid);
  writeInt64(bytes, 24, notification.electionEpoch);
  writeInt64(bytes, 32, notification.peerEpoch);
  writeInt32(bytes, 40, VERSION);
  writeInt32(bytes, 44, config.length);
  bytes.set(config, LENGTH_BYTES + HEAD_BYTES);
  return bytes;
}

/**
 * Reads the message in `bytes[start..end)`, without its length. Its form follows from its length, as
 * in FastLeaderElection.Messenger.WorkerReceiver.
 *
 * @throws {PeerWireError} It makes no sense, or has a number that this server cannot hold.
 */
export function readNotification(
  bytes: Uint8Array,
  start: number,
  end: number,
): NotificationMessage {
  const length = end - start;
  if (length < ANCIENT_BYTES)
    refuse(`it has ${length} bytes, at least ${ANCIENT_BYTES} are needed`);
  if (length !== ANCIENT_BYTES && length < VERSION_END_BYTES)
    refuse(`it ends after ${length} bytes`);
  const leader = numberAt(bytes, start + 4, 'leader');
  const zxid = numberAt(bytes, start + 12, 'zxid');
  const version =
    length === ANCIENT_BYTES || length === VERSION_END_BYTES ? 0 : readInt32(bytes, start + 36);
  return {
    state: stateAt(bytes, start),
    leader: leader === NO_VOTE ? null : leader,
    zxid,
    electionEpoch: numberAt(bytes, start + 20, 'electionEpoch'),
    peerEpoch:
      length === ANCIENT_BYTES
        ? Math.floor(zxid / 0x1_0000_0000)
        : numberAt(bytes, start + 28, 'peerEpoch'),
    version,
    config: version > 1 ? configAt(bytes, start + 40, end) : null,
  };
}

function stateAt(bytes: Uint8Array, at: number): PeerState {
  const state = readInt32(bytes, at);
  if (state < PeerState.looking || state > PeerState.observing) refuse(`its state is ${state}`);
  return state as PeerState;
}

function numberAt(bytes: Uint8Array, at: number, field: string): number {
  const value = readInt64(bytes, at);
  if (Number.isSafeInteger(value) || value === INT64_MIN) return value;
  return refuse(`its ${field} ${value} is beyond what this server counts to`);
}

function configAt(bytes: Uint8Array, at: number, end: number): string {
  const length = end - at < 4 ? -1 : readInt32(bytes, at);
  if (length < 0 || length > end - at - 4) refuse('its configuration is cut off');
  return tolerantUtf8.decode(bytes.subarray(at + 4, at + 4 + length));
}

function refuse(why: string): never {
  throw new PeerWireError(`notification is passed over: ${why}`);
}

/** Cuts what follows the initial message of an election connection into notifications. */
export class NotificationReader {
  private readonly frames = new FrameReader(ELECTION_MESSAGE_BYTES_MAX);
  private readonly frameSink: FrameSink = {
    onFrame: (bytes, start, end) => this.take(bytes, start, end),
  };

  constructor(private readonly sink: NotificationSink) {}

  /**
   * Takes `chunk[start..end)` and hands over every message that it completes, in order.
   *
   * @throws {PeerWireError} A message has no length that is allowed: close the connection.
   */
  push(chunk: Uint8Array, start: number, end: number): void {
    const fault = this.frames.push(chunk, start, end, this.frameSink);
    if (fault !== null) refuseLength(fault.announcedBytes);
  }

  private take(bytes: Uint8Array, start: number, end: number): boolean {
    if (start === end) refuseLength(0);
    let notification: NotificationMessage;
    try {
      notification = readNotification(bytes, start, end);
    } catch (error) {
      if (!(error instanceof PeerWireError)) throw error;
      this.sink.onIgnored(error.message);
      return true;
    }
    this.sink.onNotification(notification);
    return true;
  }
}

function refuseLength(length: number): never {
  throw new PeerWireError(
    `message of ${length} bytes in an election: 1 to ${ELECTION_MESSAGE_BYTES_MAX} are allowed`,
  );
}
