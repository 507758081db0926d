import { pathProblem, silentLog, type Log } from '@aviary/foundation';
import {
  AbortedError,
  AuthFailedError,
  BadArgumentsError,
  ClosedError,
  CoordinationError,
  EphemeralOnLocalSessionError,
  InvalidAclError,
  InvalidArgumentError,
  InvalidPathError,
  NoAuthError,
  NoChildrenForEphemeralsError,
  RequestTooLargeError,
  SessionExpiredError,
  UnimplementedError,
  type Acl,
  type CallOptions,
  type NodeInput,
  type SessionState,
  type Stat,
  type ZooKeeper,
} from '@aviary/client';
import { ReplaySubject, type Observable, type Subscription } from 'rxjs';
import { pause } from '../retries/pause.js';
import { TimeLimit, type TimeLimits } from '../retries/time-limit.js';
import { kinOf, type Kin } from './kin.js';
import { whenDisconnected } from './own-node.js';
import { PresenceData } from './presence-data.js';
import {
  AlreadyPresentError,
  PresenceLeftError,
  TtlUnsupportedError,
  type PresenceLost,
  type PresenceState,
} from './presence-state.js';

/** The first pause after a refusal or a second deletion in a row; each later one is twice as long. */
const PAUSE_MS = 250;
const PAUSE_MS_MAX = 30_000;
/** A node that stood for so long is made again at once. */
const STOOD_MS = 10_000;

/** What does not pass by itself. */
const FINAL = [
  NoAuthError,
  InvalidAclError,
  InvalidArgumentError,
  BadArgumentsError,
  RequestTooLargeError,
  NoChildrenForEphemeralsError,
  EphemeralOnLocalSessionError,
  UnimplementedError,
  TtlUnsupportedError,
];

/** What every presence is made of. */
export interface StandingNodeTerms {
  readonly zk: ZooKeeper;
  /** The node. Missing parents are made as containers, which the servers remove when they are empty. */
  readonly path: string;
  readonly data: NodeInput;
  /** Who may do what with the node and its parents. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Where refusals and conflicts are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** What calls of one session take. */
export type SessionCallOptions = CallOptions & { readonly inSession: bigint };

/** Why somebody looks again: new data, or another connection. */
export type Wake = 'data' | 'connection';

/**
 * A node that stands for as long as the application wants: one loop that makes it, looks after it and makes
 * it again. What kind of node it is, and which one is ours, the subclasses say.
 */
export abstract class StandingNode<Terms extends StandingNodeTerms = StandingNodeTerms> {
  readonly path: string;
  protected readonly zk: ZooKeeper;
  protected readonly terms: Terms;
  protected readonly log: Log;
  protected readonly data: PresenceData;
  protected readonly kin: Kin;
  private readonly states = new ReplaySubject<PresenceState>(1);
  private readonly ending = new AbortController();
  private readonly sessionStates: Subscription;
  private current: PresenceState = { kind: 'joining', problem: null };
  private leaving: Promise<void> | null = null;
  /** Wakes who waits for it: new data, or another connection. */
  private wake: (why: Wake) => void = () => undefined;
  /** Since when it stands, or has stood until just now; null: not since the last rest. */
  private joinedAtMs: number | null = null;
  private pauseMs = 0;

