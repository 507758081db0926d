import { parentPath, pathProblem, silentLog, type Log } from '@aviary/foundation';
import {
  AbortedError,
  AuthFailedError,
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  InvalidPathError,
  NoNodeError,
  NodeExistsError,
  RequestTooLargeError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
  type NodeInput,
  type SessionState,
  type Stat,
  type Watch,
  type ZooKeeper,
} from '@aviary/client';
import { ReplaySubject, type Observable, type Subscription } from 'rxjs';
import { pause } from '../retries/pause.js';
import { TimeLimit, type TimeLimits } from '../retries/time-limit.js';
import { PresenceData } from './presence-data.js';
import { removeOwnNode, whenDisconnected } from './own-node.js';
import { AlreadyPresentError, PresenceLeftError, type PresenceState } from './presence-state.js';

/** The first pause after a refusal or a second deletion in a row; each later one is twice as long. */
const PAUSE_MS = 250;
const PAUSE_MS_MAX = 30_000;
/** A node that stood for so long is made again at once. */
const STOOD_MS = 10_000;

/** Of sessions before that, nothing can be left. */
const SESSIONS_MAX = 16;

/** What a presence is made of. */
export interface PresenceTerms {
  readonly zk: ZooKeeper;
  /** The node. Missing parents are made as containers, which the servers remove when they are empty. */
  readonly path: string;
  readonly data: NodeInput;
  /** Who may do what with the node and its parents. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Where refusals and conflicts are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** What the presences of one client know of each other. */
interface Kin {
  /** The paths where they are (null), or were: then with the removal that is on its way. */
  readonly taken: Map<string, Promise<void> | null>;
  /** The sessions in which they may have made nodes. The last one is the newest. */
  readonly sessions: bigint[];
}

const kinOfClients = new WeakMap<ZooKeeper, Kin>();

/**
 * An ephemeral node that stands for as long as the application wants, over broken connections, ended
 * sessions and deletions by others: whenever it is gone it is made again.
 *
 * That it is ours is never assumed. Only a node whose `ephemeralOwner` is the current session counts; one of
 * an earlier session of this client, which the servers are about to remove, is replaced in one transaction;
 * any other is a conflict, which is reported and waited out.
 */
export class Presence {
  readonly path: string;
  private readonly zk: ZooKeeper;
  private readonly terms: PresenceTerms;
  private readonly log: Log;
  private readonly states = new ReplaySubject<PresenceState>(1);
  private readonly ending = new AbortController();
  private readonly data: PresenceData;
  private readonly kin: Kin;
  /** The session in which the node was asked for last; null: not yet in any. */
  private sessionId: bigint | null = null;
  private readonly sessionStates: Subscription;
  private current: PresenceState = { kind: 'joining', problem: null };
  private leaving: Promise<void> | null = null;
  /** Wakes the loop: new data, or another connection. */
  private wake: () => void = () => undefined;
  private joinedAtMs = 0;
  private pauseMs = 0;

  /**
   * Joins at once, in the background.
   *
   * @throws {InvalidPathError} @throws {AlreadyPresentError}
   */
  constructor(terms: PresenceTerms) {
    const { zk, path, data, log = silentLog } = terms;
    const problem = path === '/' ? 'it must not be the root' : pathProblem(path);
    if (problem !== null) throw new InvalidPathError(`join: ${problem}`, { path });
    this.zk = zk;
    this.path = path;
    this.terms = terms;
    this.log = log;
    this.data = new PresenceData(data);
    this.kin = kinOf(zk);
    const { taken } = this.kin;
    const removal = taken.get(path);
    if (removal === null) throw new AlreadyPresentError(path);
    taken.set(path, null);
    this.states.next(this.current);
    this.sessionStates = zk.state$.subscribe((state) => this.onSession(state));
    void this.run(removal);
  }

  /** Where it stands, as far as this process was told. */
  get state(): PresenceState {
    return this.current;
  }

