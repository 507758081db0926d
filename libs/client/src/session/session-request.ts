import type { JuteWriter } from '@aviary/jute';
import type { OneShotWatch } from './watch-table.js';

/** Why a request ended without an answer. */
export type FailureReason =
  | 'connectionLoss'
  | 'sessionExpired'
  | 'deadlineExceeded'
  | 'aborted'
  | 'authFailed'
  | 'closed'
  | 'tooManyRequests'
  | 'requestTooLarge'
  | 'replyTooLarge';

/**
 * One request on its way through the session core.
 *
 * The core moves it from `new` over `waiting` and `sent` to `settled`, and names it in exactly one
 * output (`replied` or `failed`) on the last step. What the answer means is its owner's business.
 */
export abstract class SessionRequest {
  readonly opCode: number;
  /** Changes nothing on the server, so it may be sent again after the connection broke. */
  readonly repeatable: boolean;
  /** When it fails if nothing came, on the host's monotonic clock; Infinity: never. */
  readonly deadlineAtMs: number;
  /** Fails unless it is sent in this session; null: in the one of when it is submitted. */
  readonly inSession: bigint | null;
  /** The watch that it sets, if any. */
  readonly watch: OneShotWatch | null;

  /** The core's. */
  phase: 'new' | 'waiting' | 'sent' | 'settled' = 'new';
  /** The core's: the session that it is bound to, 0 for the next one. */
  sessionId = 0n;
  /** The core's: on the wire. */
  xid = 0;
  /** The core's: when its last copy was sent. */
  sentAtMs = 0;
  /** The core's: how often it was sent. */
  attempts = 0;
  /** The core's: its neighbours while it is `waiting`. */
  previous: SessionRequest | null = null;
  next: SessionRequest | null = null;

  constructor(
    opCode: number,
    repeatable: boolean,
    deadlineAtMs: number,
    inSession: bigint | null,
    watch: OneShotWatch | null,
  ) {
    this.opCode = opCode;
    this.repeatable = repeatable;
    this.deadlineAtMs = deadlineAtMs;
    this.inSession = inSession;
    this.watch = watch;
  }

  /** Appends the body that follows the request header. */
  abstract writeBody(writer: JuteWriter): void;
}

/** A request of the core itself; its answer goes to the core. */
export class InternalRequest extends SessionRequest {
  readonly purpose: 'addWatch' | 'removeWatches' | 'closeSession' | 'askHistory';
  /** The path it is about, and how; mode 0 and perhaps no path if that means nothing. */
  readonly path: string;
  readonly mode: number;
  private readonly body: (writer: JuteWriter) => void;

  constructor(
    purpose: InternalRequest['purpose'],
    opCode: number,
    subject: { readonly path: string; readonly mode: number },
    body: (writer: JuteWriter) => void,
  ) {
    super(opCode, false, Infinity, null, null);
    this.purpose = purpose;
    this.path = subject.path;
    this.mode = subject.mode;
    this.body = body;
  }

  override writeBody(writer: JuteWriter): void {
    this.body(writer);
  }
}
