import { JuteReader } from '@aviary/jute';
import {
  ErrorCode,
  OpCode,
  readRequest,
  type ForwardedRequest,
  type QuorumPacket,
} from '@aviary/protocol';
import { SYSTEM_PRINCIPAL, type RequestOrigin } from '@aviary/znodes';
import type { Authority, AuthorityContext } from '../authority.js';
import { RequestKind, requestKind } from '../request-kinds.js';
import { Session } from '../session-tracker.js';
import type { WriteOwner } from '../write-queue.js';
import type { LeaderWrites } from './leader-writes.js';
import type { LearnerLink } from './learner-link.js';
import { PrincipalCache } from './principal-cache.js';

const NO_BYTES = new Uint8Array(0);

/**
 * Requests that learners forward for their clients: each becomes exactly one transaction, if only of
 * an error, because its sender waits for that.
 */
export class ForwardedRequests {
  /** The learner that a session belongs to: the one that its client came to last. */
  private readonly homes = new WeakMap<Session, LearnerLink>();
  private readonly gone = new WeakSet<LearnerLink>();
  private readonly body = new JuteReader(NO_BYTES);
  private readonly principals: PrincipalCache;
  /** Of the request at hand: what is made of it keeps none of this. */
  private readonly origin: RequestOrigin = {
    sessionHigh: 0,
    sessionLow: 0,
    xid: 0,
    who: SYSTEM_PRINCIPAL,
  };

  constructor(
    private readonly context: AuthorityContext,
    private readonly authority: Authority,
    private readonly writes: LeaderWrites,
  ) {
    this.principals = new PrincipalCache(context.options.skipAcl);
  }

  /** @throws {PeerWireError} The packet is no request. */
  take(link: LearnerLink, packet: QuorumPacket, nowMs: number): void {
    const request = readRequest(packet);
    const { origin } = this;
    const { type } = request;
    origin.sessionHigh = request.sessionHigh;
    origin.sessionLow = request.sessionLow;
    origin.xid = request.cxid;
    origin.who = this.principals.of(packet);
    const body = this.body.reset(packet.bytes, request.bodyStart, request.bodyEnd);
    if (type === OpCode.createSession) return this.createSession(link, origin, body, nowMs);
    if (type === OpCode.sync) return this.sync(link);
    const error = this.refusalOf(link, request, nowMs);
    if (error !== ErrorCode.ok) this.writes.submitError(error, type, origin, null, nowMs);
    else this.writes.submit(type, body, origin, this.ownerOf(request), nowMs);
  }

  /** A client has come to the learner with its session; false: that is not open. */
  adopt(link: LearnerLink, high: number, low: number, nowMs: number): boolean {
    const session = this.authority.sessions.find(high, low);
    if (session === undefined || session.isClosing) return false;
    session.connection?.destroy();
    this.homes.set(session, link);
    this.authority.sessions.touch(session, nowMs);
    return true;
  }

  /** The learner is gone: its sessions are nobody's until their clients come somewhere. */
  forget(link: LearnerLink): void {
    this.gone.add(link);
  }

  private createSession(
    link: LearnerLink,
    origin: RequestOrigin,
    body: JuteReader,
    nowMs: number,
  ): void {
    const { sessionHigh, sessionLow } = origin;
    if (body.remaining < 4) {
      this.writes.submitError(
        ErrorCode.marshallingError,
        OpCode.createSession,
        origin,
        null,
        nowMs,
      );
      return;
    }
    const at = body.position;
    const session = new Session(sessionHigh, sessionLow, body.int());
    body.position = at;
    this.writes.submit(OpCode.createSession, body, origin, null, nowMs);
    // Others may commit and serve it before it is applied here, where the disk may be slower.
    this.authority.sessions.add(session);
    this.homes.set(session, link);
  }

  private sync(link: LearnerLink): void {
    this.writes.syncForLearner({ onApplied: () => link.syncAnswer() });
  }

  private refusalOf(link: LearnerLink, request: ForwardedRequest, nowMs: number): number {
    const { sessionHigh, sessionLow, type } = request;
    const isWrite = requestKind(type) === RequestKind.write;
    if (!isWrite) return ErrorCode.unimplemented;
    const session = this.authority.sessions.find(sessionHigh, sessionLow);
    if (session === undefined || session.isClosing) return ErrorCode.sessionExpired;
    const home = this.homes.get(session);
    if (session.connection !== null) return ErrorCode.sessionMoved;
    if (home === undefined || this.gone.has(home)) this.homes.set(session, link);
    else if (home !== link) return ErrorCode.sessionMoved;
    this.authority.sessions.touch(session, nowMs);
    return this.authority.refusalOf(type);
  }

  private ownerOf({ sessionHigh, sessionLow, type }: ForwardedRequest): WriteOwner | null {
    if (type !== OpCode.closeSession) return null;
    const session = this.authority.sessions.find(sessionHigh, sessionLow);
    if (session === undefined) return null;
    session.isClosing = true;
    return {
      onWritten: () => this.context.sessionEnded(session),
    };
  }
}
