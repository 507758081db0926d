import type { Clock, Random } from '@aviary/foundation';
import type { Acl, Stat } from '@aviary/protocol';
import { defer, type Observable } from 'rxjs';
import { Chroot } from './chroot.js';
import { ClientKernel } from './client-kernel.js';
import {
  checkPath,
  type CreateSettings,
  type NodeInput,
  type VersionCondition,
} from './operations/arguments.js';
import { ensurePath, type EnsureSettings } from './operations/ensure-path.js';
import {
  multiReadOperation,
  transactionOperation,
  type ReadRequest,
  type ReadResults,
} from './operations/multi.js';
import {
  NodeOperations,
  type CreatedNode,
  type Identity,
  type NodeAcl,
  type NodeChildren,
  type NodeData,
} from './operations/node-operations.js';
import type { CallOptions, Operation } from './operations/operation.js';
import type { ProtectedNode } from './operations/protected-create.js';
import { Transaction } from './operations/transaction.js';
import { settingsOf, type ZooKeeperOptions } from './options.js';
import type { Connected, Reconnected, SessionState } from './session-state.js';
import {
  watchChildren,
  watchNode,
  type ChildrenView,
  type NodeView,
} from './watches/node-streams.js';
import type { TreeEvent } from './watches/tree-hub.js';
import type { Watch } from './watches/watch.js';

/** Options of a wait that belongs to no session. */
export type WaitOptions = Pick<CallOptions, 'signal' | 'deadlineMs'>;

/** Makes a rejection of what is thrown before there is a promise. */
function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run();
  } catch (error) {
    return rejection(error);
  }
}

function rejection<T>(error: unknown): Promise<T> {
  return Promise.reject(error instanceof Error ? error : new Error(String(error)));
}

/**
 * A client of a ZooKeeper ensemble: one session at a time, over one connection at a time.
 *
 * It connects at the first call (or at {@link connect}), and stays connected until {@link close}:
 * when a connection breaks it makes another one, and when a session ends it makes a new one. That
 * the session ended is never hidden: {@link state$} says it, calls that belonged to it fail with
 * SessionExpiredError, and watches end with `sessionLost`.
 *
 * Every call takes an AbortSignal and a deadline, so none can hang. Calls that only read are sent
 * again after a broken connection. Writes never are: they fail with ConnectionLossError, whose
 * `outcome` says whether the server may have applied them.
 *
 * Calls are sent in the order in which they are made, and the server applies them in that order. If
 * a connection breaks, writes behind a lost one fail too, with outcome `notApplied`.
 *
 * @example
 * await using zk = new ZooKeeper({ servers: 'localhost:2181' });
 * await zk.create('/greeting', 'hello');
 * zk.watchNode('/greeting').subscribe((node) => console.log(node?.data?.toString()));
 */
export class ZooKeeper {
  private readonly kernel: ClientKernel;
  private readonly operations: NodeOperations;
  /** For paths of the server, outside of the chroot. */
  private readonly rootOperations: NodeOperations;
  private readonly settings: ReturnType<typeof settingsOf>;

  /**
   * Connects nowhere yet.
   *
   * @throws {InvalidArgumentError} An option is wrong; a connection string or path says where.
   */
  constructor(options: ZooKeeperOptions) {
    this.settings = settingsOf(options);
    this.kernel = new ClientKernel(this.settings);
    this.operations = this.kernel.operations;
    const { frameBytesMax } = this.settings.session;
    this.rootOperations = new NodeOperations(new Chroot('/'), frameBytesMax);
  }

  // The session

  /**
   * Where the session stands: now, and at every change.
   *
   * Hot; replays the latest state to each subscriber, skips none after that, and calls subscribers
   * before any promise that the change settles. Never errors; completes after `closed`.
   */
  get state$(): Observable<SessionState> {
    return this.kernel.state$;
  }

  /** Where the session stands. It is what the client was told; a stopped process hears late. */
  get state(): SessionState {
    return this.kernel.state;
  }

  /** The session that lives as far as is known; null without one. */
  get sessionId(): bigint | null {
    const { sessionId } = this.kernel.host.core;
    return sessionId === 0n ? null : sessionId;
  }

