import type { AddWatchMode } from '@aviary/protocol';
import type { SessionState } from '../session-state.js';
import type { WatchEvent } from '../watch-event.js';
import type { FailureReason, SessionRequest } from './session-request.js';
import type { OneShotWatch } from './watch-table.js';

/** An identity to prove to every server that the client connects to. */
export interface Credential {
  readonly scheme: string;
  readonly auth: Uint8Array;
}

/**
 * All that can happen to a session. Time is an input too, in milliseconds of a clock that never
 * steps: this core reads none.
 */
export type SessionInput =
  /** Begin to connect. */
  | { readonly kind: 'start' }
  /** A connection is there, after the output `connect`. */
  | { readonly kind: 'opened'; readonly nowMs: number }
  /** The connection ended by itself. */
  | { readonly kind: 'broken'; readonly nowMs: number; readonly reason: string }
  /** `bytes[start..end)` arrived on the connection. */
  | {
      readonly kind: 'bytes';
      readonly nowMs: number;
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
    }
  /** Send what waits: the turn of the event loop is over. */
  | { readonly kind: 'flush'; readonly nowMs: number }
  /** Too much is queued at the socket. */
  | { readonly kind: 'blocked' }
  /** All that was queued at the socket has left. */
  | { readonly kind: 'drained'; readonly nowMs: number }
  /** `wakeAtMs` has come, or any other moment. */
  | { readonly kind: 'tick'; readonly nowMs: number }
  /** Time has passed that this clock did not count: the machine slept. */
  | { readonly kind: 'clockJumped'; readonly nowMs: number }
  | { readonly kind: 'submit'; readonly request: SessionRequest }
  /** The owner gave `request` up. */
  | { readonly kind: 'abort'; readonly request: SessionRequest }
  /** The owner of a watch is no longer interested. */
  | { readonly kind: 'cancelWatch'; readonly watch: OneShotWatch }
  | { readonly kind: 'addTree' | 'removeTree'; readonly path: string; readonly mode: AddWatchMode }
  | { readonly kind: 'addAuth'; readonly credential: Credential; readonly nowMs: number }
  /** End the session, by `untilMs` at the latest. */
  | { readonly kind: 'close'; readonly nowMs: number; readonly untilMs: number };

/**
 * The answer to a request. The body is `bytes[start..end)`, good until the next input; after an
 * error it is empty.
 */
export interface Reply {
  readonly code: number;
  /** The two halves of the zxid that the server had reached. */
  readonly zxidHigh: number;
  readonly zxidLow: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Why subscribers of a tree must read it again. */
export type TreeResetReason = 'armed' | 'reconnected' | 'newSession' | 'historyLost';

/** What the host must now do, in order. */
export type SessionOutput =
  /** Connect to some server, however long it takes, then say `opened`. */
  | { readonly kind: 'connect' }
  /** Close the connection, or stop trying to get one. No `broken` follows. */
  | { readonly kind: 'disconnect'; readonly reason: string }
  /** Send these bytes; they are the host's from now on. */
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'replied'; readonly request: SessionRequest; readonly reply: Reply }
  /** `sent`: the server may have seen it. `detail` is for people. */
  | {
      readonly kind: 'failed';
      readonly request: SessionRequest;
      readonly reason: FailureReason;
      readonly sent: boolean;
      readonly detail: string;
    }
  | { readonly kind: 'watchEnded'; readonly watch: OneShotWatch; readonly event: WatchEvent }
  | {
      readonly kind: 'tree';
      readonly path: string;
      readonly mode: AddWatchMode;
      readonly signal: TreeSignal;
    }
  | {
      readonly kind: 'authSettled';
      readonly credential: Credential;
      readonly result: 'accepted' | 'refused' | 'closed';
    }
  /** Leases of the session end now, although it may live on. */
  | { readonly kind: 'doubted' }
  | { readonly kind: 'state'; readonly state: SessionState };

/** What the subscribers of a tree learn. Paths are the server's. */
export type TreeSignal =
  | { readonly kind: 'reset'; readonly reason: TreeResetReason }
  | { readonly kind: 'event'; readonly type: number; readonly path: string; readonly zxid: bigint }
  | { readonly kind: 'refused'; readonly code: number };

/** What a session asks for and allows itself. */
export interface SessionSettings {
  /** The session timeout to ask for, in milliseconds. */
  readonly sessionTimeoutMs: number;
  /** The part of the granted timeout for which a lease may be held. */
  readonly holdFraction: number;
  /** How many servers there are: a first answer may take its share of the timeout. */
  readonly serverCount: number;
  /** Whether a server without a quorum will do. */
  readonly readOnlyAllowed: boolean;
  /** The longest frame to send, in bytes. */
  readonly frameBytesMax: number;
  /** The longest frame to take, in bytes. */
  readonly replyBytesMax: number;
  /** Requests sent and not yet answered. */
  readonly inFlightRequestsMax: number;
  /** Requests not yet sent. */
  readonly waitingRequestsMax: number;
}
