import { CoordinationError } from '@aviary/client';

/**
 * On the way: no connection yet, or the create is; or the servers have still to remove a node with a time to
 * live that has passed.
 */
export interface Joining {
  readonly kind: 'joining';
  /** What the servers refused it for; it is tried again. null: nothing. */
  readonly problem: CoordinationError | null;
}

/** The node is there, and it is ours: the servers said so. */
export interface Joined {
  readonly kind: 'joined';
  /** That it stands and falls with; 0: it has a time to live instead. */
  readonly sessionId: bigint;
  /** Of the node; grows with every time that it is made. */
  readonly czxid: bigint;
}

/** No connection. Others see the node still, for certain only until `lostAtMs` (the client's clock). */
export interface PresenceSuspended {
  readonly kind: 'suspended';
  /** As of {@link Joined}. */
  readonly sessionId: bigint;
  readonly lostAtMs: number;
}

/**
 * The node is gone or about to go: its session is over, its time to live has passed, or somebody deleted it.
 * It is made again.
 */
export interface PresenceLost {
  readonly kind: 'lost';
  readonly reason: 'sessionLost' | 'ttlPassed' | 'nodeDeleted';
}

/** A node that is not ours stands at the path. It is waited for; nothing is done to it. */
export interface PresenceConflict {
  readonly kind: 'conflict';
  /** The session that it belongs to; 0: it is not ephemeral. */
  readonly owner: bigint;
  /** Since when it is there, by the servers' clock. */
  readonly since: Date;
}

/** The end: by `leave()`, or because the client was closed or its credentials were refused. */
export interface PresenceLeft {
  readonly kind: 'left';
}

/**
 * Where a presence stands.
 *
 * joining → joined | conflict | lost | left; joined → suspended | lost | left;
 * suspended → joined | lost | conflict | left; lost → joining | left;
 * conflict → joining | conflict | left.
 */
export type PresenceState =
  Joining | Joined | PresenceSuspended | PresenceLost | PresenceConflict | PresenceLeft;

/** The presence ended before what was waited for. Nothing is there in its name any more. */
export class PresenceLeftError extends CoordinationError {
  constructor(operation: string, path: string) {
    super(`${operation} ${path}: the presence has left`, {
      outcome: 'notApplied',
      operation,
      path,
    });
  }
}

/**
 * The servers have no nodes with a time to live: they are older than ZooKeeper 3.5.3, or run without
 * `zookeeper.extendedTypesEnabled=true`. Nothing was made.
 */
export class TtlUnsupportedError extends CoordinationError {
  constructor(path: string, cause: unknown) {
    super(
      `${path} cannot have a time to live: the servers need -Dzookeeper.extendedTypesEnabled=true ` +
        '(ZooKeeper from 3.5.3 on); leave ttlMs out for a node that goes with its session',
      { outcome: 'notApplied', operation: 'join', path, cause },
    );
  }
}

/** This client is present at the path already, by another object. */
export class AlreadyPresentError extends CoordinationError {
  constructor(path: string) {
    super(`${path}: this client is present there already; leave first, or take another id`, {
      outcome: 'notApplied',
      operation: 'join',
      path,
    });
  }
}