  /**
   * Until when leases of the current session may be held, on {@link clock}'s monotonic time: the
   * send time of the last acknowledged request + session timeout × `holdFraction`. Moves with every
   * answer, pings included. -Infinity without a session.
   */
  get holdUntilMs(): number {
    return this.kernel.host.core.holdUntilMs;
  }

  /**
   * Whether the session is certain to live: a comparison with the clock, made now. Right also when
   * the process was stopped, or the machine slept, and no timer has run yet.
   *
   * @param sessionId The session that is meant. Unset: whichever is current.
   */
  isSessionCertain(sessionId?: bigint): boolean {
    const { host } = this.kernel;
    // The clock first: reading it may bring to light that the machine slept.
    const nowMs = host.nowMs();
    if (sessionId !== undefined && sessionId !== host.sessionId) return false;
    return nowMs < host.holdUntilMs;
  }

  /**
   * A signal that aborts when leases of a session must end: at {@link holdUntilMs} unless that has
   * moved on, and when the session is lost or the client closed. Once aborted it stays so; a lease
   * that is taken later asks again.
   *
   * A stopped process hears of it late. {@link isSessionCertain} does not.
   *
   * @param sessionId The session that is meant. Unset: whichever is current. If it is over, or
   * there is none, the signal is aborted.
   */
  holdSignal(sessionId?: bigint): AbortSignal {
    return this.kernel.holds.signal(sessionId ?? this.kernel.host.core.sessionId);
  }

  /** The highest zxid that an answer carried: no later read shows an older state. */
  get lastZxid(): bigint {
    return this.kernel.host.core.lastZxid;
  }

  /** Watches that are set or being set, trees included. 0 when nothing is watched. */
  get watchCount(): number {
    return this.kernel.host.core.watchCount;
  }

  /** The clock that all times of this client are on. */
  get clock(): Clock {
    return this.kernel.host.clock;
  }

  /** The randomness that this client was given, for what is built on it. */
  get random(): Random {
    return this.settings.random;
  }

  /**
   * Begins to connect, and waits until that is done. Without it, the first call begins.
   *
   * A passed deadline ends the wait only; the client goes on trying until it is closed.
   *
   * @throws {DeadlineExceededError} @throws {AbortedError}
   * @throws {AuthFailedError} The credentials in the options were refused.
   */
  connect(options: WaitOptions = {}): Promise<Connected | Reconnected> {
    return attempt(() => this.kernel.whenConnected(options));
  }

  /** The same as {@link connect}: resolves at once while connected. */
  whenConnected(options: WaitOptions = {}): Promise<Connected | Reconnected> {
    return this.connect(options);
  }

  /**
   * Proves an identity to the server, and to every later one. Calls made after it have it.
   *
   * If it ends early the identity is still sent once there is a connection.
   *
   * @param auth For `digest`: `user:password`.
   * @throws {AuthFailedError} Refused. The client is of no use any more: state `authFailed`.
   */
  addAuth(scheme: string, auth: string | Uint8Array, options: WaitOptions = {}): Promise<void> {
    return attempt(() => this.kernel.addAuth(scheme, auth, options));
  }

  /**
   * Ends the session, so that its ephemeral nodes go now, and then everything else.
   *
   * Calls made before are sent and answered first. Waits at most `deadlineMs`, by default the
   * option `closeTimeoutMs`; without a connection it tries to get one in that time. Never rejects.
   * Afterwards nothing is left: no socket, no timer. The state `closed` says whether the server
   * confirmed.
   */
  close(options: Pick<WaitOptions, 'deadlineMs'> = {}): Promise<void> {
    return attempt(() => this.kernel.close(options.deadlineMs));
  }

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Nodes

  /**
   * Creates a node. `data` left out is empty, which is not the same as null.
   *
   * @returns The path, with its number if the mode is sequential, and the Stat.
   * @throws {NodeExistsError} @throws {NoNodeError} The parent is missing; see {@link ensurePath}.
   * @throws {ConnectionLossError} With outcome `unknown` look before you try again; a sequential
   * name should carry an id of yours, so that you can tell your node from others.
   */
  create(
    path: string,
    data?: NodeInput,
    options: CreateSettings & CallOptions = {},
  ): Promise<CreatedNode> {
    return this.run(() => this.operations.create(path, data, options), options);
  }

