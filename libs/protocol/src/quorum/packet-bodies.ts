import { readInt32, type Zxid } from '@aviary/foundation';
import { JuteError, JuteReader, decodeUtf8, nullableVector } from '@aviary/jute';
import { id, type Id } from '../acl.js';
import type { QuorumPacket } from './packet-reader.js';
import { quorumPacketTypeName } from './packet-types.js';
import { PeerWireError } from './peer-wire-error.js';
import { readServerId, readZxid } from './wide-integers.js';

/** Of servers that do not say: they are older than the handshake over epochs. LearnerHandler. */
const PROTOCOL_VERSION_UNSAID = 1;

const TOUCH_BYTES = 12;
const REQUEST_HEAD_BYTES = 16;

/** The codec of QuorumPacket.authinfo. */
export const authinfo = nullableVector(id);

/** `zookeeper.jute`, module org.apache.zookeeper.server.quorum, class LearnerInfo. */
export interface LearnerInfo {
  readonly serverId: number;
  readonly protocolVersion: number;
  /** Of the ensemble configuration that the learner has; 0 of those that do not say. */
  readonly configVersion: Zxid;
}

/**
 * Data of FOLLOWERINFO and OBSERVERINFO. Servers before 3.4 send the id alone, those before 3.5 no
 * version of the configuration.
 *
 * @throws {PeerWireError} The data is null or too short, or a number is out of range.
 */
export function readLearnerInfo(packet: QuorumPacket): LearnerInfo {
  const length = dataOfAtLeast(packet, 8);
  const { bytes, dataStart } = packet;
  return {
    serverId: readServerId(bytes, dataStart),
    protocolVersion: length < 12 ? PROTOCOL_VERSION_UNSAID : readInt32(bytes, dataStart + 8),
    configVersion: length < 20 ? 0 : readZxid(bytes, dataStart + 12),
  };
}

/**
 * Data of LEADERINFO: the leader's protocol version. The proposed epoch is that of the zxid.
 *
 * @throws {PeerWireError}
 */
export function readLeaderInfo(packet: QuorumPacket): number {
  dataOfAtLeast(packet, 4);
  return readInt32(packet.bytes, packet.dataStart);
}

/**
 * Data of ACKEPOCH: the learner's current epoch; -1 if it had accepted the proposed one before, and
 * so does not count for it.
 *
 * @throws {PeerWireError}
 */
export function readAckEpoch(packet: QuorumPacket): number {
  dataOfAtLeast(packet, 4);
  return readInt32(packet.bytes, packet.dataStart);
}

/**
 * Data of NEWLEADER: the text of the leader's last seen ensemble configuration; null from leaders
 * before 3.4.
 *
 * @throws {PeerWireError} The text is not UTF-8.
 */
export function readNewLeader(packet: QuorumPacket): string | null {
  if (packet.isDataNull) return null;
  return orPeerFault(packet, () => decodeUtf8(packet.bytes, packet.dataStart, packet.dataEnd));
}

/** Takes a session that a learner heard of, its id in two halves, and its timeout. */
export type TouchVisitor = (sessionHigh: number, sessionLow: number, timeoutMs: number) => void;

/**
 * Data of a learner's PING: the sessions that it has heard of since the last one.
 *
 * @throws {PeerWireError} The data does not end with a session; those before were visited.
 */
export function forEachTouch(packet: QuorumPacket, visit: TouchVisitor): void {
  const { bytes, dataStart, dataEnd } = packet;
  let at = dataStart;
  for (; at + TOUCH_BYTES <= dataEnd; at += TOUCH_BYTES) {
    visit(readInt32(bytes, at), readInt32(bytes, at + 4), readInt32(bytes, at + 8));
  }
  if (at < dataEnd) refuseData(packet, `a session takes ${TOUCH_BYTES} bytes`);
}

/** A session whose client has come to a learner. */
export interface RevalidationRequest {
  readonly sessionHigh: number;
  readonly sessionLow: number;
  readonly timeoutMs: number;
}

/**
 * Data of REVALIDATE to the leader.
 *
 * @throws {PeerWireError}
 */
