import type { JuteReader } from '@aviary/jute';
import { ErrorCode } from '@aviary/protocol';
import type { RequestOrigin } from '@aviary/znodes';
import type { PortRole } from '../port-role.js';
import { Session } from '../session-tracker.js';
import type { WriteOwner } from '../write-queue.js';
import type { LearnerSessions } from './learner-sessions.js';
import type { LearnerWrites } from './learner-writes.js';

/** Asks the leader whether a session is open; the answers come in the order of the questions. */
export type RevalidationSink = (high: number, low: number, timeoutMs: number) => void;

interface Question {
  readonly high: number;
  readonly low: number;
  readonly timeoutMs: number;
  readonly answer: (session: Session | null) => void;
}

/** The role of a server that learns: what lives and what ends is for its leader to say. */
export class LearnerRole implements PortRole {
  readonly asksForSessions = true;
  readonly sessionsExpired = 0;
  private readonly questions: Question[] = [];

  constructor(
    readonly mode: 'follower' | 'observer',
    readonly writes: LearnerWrites,
    readonly sessions: LearnerSessions,
    private readonly takeId: () => { readonly high: number; readonly low: number },
    private readonly ask: RevalidationSink,
  ) {}

  figures(): readonly (readonly [string, number])[] {
    return [];
  }

  makeSession(timeoutMs: number): Session {
    const { high, low } = this.takeId();
    return new Session(high, low, timeoutMs);
  }

  refusalOf(): number {
    return ErrorCode.ok;
  }

  revalidate(
    high: number,
    low: number,
    timeoutMs: number,
    answer: (session: Session | null) => void,
  ): void {
    this.questions.push({ high, low, timeoutMs, answer });
    this.ask(high, low, timeoutMs);
  }

  takeOver(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    owner: WriteOwner | null,
    nowMs: number,
  ): void {
    this.writes.submit(type, body, origin, owner, nowMs);
  }

  /** The leader has answered the oldest question about a session. */
  revalidated(high: number, low: number, isValid: boolean): void {
    const index = this.questions.findIndex((each) => each.high === high && each.low === low);
    if (index < 0) return;
    const [question] = this.questions.splice(index, 1);
    if (!isValid) {
      question.answer(null);
      return;
    }
    const session = this.sessions.find(high, low) ?? new Session(high, low, question.timeoutMs);
    this.sessions.add(session);
    question.answer(session);
  }

  start(): void {
    // Nothing begins by itself here.
  }

  stop(): void {
    this.questions.length = 0;
  }
}
