import { assert, copyBytes, writeInt32, zxidOf, type Zxid } from '@aviary/foundation';
import { JuteWriter } from '@aviary/jute';
import type { Id } from '../acl.js';
import { authinfo, type LearnerInfo } from './packet-bodies.js';
import type { QuorumPacket } from './packet-reader.js';
import { LEARNER_PROTOCOL_VERSION, QuorumPacketType } from './packet-types.js';
import { writeInt64 } from './wide-integers.js';

const HEAD_BYTES = 16;
const NULL = -1;
/** The zxid of packets that are about none. */
const NO_ZXID = -1;
const NO_TOUCHES = -1;

const utf8 = new TextEncoder();

/**
 * Appends packets to a buffer that is used again: `zookeeper.jute`, class QuorumPacket. No object is
 * made for any packet.
 *
 * Epochs, zxids and ids of servers are trusted: the types say what they are.
 */
export class QuorumPacketWriter {
  private touchesAt = NO_TOUCHES;

  /** @param output Holds what was appended until its owner has sent and cleared it. */
  constructor(readonly output = new JuteWriter()) {}

  /** A packet of nothing but a zxid: DIFF, TRUNC, SNAP, and the types that have a method below. */
  bare(type: QuorumPacketType, zxid: Zxid): void {
    this.begin(type, zxid, NULL);
  }

  /** ACK, of a logged proposal or of NEWLEADER. */
  ack(zxid: Zxid): void {
    this.begin(QuorumPacketType.ack, zxid, NULL);
  }

  /** COMMIT. */
  commit(zxid: Zxid): void {
    this.begin(QuorumPacketType.commit, zxid, NULL);
  }

  /** PING of a leader. */
  ping(lastProposed: Zxid): void {
    this.begin(QuorumPacketType.ping, lastProposed, NULL);
  }

  /** UPTODATE. */
  upToDate(): void {
    this.begin(QuorumPacketType.upToDate, NO_ZXID, NULL);
  }

  /** SYNC, the answer to a REQUEST of type sync. */
  sync(): void {
    this.begin(QuorumPacketType.sync, 0, NULL);
  }

  /** PROPOSAL of the transaction `txn[start..end)`: header, record, digest. */
  proposal(zxid: Zxid, txn: Uint8Array, start = 0, end = txn.length): void {
    const at = this.begin(QuorumPacketType.proposal, zxid, end - start);
    copyBytes(txn, start, this.output.bytes, at, end - start);
  }

  /** INFORM of the transaction `txn[start..end)`. */
  inform(zxid: Zxid, txn: Uint8Array, start = 0, end = txn.length): void {
    const at = this.begin(QuorumPacketType.inform, zxid, end - start);
    copyBytes(txn, start, this.output.bytes, at, end - start);
  }

  /** COMMITANDACTIVATE. */
  commitAndActivate(zxid: Zxid, designatedLeader: number): void {
    const at = this.begin(QuorumPacketType.commitAndActivate, zxid, 8);
    writeInt64(this.output.bytes, at, designatedLeader);
  }

  /** INFORMANDACTIVATE of the transaction `txn[start..end)`. */
  informAndActivate(
    zxid: Zxid,
    designatedLeader: number,
    txn: Uint8Array,
    start = 0,
    end = txn.length,
  ): void {
    const at = this.begin(QuorumPacketType.informAndActivate, zxid, 8 + end - start);
    writeInt64(this.output.bytes, at, designatedLeader);
    copyBytes(txn, start, this.output.bytes, at + 8, end - start);
  }

  /** FOLLOWERINFO. */
  followerInfo(acceptedEpoch: number, info: LearnerInfo): void {
    this.learnerInfo(QuorumPacketType.followerInfo, acceptedEpoch, info);
  }

  /** OBSERVERINFO. */
  observerInfo(acceptedEpoch: number, info: LearnerInfo): void {
    this.learnerInfo(QuorumPacketType.observerInfo, acceptedEpoch, info);
  }

  private learnerInfo(type: QuorumPacketType, acceptedEpoch: number, info: LearnerInfo): void {
    const at = this.begin(type, zxidOf(acceptedEpoch, 0), 20);
    const { bytes } = this.output;
    writeInt64(bytes, at, info.serverId);
    writeInt32(bytes, at + 8, info.protocolVersion);
    writeInt64(bytes, at + 12, info.configVersion);
  }

  /** LEADERINFO. */
  leaderInfo(proposedEpoch: number): void {
    const at = this.begin(QuorumPacketType.leaderInfo, zxidOf(proposedEpoch, 0), 4);
    writeInt32(this.output.bytes, at, LEARNER_PROTOCOL_VERSION);
  }