  /** The state now, and every change. Hot; never errors; completes after `left`. */
  get state$(): Observable<PresenceState> {
    return this.states.asObservable();
  }

  /**
   * Waits until the node is there.
   *
   * @throws {DeadlineExceededError} Not within `waitMs`; it goes on trying all the same.
   * @throws {AbortedError} Likewise. @throws {PresenceLeftError} It has left.
   */
  async whenJoined(limits: TimeLimits = {}): Promise<void> {
    const limit = new TimeLimit(this.zk.clock, limits);
    let subscription: Subscription | null = null;
    const settled = new Promise<void>((resolve) => {
      subscription = this.states.subscribe(({ kind }) => {
        if (kind === 'joined' || kind === 'left') resolve();
      });
    });
    try {
      await limit.race(settled);
    } finally {
      (subscription as Subscription | null)?.unsubscribe();
    }
    if (this.current.kind === 'joined') return;
    if (this.current.kind === 'left') throw new PresenceLeftError('join', this.path);
    limit.assertLeft(`join (${describe(this.current)})`, this.path);
  }

  /**
   * Replaces the data of the node. Resolves when the servers have it; if the node is not there just now,
   * when it is. Of several updates the last one counts, and the others resolve with it.
   *
   * @throws {RequestTooLargeError} @throws {NoAuthError} Refused: the data is as before.
   * @throws {DeadlineExceededError} @throws {AbortedError} It is written later, if no other one is.
   * @throws {PresenceLeftError} It has left.
   */
  async update(data: NodeInput, limits: TimeLimits = {}): Promise<void> {
    if (this.leaving !== null) throw new PresenceLeftError('update', this.path);
    const limit = new TimeLimit(this.zk.clock, limits);
    const written = this.data.want(data);
    this.wake();
    const fate = { isWritten: false };
    await limit.race(written.then(() => (fate.isWritten = true)));
    if (!fate.isWritten) limit.assertLeft('update', this.path);
  }

  /**
   * Ends it: the node is deleted. Never rejects. Resolves when the servers have done so or its session is
   * over; without a connection at once: the node is then deleted as soon as there is one.
   */
  leave(): Promise<void> {
    this.leaving ??= this.end();
    return this.leaving;
  }

  /** As {@link leave}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  private async end(): Promise<void> {
    this.sessionStates.unsubscribe();
    this.ending.abort();
    this.data.end(new PresenceLeftError('update', this.path));
    const { taken } = this.kin;
    const { sessionId } = this;
    // A create that is on its way comes before this, in the same session.
    const removal =
      sessionId === null
        ? Promise.resolve()
        : removeOwnNode(this.zk, this.path, sessionId, this.log);
    const gone = removal.then(() => {
      if (taken.get(this.path) === gone) taken.delete(this.path);
    });
    taken.set(this.path, gone);
    const disconnected = whenDisconnected(this.zk);
    await Promise.race([gone, disconnected.happened]);
    disconnected.stop();
    this.show({ kind: 'left' });
    this.states.complete();
  }

  /** One loop, so that nothing which it began can end behind its back. */
  private async run(removal: Promise<void> | undefined): Promise<void> {
    await removal;
    const { signal } = this.ending;
    while (this.leaving === null) {
      try {
        const options = { signal, deadlineMs: Infinity };
        const { sessionId } = await this.zk.whenConnected(options);
        await this.stand(sessionId);
      } catch (error) {
        if (error instanceof ClosedError || error instanceof AuthFailedError) {
          void this.leave();
          return;
        }
        if (error instanceof SessionExpiredError || error instanceof AbortedError) continue;
        if (!(error instanceof CoordinationError)) throw error;
        this.refused(error);
      }
      await this.rest();
    }
  }

