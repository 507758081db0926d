/** No session yet: the first one is being made. */
export interface Connecting {
  readonly kind: 'connecting';
}

/** A new session was made. Nothing of an earlier one is left: no ephemeral node, no watch. */
export interface Connected {
  readonly kind: 'connected';
  readonly sessionId: bigint;
  /** The session timeout that the server granted, in milliseconds. */
  readonly timeoutMs: number;
  /** The server has no quorum and answers reads only. */
  readonly readOnly: boolean;
}

/** The same session goes on over a new connection; it never ended. */
export interface Reconnected {
  readonly kind: 'reconnected';
  readonly sessionId: bigint;
  /** The session timeout that the server granted, in milliseconds; may differ from before. */
  readonly timeoutMs: number;
  /** The server has no quorum and answers reads only. */
  readonly readOnly: boolean;
}

/** No connection. The session lives on at the server, for now. */
export interface Suspended {
  readonly kind: 'suspended';
  readonly sessionId: bigint;
  /** Why the connection ended, for people. */
  readonly reason: string;
  /** When the session must be presumed lost, on the client's monotonic clock. */
  readonly lostAtMs: number;
}

/**
 * The session is over, or must be presumed so. `expired`: the server said it. `presumed`: nothing
 * that was sent within the session timeout has been acknowledged. `replaced`: the server gave
 * another session than the one that was asked for.
 */
export interface Lost {
  readonly kind: 'lost';
  readonly sessionId: bigint;
  readonly reason: 'expired' | 'presumed' | 'replaced';
}

/** The server refused the credentials. Final, but for `closed`. */
export interface AuthFailed {
  readonly kind: 'authFailed';
}

/** The client was closed. Final. */
export interface Closed {
  readonly kind: 'closed';
  /** False: the server did not confirm, so ephemeral nodes may live until the session expires. */
  readonly sessionClosed: boolean;
}

/**
 * Where the session stands.
 *
 * connecting → connected | authFailed | closed;
 * connected, reconnected → suspended | lost | authFailed | closed;
 * suspended → reconnected | lost | authFailed | closed;
 * lost → connected | authFailed | closed; authFailed → closed.
 */
export type SessionState =
  Connecting | Connected | Reconnected | Suspended | Lost | AuthFailed | Closed;