  /**
   * Creates a node whose outcome is never in doubt: its name becomes `_c_<id>-<name>`, as Curator's,
   * and after a broken connection the node is found again by that id. Meant for sequential nodes.
   *
   * It happens in one session: that of `inSession`, or the current one, or the next. If the call
   * ends early the node is removed behind its back, however long that takes.
   *
   * @throws {SessionExpiredError} The session ended first. An ephemeral node ends with it.
   * @see {@link create} for the other errors.
   */
  createProtected(
    path: string,
    data?: NodeInput,
    options: CreateSettings & CallOptions = {},
  ): Promise<ProtectedNode> {
    return attempt(() => this.kernel.createProtected(path, data, options));
  }

  /**
   * Deletes a node that belongs to this client alone, and does not give up before it is gone: not
   * for a broken connection, and with `inSession` (its owner, if it is ephemeral) until that session
   * is over. Resolves then, also if it was gone already.
   *
   * @throws {NotEmptyError} @throws {NoAuthError} and other refusals
   * @throws {ClosedError} Without `inSession`: the client was closed first.
   */
  deleteGuaranteed(path: string, options: Pick<CallOptions, 'inSession'> = {}): Promise<void> {
    return attempt(() => this.kernel.deleteGuaranteed(path, options.inSession));
  }

  /** Data and Stat. @throws {NoNodeError} */
  get(path: string, options: CallOptions = {}): Promise<NodeData> {
    return this.run(() => this.operations.get(path, false), options);
  }

  /** The Stat, or null if there is no such node. */
  exists(path: string, options: CallOptions = {}): Promise<Stat | null> {
    return this.run(() => this.operations.exists(path, false), options);
  }

  /** The names of the children, in no particular order, and the Stat. @throws {NoNodeError} */
  children(path: string, options: CallOptions = {}): Promise<NodeChildren> {
    return this.run(() => this.operations.children(path, false), options);
  }

  /**
   * Replaces the data, if the node has `version` (unset: any).
   *
   * @throws {NoNodeError} @throws {BadVersionError}
   */
  set(path: string, data: NodeInput, options: VersionCondition & CallOptions = {}): Promise<Stat> {
    return this.run(() => this.operations.set(path, data, options), options);
  }

  /**
   * Deletes a node without children, if it has `version` (unset: any).
   *
   * @throws {NoNodeError} @throws {BadVersionError} @throws {NotEmptyError}
   */
  delete(path: string, options: VersionCondition & CallOptions = {}): Promise<void> {
    return this.run(() => this.operations.delete(path, options), options);
  }

  /** The ACL and the Stat. @throws {NoNodeError} */
  getAcl(path: string, options: CallOptions = {}): Promise<NodeAcl> {
    return this.run(() => this.operations.getAcl(path), options);
  }

  /** Replaces the ACL, if the node's `aversion` is `version` (unset: any). */
  setAcl(
    path: string,
    acl: readonly Acl[],
    options: VersionCondition & CallOptions = {},
  ): Promise<Stat> {
    return this.run(() => this.operations.setAcl(path, acl, options), options);
  }

  /** Waits until the server has caught up with the leader: reads after it show what was then. */
  sync(path = '/', options: CallOptions = {}): Promise<void> {
    return this.run(() => this.operations.sync(path), options);
  }

  /** How many nodes there are below `path`, at any depth. Servers from 3.6 on. */
  countDescendants(path: string, options: CallOptions = {}): Promise<number> {
    return this.run(() => this.operations.countDescendants(path), options);
  }

  /** The ephemeral nodes of this session whose paths begin with `prefix`. Servers from 3.6 on. */
  ephemerals(prefix = '/', options: CallOptions = {}): Promise<readonly string[]> {
    return this.run(() => this.operations.ephemerals(prefix), options);
  }

  /** The identities that the server knows this connection by. Servers from 3.7 on. */
  whoAmI(options: CallOptions = {}): Promise<readonly Identity[]> {
    return this.run(() => this.operations.whoAmI(), options);
  }

  /** The ensemble's configuration as the server keeps it: text, one line per server. */
  getConfig(options: CallOptions = {}): Promise<NodeData> {
    return this.run(() => this.rootOperations.get('/zookeeper/config', false), options);
  }