  /** Makes the node in one session and looks after it, until it is gone. */
  private async stand(sessionId: bigint): Promise<void> {
    const options = { signal: this.ending.signal, deadlineMs: Infinity, inSession: sessionId };
    if (this.current.kind !== 'joined') this.show({ kind: 'joining', problem: null });
    // Before the create is sent: whatever becomes of it, its node is one of ours.
    this.sessionId = sessionId;
    const { sessions } = this.kin;
    if (!sessions.includes(sessionId)) sessions.push(sessionId);
    if (sessions.length > SESSIONS_MAX) sessions.shift();
    for (;;) {
      const stat = await this.enter(options);
      if (stat === null) continue;
      this.joined(stat, sessionId);
      await this.lookAfter(sessionId, options);
      if (this.leaving !== null) return;
      this.show({ kind: 'lost', reason: 'nodeDeleted' });
      this.log.warn(`somebody deleted ${this.path}; it is made again`);
      await this.rest();
      this.show({ kind: 'joining', problem: null });
    }
  }

  /** One attempt to make the node. null: look again. */
  private async enter(options: CallOptions & { inSession: bigint }): Promise<Stat | null> {
    const { zk, path, terms, data } = this;
    const { acl } = terms;
    const wanted = data.newest;
    try {
      const settings = { mode: 'ephemeral', acl, ...options } as const;
      const { stat } = await zk.create(path, wanted.data, settings);
      data.written(wanted);
      return stat;
    } catch (error) {
      if (error instanceof NoNodeError) {
        const { signal, deadlineMs } = options;
        const parents = { mode: 'container', acl, signal, deadlineMs } as const;
        await zk.ensurePath(parentPath(path) ?? '/', parents);
        return null;
      }
      if (error instanceof NodeExistsError) return this.examine(options);
      if (error instanceof ConnectionLossError) return null;
      if (error instanceof RequestTooLargeError) {
        data.refused(wanted, error);
        if (data.newest !== wanted) return null;
      }
      throw error;
    }
  }

  /** Somebody's node is there; says whose, and waits until it is not. null: look again. */
  private async examine(options: CallOptions & { inSession: bigint }): Promise<Stat | null> {
    const { zk, path } = this;
    try {
      const { stat, watch } = await zk.existsAndWatch(path, options);
      if (stat?.ephemeralOwner === options.inSession) {
        watch.cancel();
        // Its create was answered with a broken connection, so who knows which data it has.
        this.data.doubt();
        return stat;
      }
      if (stat === null || this.kin.sessions.includes(stat.ephemeralOwner)) {
        watch.cancel();
        return stat === null ? null : await this.replace(stat, options);
      }
      this.conflict(stat);
      await watch.fired;
      if (this.current.kind === 'conflict') this.show({ kind: 'joining', problem: null });
      return null;
    } catch (error) {
      if (error instanceof ConnectionLossError) return null;
      throw error;
    }
  }

  /** The node of an earlier session of ours gives way to a new one, and nobody sees neither. */
  private async replace(old: Stat, options: CallOptions): Promise<null> {
    const { zk, path, terms } = this;
    const { acl } = terms;
    try {
      await zk
        .transaction()
        .delete(path, { version: old.version })
        .create(path, this.data.newest.data, { mode: 'ephemeral', acl })
        .commit(options);
    } catch (error) {
      // The servers were faster, or the answer is lost: the next look tells.
      if (!(error instanceof TransactionFailedError || error instanceof ConnectionLossError)) {
        throw error;
      }
      const { cause } = error;
      const isGone = cause instanceof NoNodeError || cause instanceof BadVersionError;
      if (error instanceof TransactionFailedError && !isGone) throw cause;
    }
    return null;
  }

