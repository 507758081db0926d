import { formatSessionId, type Clock, type Log } from '@aviary/foundation';
import { JuteReader } from '@aviary/jute';
import { ErrorCode, OpCode } from '@aviary/protocol';
import { SYSTEM_PRINCIPAL, type DataTree, type RequestOrigin } from '@aviary/znodes';
import type { ServerOptions } from './options.js';
import type { PortRole, ServerMode } from './port-role.js';
import { Reaper } from './reaper.js';
import { Session, SessionTracker } from './session-tracker.js';
import type { WritePath } from './write-path.js';
import type { WriteOwner } from './write-queue.js';

/** The writes that a tree at its limits takes no more. */
const MAKES_GROW: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.setData,
  OpCode.multi,
]);

const NO_BODY = new Uint8Array(0);

/** What an {@link Authority} needs of the server around it. */
export interface AuthorityContext {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly tree: DataTree;
  /** The end of a session is applied. */
  sessionEnded(session: Session): void;
}

/** The role of the server that makes the transactions: it decides which sessions live. */
export class Authority implements PortRole {
  readonly sessions: SessionTracker;
  readonly asksForSessions = false;
  sessionsExpired = 0;
  private readonly reaper: Reaper;
  private readonly body = new JuteReader(NO_BODY);

  /**
   * @param takeId Gives out an id that no session has or had.
   */
  constructor(
    readonly mode: ServerMode,
    private readonly context: AuthorityContext,
    readonly writes: WritePath,
    private readonly takeId: () => { readonly high: number; readonly low: number },
    readonly figures: PortRole['figures'] = () => [],
  ) {
    const { clock, options, tree } = context;
    this.sessions = new SessionTracker(clock, options.tickTimeMs, (session) =>
      this.expire(session),
    );
    this.reaper = new Reaper(tree, clock, options, (body) => this.reap(body));
  }

  start(): void {
    this.context.tree.sessions.forEach((timeoutMs, high, low) => {
      if (this.sessions.find(high, low) !== undefined) return;
      this.sessions.add(new Session(high, low, timeoutMs));
    });
    this.endOrphans();
    this.sessions.start();
    this.reaper.start();
  }

  stop(): void {
    this.sessions.stop();
    this.reaper.stop();
  }

  makeSession(timeoutMs: number): Session {
    const { high, low } = this.takeId();
    return new Session(high, low, timeoutMs);
  }

  revalidate(
    high: number,
    low: number,
    _timeoutMs: number,
    answer: (session: Session | null) => void,
  ): void {
    const session = this.sessions.find(high, low);
    answer(session === undefined || session.isClosing ? null : session);
  }

  refusalOf(type: number): number {
    if (type === OpCode.reconfig) return ErrorCode.reconfigDisabled;
    const { znodesMax, contentBytesMax } = this.context.options.limits;
    const { nodes } = this.context.tree;
    const isFull = nodes.size >= znodesMax || nodes.contentBytes >= contentBytesMax;
    // What may make room is always taken.
    if (!isFull || !MAKES_GROW.has(type)) return ErrorCode.ok;
    return ErrorCode.quotaExceeded;
  }

  takeOver(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    const { writes } = this;
    const session = this.sessions.find(origin.sessionHigh, origin.sessionLow);
    const isOver = session === undefined || session.isClosing;
    const refusal = isOver ? ErrorCode.sessionExpired : this.refusalOf(type);
    if (refusal !== ErrorCode.ok) writes.submitError(refusal, type, origin, owner, nowMs);
    else if (type !== OpCode.closeSession || isOver) {
      writes.submit(type, body, origin, owner, nowMs);
    } else {
      // Whoever asked for that was cut off, and there is nobody to answer.
      session.isClosing = true;
      const ending: WriteOwner = { onWritten: () => this.context.sessionEnded(session) };
      writes.submit(type, body, origin, ending, nowMs);
    }
  }

  private expire(session: Session): void {
    this.sessionsExpired++;
    this.context.log.info(`Session ${formatSessionId(session.id)} has expired.`);
    session.connection?.destroy();
    this.close(session);
  }

  /** Ends a session through the log, as if it had asked for it. */
  private close(session: Session): void {
    session.isClosing = true;
    const owner: WriteOwner = { onWritten: () => this.context.sessionEnded(session) };
    const body = this.body.reset(NO_BODY, 0, 0);
    this.submitOwn(OpCode.closeSession, session.high, session.low, body, owner);
  }

  private reap(body: JuteReader): void {
    this.submitOwn(OpCode.deleteContainer, 0, 0, body, null);
  }

  private submitOwn(
    type: number,
    sessionHigh: number,
    sessionLow: number,
    body: JuteReader,
    owner: WriteOwner | null,
  ): void {
    const origin = { sessionHigh, sessionLow, xid: 0, who: SYSTEM_PRINCIPAL };
    this.writes.submit(type, body, origin, owner, this.context.clock.monotonicMs());
  }

  /** Ephemeral nodes whose session is nowhere to be found go at the start. */
  private endOrphans(): void {
    const { tree } = this.context;
    const orphans: Session[] = [];
    tree.ephemerals.forEach((_nodes, high, low) => {
      if (tree.sessions.get(high, low) === undefined) orphans.push(new Session(high, low, 0));
    });
    for (const session of orphans) this.close(session);
  }
}