  /**
   * Joins at once, in the background.
   *
   * @throws {InvalidPathError} @throws {InvalidArgumentError} @throws {RequestTooLargeError} @throws
   *   {AlreadyPresentError}
   */
  constructor(terms: Terms) {
    const { zk, path, data, log = silentLog } = terms;
    const isText = typeof path === 'string';
    const problem =
      path === '/' ? 'it must not be the root' : isText ? pathProblem(path) : 'no path';
    if (problem !== null) throw new InvalidPathError(`join: ${problem}`, { path });
    this.zk = zk;
    this.path = path;
    this.terms = terms;
    this.log = log;
    this.data = new PresenceData(data);
    this.kin = kinOf(zk);
    this.checkTerms();
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
   * @throws {NoAuthError} and the like: the servers refuse it, and the wait would be for nothing. Like the
   *   others below it ends only the wait: it goes on trying all the same.
   * @throws {DeadlineExceededError} Not within `waitMs`. @throws {AbortedError}
   * @throws {InvalidArgumentError} `waitMs` is no time. @throws {PresenceLeftError} It has left.
   */
  async whenJoined(limits: TimeLimits = {}): Promise<void> {
    const limit = new TimeLimit(this.zk.clock, limits);
    let subscription: Subscription | null = null;
    const settled = new Promise<void>((resolve, reject) => {
      subscription = this.states.subscribe((state) => {
        if (state.kind === 'joined' || state.kind === 'left') resolve();
        else if (state.kind === 'joining' && isFinal(state.problem)) reject(state.problem);
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
   * @throws {InvalidArgumentError} `data` or `waitMs` makes no sense. @throws {PresenceLeftError} It has left.
   */
  async update(data: NodeInput, limits: TimeLimits = {}): Promise<void> {
    if (this.leaving !== null) throw new PresenceLeftError('update', this.path);
    const limit = new TimeLimit(this.zk.clock, limits);
    // Says at once what no server needs to see.
    this.zk.transaction().set(this.path, data);
    const written = this.data.want(data);
    this.wake('data');
    const fate = { isWritten: false };
    await limit.race(written.then(() => (fate.isWritten = true)));
    if (!fate.isWritten) limit.assertLeft('update', this.path);
  }

  /**
   * Ends it: the node is deleted. Never rejects. Resolves when the servers have done so or it is gone by
   * itself; without a connection at once: the node is then deleted as soon as there is one.
   */
  leave(): Promise<void> {
    this.leaving ??= this.end();
    return this.leaving;
  }

  /** As {@link leave}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  /** Before anything begins. @throws {InvalidArgumentError} @throws {RequestTooLargeError} */
  protected abstract checkTerms(): void;

  /** Makes the node and looks after it as long as it is there, in one session. */
  protected abstract stand(sessionId: bigint, options: SessionCallOptions): Promise<void>;

  /** Deletes the node if it is there and ours. Nothing else is asked of the servers. Never rejects. */
  protected abstract remove(): Promise<void>;

  /** The connection is broken; nothing if that is not worth a word. */
  protected abstract onSuspended(state: SessionState & { readonly kind: 'suspended' }): void;

  /** The session is over. */
  protected abstract onSessionLost(): void;

  protected get isLeaving(): boolean {
    return this.leaving !== null;
  }

  /** Aborts when it leaves. */
  protected get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** Resolves at the next reason to look; to be called before the look that may already be late. */
  protected whenWoken(): Promise<Wake> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  /** The servers said that it is there, in this session. */
  protected joined(sessionId: bigint, owner: bigint, { czxid }: Pick<Stat, 'czxid'>): void {
    const { state } = this.zk;
    const isConnected = state.kind === 'connected' || state.kind === 'reconnected';
    // An answer from before the connection broke says nothing about now.
    if (!isConnected || state.sessionId !== sessionId) return;
    const { current } = this;
    if (current.kind === 'joined' && current.czxid === czxid) return;
    if (current.kind !== 'suspended') this.joinedAtMs = this.zk.clock.monotonicMs();
    this.show({ kind: 'joined', sessionId: owner, czxid });
  }

  /** It is not there any more; returns when it may be made again. */
  protected async gone(reason: PresenceLost['reason']): Promise<void> {
    this.show({ kind: 'lost', reason });
    const why = reason === 'nodeDeleted' ? 'somebody deleted it' : 'it was not touched in time';
    this.log.warn(`${this.path} is gone, since ${why}; it is made again`);
    await this.rest();
    this.joining();
  }

  /** A node that is not ours stands there. */
  protected conflict({ ephemeralOwner, ctime }: Stat): void {
    const owner = ephemeralOwner;
    if (this.current.kind === 'conflict' && this.current.owner === owner) return;
    this.show({ kind: 'conflict', owner, since: new Date(Number(ctime)) });
    const whose = owner === 0n ? 'no session' : `the session 0x${owner.toString(16)}`;
    this.log.warn(`${this.path} is taken: its node belongs to ${whose}; waiting until it is gone`);
  }

  /** On the way again. What it was refused for before is the news until it is there. */
  protected joining(): void {
    if (this.current.kind !== 'joining') this.show({ kind: 'joining', problem: null });
  }

  protected show(state: PresenceState): void {
    if (this.current.kind === 'left') return;
    this.current = state;
    this.states.next(state);
  }

  private async end(): Promise<void> {
    this.sessionStates.unsubscribe();
    this.ending.abort();
    this.data.end(new PresenceLeftError('update', this.path));
    const { taken } = this.kin;
    // A create that is on its way comes before this, in the same session.
    const removal = this.remove();
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
        if (this.current.kind !== 'joined' && this.current.kind !== 'suspended') this.joining();
        await this.stand(sessionId, { ...options, inSession: sessionId });
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

  private onSession(state: SessionState): void {
    if (state.kind === 'suspended') this.onSuspended(state);
    else if (state.kind === 'lost') this.onSessionLost();
    // The same session goes on: the loop looks whether the node does, too.
    this.wake('connection');
  }

  private refused(problem: CoordinationError): void {
    const before = this.current;
    if (before.kind === 'joining' && before.problem?.message === problem.message) return;
    this.log.error(`${this.path} cannot be made: ${problem.message}`, { problem });
    this.show({ kind: 'joining', problem });
  }

  /** Nobody is served by making a node again and again as fast as it goes. */
  private async rest(): Promise<void> {
    const { joinedAtMs, pauseMs } = this;
    this.joinedAtMs = null;
    const isLong = joinedAtMs !== null && this.zk.clock.monotonicMs() - joinedAtMs >= STOOD_MS;
    this.pauseMs = isLong ? PAUSE_MS : Math.min(Math.max(2 * pauseMs, PAUSE_MS), PAUSE_MS_MAX);
    if (!isLong && pauseMs > 0) await pause(this.zk.clock, pauseMs, this.ending.signal);
  }
}

/** Whether the servers would say the same again, however long somebody waits. */
function isFinal(problem: CoordinationError | null): problem is CoordinationError {
  return FINAL.some((ErrorClass) => problem instanceof ErrorClass);
}

function describe(state: PresenceState): string {
  if (state.kind === 'conflict') return 'the path is taken by another session';
  if (state.kind === 'joining' && state.problem !== null) return state.problem.message;
  return state.kind;
}