  /** Writes what is to be written, and returns when the node is not ours any more. */
  private async lookAfter(sessionId: bigint, options: CallOptions): Promise<void> {
    const { zk, path, data } = this;
    let watch: Watch | null = null;
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => (this.wake = resolve));
        try {
          await this.write(options);
          watch?.cancel();
          const look = await zk.existsAndWatch(path, options);
          watch = look.watch;
          if (look.stat?.ephemeralOwner !== sessionId) return;
          this.joined(look.stat, sessionId);
          if (!data.isWritten) continue;
          await Promise.race([watch.fired, woken]);
          // Its signal cancels the watch, too.
          if (this.leaving !== null) return;
        } catch (error) {
          if (error instanceof NoNodeError) return;
          if (!(error instanceof ConnectionLossError)) throw error;
        }
      }
    } finally {
      watch?.cancel();
    }
  }

  private async write(options: CallOptions): Promise<void> {
    const { zk, path, data } = this;
    while (!data.isWritten) {
      const wanted = data.newest;
      try {
        await zk.set(path, wanted.data, options);
        data.written(wanted);
      } catch (error) {
        const isTransient =
          error instanceof ConnectionLossError ||
          error instanceof SessionExpiredError ||
          error instanceof NoNodeError ||
          error instanceof AbortedError;
        if (isTransient || !(error instanceof CoordinationError)) throw error;
        data.refused(wanted, error);
      }
    }
  }

  private onSession(state: SessionState): void {
    const isThere = this.current.kind === 'joined' || this.current.kind === 'suspended';
    if (state.kind === 'suspended' && isThere) {
      const { sessionId, lostAtMs } = state;
      this.show({ kind: 'suspended', sessionId, lostAtMs });
    } else if (state.kind === 'lost' && isThere) {
      this.show({ kind: 'lost', reason: 'sessionLost' });
    }
    // The same session goes on: the loop looks whether the node does, too.
    this.wake();
  }

  private joined({ czxid }: Stat, sessionId: bigint): void {
    const { state } = this.zk;
    const isConnected = state.kind === 'connected' || state.kind === 'reconnected';
    // An answer from before the connection broke says nothing about now.
    if (!isConnected || state.sessionId !== sessionId) return;
    const { current } = this;
    if (current.kind === 'joined' && current.czxid === czxid) return;
    if (current.kind !== 'suspended') this.joinedAtMs = this.zk.clock.monotonicMs();
    this.show({ kind: 'joined', sessionId, czxid });
  }

  private conflict({ ephemeralOwner, ctime }: Stat): void {
    const owner = ephemeralOwner;
    if (this.current.kind === 'conflict' && this.current.owner === owner) return;
    this.show({ kind: 'conflict', owner, since: new Date(Number(ctime)) });
    const whose = owner === 0n ? 'no session' : `the session 0x${owner.toString(16)}`;
    this.log.warn(`${this.path} is taken: its node belongs to ${whose}; waiting until it is gone`);
  }

  private refused(problem: CoordinationError): void {
    const before = this.current;
    const isNews = before.kind !== 'joining' || before.problem?.message !== problem.message;
    if (isNews) this.log.error(`${this.path} cannot be made: ${problem.message}`, { problem });
    this.show({ kind: 'joining', problem });
  }

  /** Nobody is served by making a node again and again as fast as it goes. */
  private async rest(): Promise<void> {
    const stoodMs = this.zk.clock.monotonicMs() - this.joinedAtMs;
    const isLong = this.current.kind === 'lost' && stoodMs >= STOOD_MS;
    const { pauseMs } = this;
    this.pauseMs = isLong ? PAUSE_MS : Math.min(Math.max(2 * pauseMs, PAUSE_MS), PAUSE_MS_MAX);
    if (!isLong && pauseMs > 0) await pause(this.zk.clock, pauseMs, this.ending.signal);
  }

  private show(state: PresenceState): void {
    const { current } = this;
    if (current.kind === 'left') return;
    if (current.kind === 'joining' && state.kind === 'joining') {
      if (current.problem === state.problem) return;
    }
    this.current = state;
    this.states.next(state);
  }
}

function kinOf(zk: ZooKeeper): Kin {
  let kin = kinOfClients.get(zk);
  if (kin === undefined) {
    kin = { taken: new Map<string, Promise<void> | null>(), sessions: [] };
    kinOfClients.set(zk, kin);
  }
  return kin;
}

function describe(state: PresenceState): string {
  if (state.kind === 'conflict') return 'the path is taken by another session';
  if (state.kind === 'joining' && state.problem !== null) return state.problem.message;
  return state.kind;
}