  /** ACKEPOCH; `currentEpoch` is -1 if the proposed epoch had been accepted before. */
  ackEpoch(lastLogged: Zxid, currentEpoch: number): void {
    const at = this.begin(QuorumPacketType.ackEpoch, lastLogged, 4);
    writeInt32(this.output.bytes, at, currentEpoch);
  }

  /** NEWLEADER with the text of the last seen ensemble configuration. */
  newLeader(epoch: number, configuration: string): void {
    const text = utf8.encode(configuration);
    const at = this.begin(QuorumPacketType.newLeader, zxidOf(epoch, 0), text.length);
    this.output.bytes.set(text, at);
  }

  /** Begins a learner's PING, which says the zxid of the leader's again. */
  beginPingReply(zxid: Zxid): void {
    assert(this.touchesAt === NO_TOUCHES, 'a packet ends before the next one begins');
    this.touchesAt = this.output.position;
    this.output.reserve(HEAD_BYTES);
    writeInt32(this.output.bytes, this.touchesAt, QuorumPacketType.ping);
    writeInt64(this.output.bytes, this.touchesAt + 4, zxid);
  }

  /** Appends to the begun PING a session that was heard of. */
  touch(sessionHigh: number, sessionLow: number, timeoutMs: number): void {
    assert(this.touchesAt !== NO_TOUCHES, 'sessions stand in a PING that was begun');
    const at = this.output.reserve(12);
    const { bytes } = this.output;
    writeInt32(bytes, at, sessionHigh);
    writeInt32(bytes, at + 4, sessionLow);
    writeInt32(bytes, at + 8, timeoutMs);
  }

  /** Ends the begun PING. */
  endPingReply(): void {
    assert(this.touchesAt !== NO_TOUCHES, 'a PING ends that was begun');
    const dataBytes = this.output.position - this.touchesAt - HEAD_BYTES;
    this.output.intAt(this.touchesAt + 12, dataBytes);
    this.output.int(NULL);
    this.touchesAt = NO_TOUCHES;
  }

  /** REVALIDATE to the leader: the session's client has come to this server. */
  revalidationRequest(sessionHigh: number, sessionLow: number, timeoutMs: number): void {
    const at = this.begin(QuorumPacketType.revalidate, NO_ZXID, 12);
    const { bytes } = this.output;
    writeInt32(bytes, at, sessionHigh);
    writeInt32(bytes, at + 4, sessionLow);
    writeInt32(bytes, at + 8, timeoutMs);
  }

  /** REVALIDATE from the leader. */
  revalidationReply(sessionHigh: number, sessionLow: number, isValid: boolean): void {
    const at = this.begin(QuorumPacketType.revalidate, NO_ZXID, 9);
    const { bytes } = this.output;
    writeInt32(bytes, at, sessionHigh);
    writeInt32(bytes, at + 4, sessionLow);
    bytes[at + 8] = isValid ? 1 : 0;
  }

  /**
   * REQUEST of the record `body[start..end)`, without its header.
   *
   * @param type An OpCode.
   * @param who The ids of the client's connection, in their order; null for the system itself.
   */
  request(
    sessionHigh: number,
    sessionLow: number,
    cxid: number,
    type: number,
    who: readonly Id[] | null,
    body: Uint8Array,
    start = 0,
    end = body.length,
  ): void {
    const at = this.begin(QuorumPacketType.request, NO_ZXID, HEAD_BYTES + end - start);
    const { bytes } = this.output;
    writeInt32(bytes, at, sessionHigh);
    writeInt32(bytes, at + 4, sessionLow);
    writeInt32(bytes, at + 8, cxid);
    writeInt32(bytes, at + 12, type);
    copyBytes(body, start, bytes, at + 16, end - start);
    if (who === null) return;
    this.output.position -= 4; // the count that says null
    authinfo.write(this.output, who);
  }

  /** A packet as it came, as when an observer's request goes on to the leader. */
  relay(packet: QuorumPacket): void {
    assert(this.touchesAt === NO_TOUCHES, 'a packet ends before the next one begins');
    const length = packet.end - packet.start;
    const at = this.output.reserve(length);
    copyBytes(packet.bytes, packet.start, this.output.bytes, at, length);
  }

  /** A whole packet with room for its data, and null authinfo; returns where the data starts. */
  private begin(type: QuorumPacketType, zxid: Zxid, dataLength: number): number {
    assert(this.touchesAt === NO_TOUCHES, 'a packet ends before the next one begins');
    const roomBytes = dataLength > 0 ? dataLength : 0;
    const at = this.output.reserve(HEAD_BYTES + roomBytes + 4);
    const { bytes } = this.output;
    writeInt32(bytes, at, type);
    writeInt64(bytes, at + 4, zxid);
    writeInt32(bytes, at + 12, dataLength);
    writeInt32(bytes, at + HEAD_BYTES + roomBytes, NULL);
    return at + HEAD_BYTES;
  }
}