export function readRevalidationRequest(packet: QuorumPacket): RevalidationRequest {
  dataOfAtLeast(packet, 12);
  const { bytes, dataStart } = packet;
  return {
    sessionHigh: readInt32(bytes, dataStart),
    sessionLow: readInt32(bytes, dataStart + 4),
    timeoutMs: readInt32(bytes, dataStart + 8),
  };
}

/** Whether the leader still has a session. */
export interface RevalidationReply {
  readonly sessionHigh: number;
  readonly sessionLow: number;
  readonly isValid: boolean;
}

/**
 * Data of REVALIDATE from the leader.
 *
 * @throws {PeerWireError}
 */
export function readRevalidationReply(packet: QuorumPacket): RevalidationReply {
  dataOfAtLeast(packet, 9);
  const { bytes, dataStart } = packet;
  return {
    sessionHigh: readInt32(bytes, dataStart),
    sessionLow: readInt32(bytes, dataStart + 4),
    isValid: bytes[dataStart + 8] !== 0,
  };
}

/** A client's write, on its way to the leader. */
export interface ForwardedRequest {
  readonly sessionHigh: number;
  readonly sessionLow: number;
  readonly cxid: number;
  /** An OpCode. */
  readonly type: number;
  /** The record without its header is `packet.bytes[bodyStart..bodyEnd)`. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

/**
 * Data of REQUEST. Who asks is for {@link readAuthinfo} to say; null stands for the system itself, as
 * when a session begins.
 *
 * @throws {PeerWireError}
 */
export function readRequest(packet: QuorumPacket): ForwardedRequest {
  dataOfAtLeast(packet, REQUEST_HEAD_BYTES);
  const { bytes, dataStart, dataEnd } = packet;
  return {
    sessionHigh: readInt32(bytes, dataStart),
    sessionLow: readInt32(bytes, dataStart + 4),
    cxid: readInt32(bytes, dataStart + 8),
    type: readInt32(bytes, dataStart + 12),
    bodyStart: dataStart + REQUEST_HEAD_BYTES,
    bodyEnd: dataEnd,
  };
}

/**
 * The ids that a packet carries; null in all but requests of clients.
 *
 * @throws {PeerWireError} A string is null or not UTF-8.
 */
export function readAuthinfo(packet: QuorumPacket): readonly Id[] | null {
  const { bytes, dataEnd, end } = packet;
  return orPeerFault(packet, () => authinfo.read(new JuteReader(bytes, dataEnd, end)));
}

/** What COMMITANDACTIVATE and INFORMANDACTIVATE say of who shall lead. */
export interface Activation {
  /** Who leads the ensemble in its new configuration. */
  readonly designatedLeader: number;
  /** The transaction of INFORMANDACTIVATE is `packet.bytes[txnStart..txnEnd)`; else empty. */
  readonly txnStart: number;
  readonly txnEnd: number;
}

/**
 * Data of COMMITANDACTIVATE and INFORMANDACTIVATE.
 *
 * @throws {PeerWireError}
 */
export function readActivation(packet: QuorumPacket): Activation {
  dataOfAtLeast(packet, 8);
  return {
    designatedLeader: readServerId(packet.bytes, packet.dataStart),
    txnStart: packet.dataStart + 8,
    txnEnd: packet.dataEnd,
  };
}

/** Returns the length of the data. */
function dataOfAtLeast(packet: QuorumPacket, bytesMin: number): number {
  const length = packet.dataEnd - packet.dataStart;
  if (length < bytesMin) refuseData(packet, `at least ${bytesMin} are needed`);
  return length;
}

function refuseData(packet: QuorumPacket, why: string): never {
  const length = packet.dataEnd - packet.dataStart;
  const what = packet.isDataNull ? 'no data' : `${length} bytes of data`;
  throw new PeerWireError(`packet ${quorumPacketTypeName(packet.type)} has ${what}: ${why}`);
}

function orPeerFault<T>(packet: QuorumPacket, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof JuteError)) throw error;
    throw new PeerWireError(`packet ${quorumPacketTypeName(packet.type)}: ${error.message}`);
  }
}