  /**
   * Makes `path` and every node above it that is missing, the chroot included; what is there stays
   * as it is. A broken connection does no harm: it goes on over the next one.
   */
  ensurePath(path: string, options: EnsureSettings & CallOptions = {}): Promise<void> {
    const { mode = 'persistent', acl } = options;
    return attempt(() => {
      checkPath(path, 'ensurePath');
      const rest = this.kernel.sharedDeadline(options);
      const create = (at: string, as: typeof mode) =>
        this.run(() => this.rootOperations.create(at, undefined, { mode: as, acl }), rest());
      return ensurePath(create, this.operations.serverPath(path), mode);
    });
  }

  /** Collects operations to apply together or not at all. */
  transaction(): Transaction {
    return new Transaction(this.operations, (steps, options) =>
      this.run(() => transactionOperation(steps, this.operations), options),
    );
  }

  /**
   * Several reads in one request, answered from one moment. Each succeeds or fails for itself.
   * Servers from 3.6 on.
   */
  multiRead<const R extends readonly ReadRequest[]>(
    reads: R,
    options: CallOptions = {},
  ): Promise<ReadResults<R>> {
    return this.run(() => multiReadOperation(reads, this.operations), options);
  }

  // Watches that fire once

  /**
   * Data and Stat, and a watch that fires when the data changes or the node goes.
   *
   * The watch is there before the read is sent, so no change after the read is missed. Abort
   * `options.signal` to cancel the watch too. @throws {NoNodeError} Then there is no watch.
   */
  getAndWatch(path: string, options: CallOptions = {}): Promise<NodeData & { watch: Watch }> {
    return attempt(async () => {
      const operation = this.operations.get(path, true);
      const { value, watch } = await this.kernel.runWatched(operation, 'data', options);
      return { ...value, watch };
    });
  }

  /** As {@link getAndWatch} for a node that may be missing: fires also when it is created. */
  existsAndWatch(
    path: string,
    options: CallOptions = {},
  ): Promise<{ readonly stat: Stat | null; readonly watch: Watch }> {
    return attempt(async () => {
      const operation = this.operations.exists(path, true);
      const { value, watch } = await this.kernel.runWatched(operation, 'data', options);
      return { stat: value, watch };
    });
  }

  /** As {@link getAndWatch} for the names of the children: fires when one comes or goes. */
  childrenAndWatch(
    path: string,
    options: CallOptions = {},
  ): Promise<NodeChildren & { readonly watch: Watch }> {
    return attempt(async () => {
      const operation = this.operations.children(path, true);
      const { value, watch } = await this.kernel.runWatched(operation, 'child', options);
      return { ...value, watch };
    });
  }

  // Streams

  /**
   * The node now, then again after every change; null while it does not exist.
   *
   * Cold: each subscriber reads for itself. Intermediate states may be skipped, the newest never
   * is, and no older state follows a newer one. Goes on over reconnects and over new sessions.
   * Errors with NoAuthError, AuthFailedError and other refusals; completes when the client is
   * closed. Unsubscribe to remove the watch.
   */
  watchNode(path: string): Observable<NodeView | null> {
    return watchNode(this.kernel.reader, path);
  }

  /**
   * The names of the children now, then again after one came or went; null while the node does not
   * exist. What may be skipped, and how it ends, is as for {@link watchNode}.
   */
  watchChildren(path: string): Observable<ChildrenView | null> {
    return watchChildren(this.kernel.reader, path);
  }

  /**
   * Every change of a node and, if `recursive` (the default), of all nodes below it.
   *
   * Shared: all subscribers of one path and mode use one watch on the server, which is set with the
   * first and removed with the last. Each subscriber first gets a `reset`: the watch is set, read
   * now. While connected no change is skipped. Changes during a gap are; so after every reconnect a
   * `reset` follows: read again. A recursive stream has no `childrenChanged`, the others have.
   * Errors if the server refuses (before 3.6: UnimplementedError); completes when the client is
   * closed.
   */
  watchTree(path: string, options: { readonly recursive?: boolean } = {}): Observable<TreeEvent> {
    return defer(() => {
      checkPath(path, 'watchTree');
      return this.kernel.trees.watch(path, options.recursive ?? true);
    });
  }

  private run<T>(operation: () => Operation<T>, options: CallOptions): Promise<T> {
    try {
      return this.kernel.run(operation(), options);
    } catch (error) {
      return rejection(error);
    }
  }
}
