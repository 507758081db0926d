import { assertNever, type Clock } from '@aviary/foundation';
import { isEphemeral } from '@aviary/protocol';
import { ReplaySubject, Subject, merge, type Observable } from 'rxjs';
import { Chroot } from './chroot.js';
import { InvalidArgumentError, type CoordinationError } from './errors.js';
import { HoldWatch } from './hold-watch.js';
import { SessionHost, type OwnerOutput } from './host/session-host.js';
import { Call, failureError } from './operations/call.js';
import type { CreateSettings, NodeInput } from './operations/arguments.js';
import { deleteGuaranteed } from './operations/guaranteed-delete.js';
import { limited, type Limits } from './operations/limited.js';
import { NodeOperations } from './operations/node-operations.js';
import {
  ProtectedCreate,
  type ProtectedNode,
  type ProtectedPorts,
} from './operations/protected-create.js';
import { stamped, type CallOptions, type Operation } from './operations/operation.js';
import type { ClientSettings } from './options.js';
import type { Credential } from './session/session-io.js';
import type { WatchTableName } from './session/watch-table.js';
import type { Connected, Reconnected, SessionState } from './session-state.js';
import type { WatchReader, WatchedRead } from './watches/node-streams.js';
import { TreeHub } from './watches/tree-hub.js';
import { WatchHandle } from './watches/watch.js';

/** How long it takes until what the server could not serve is tried again. */
const PAUSE_MS = 1_000;
const FOREVER: CallOptions = { deadlineMs: Infinity };

interface AuthWaiter {
  readonly resolve: () => void;
  readonly reject: (error: CoordinationError) => void;
}

/** Joins promises, signals and streams to the session: everything behind the public methods. */
export class ClientKernel {
  readonly operations: NodeOperations;
  readonly trees: TreeHub;
  readonly host: SessionHost;
  readonly holds: HoldWatch;
  private readonly settings: ClientSettings;
  private readonly clock: Clock;
  private readonly states = new ReplaySubject<SessionState>(1);
  private readonly authWaiters = new Map<Credential, AuthWaiter>();
  /** Those of the options that no server has accepted yet. */
  private readonly firstCredentials = new Set<Credential>();
  private readonly firstCredentialsAccepted = new Subject<void>();
  private started = false;
  private current: SessionState = { kind: 'connecting' };

  constructor(settings: ClientSettings) {
    const { target, session } = settings;
    const chroot = new Chroot(target.chroot);
    this.settings = settings;
    this.clock = settings.clock;
    this.operations = new NodeOperations(chroot, session.frameBytesMax);
    this.host = new SessionHost(session, target.servers, settings, (output) =>
      this.onOutput(output),
    );
    this.holds = new HoldWatch(settings.clock, this.host);
    this.trees = new TreeHub(chroot, (input) => {
      this.start();
      this.host.dispatch(input);
    });
    this.states.next(this.current);
    for (const { scheme, auth } of settings.auth) {
      const credential = credentialOf(scheme, auth);
      this.firstCredentials.add(credential);
      this.dispatchCredential(credential);
    }
  }

  get state(): SessionState {
    return this.current;
  }

  get state$(): Observable<SessionState> {
    return this.states.asObservable();
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    this.host.dispatch({ kind: 'start' });
  }

  /** Sends a request and settles with its answer. */
  run<T>(operation: Operation<T>, options: CallOptions): Promise<T> {
    return this.submit(operation, options, null);
  }

  /** For calls of several requests: the same options, with what is left of the deadline. */
  sharedDeadline(options: CallOptions): () => CallOptions {
    const deadlineMs = this.deadlineOf(options.deadlineMs, this.settings.requestDeadlineMs);
    const untilMs = this.host.nowMs() + deadlineMs;
    return () => ({
      ...options,
      deadlineMs: Math.max(untilMs - this.host.nowMs(), 0),
    });
  }

  async createProtected(
    path: string,
    data: NodeInput | undefined,
    settings: CreateSettings & CallOptions,
  ): Promise<ProtectedNode> {
    const { operations } = this;
    // Refuses bad arguments before anything is waited for.
    const { request } = operations.createBody('createProtected', path, data, settings);
    const rest = this.sharedDeadline(settings);
    const sessionId = settings.inSession ?? (await this.whenConnected(rest())).sessionId;
    const ports: ProtectedPorts = {
      random: this.settings.random,
      create: (at, bytes, options) => this.run(operations.create(at, bytes, settings), options),
      sync: (at, options) => this.run(operations.sync(at), options),
      children: (at, options) => this.run(operations.children(at, false), options),
      exists: (at, options) => this.run(operations.exists(at, false), options),
      deleteGuaranteed: (at, inSession) => this.deleteGuaranteed(at, inSession),
      reportLeftover: (at, error) =>
        this.settings.log.error(`a node at ${at} may be left behind`, { error }),
    };
    const ephemeral = isEphemeral(request.flags);
    return new ProtectedCreate(ports, path, sessionId, ephemeral).run(request.data, rest);
  }

  deleteGuaranteed(path: string, inSession: bigint | undefined): Promise<void> {
    const operation = this.operations.delete(path, {});
    return deleteGuaranteed({
      attempt: () => this.run(operation, { ...FOREVER, inSession }),
      pause: () => this.pause(undefined),
      endsWithSession: inSession !== undefined,
    });
  }

  /** Sends a read that sets a watch. The watch is there before the request leaves. */
  async runWatched<T>(
    operation: Operation<T>,
    table: WatchTableName,
    options: CallOptions,
  ): Promise<WatchedRead<T>> {
    const client = operation.path ?? '/';
    const paths = { client, server: this.operations.serverPath(client) };
    const watch = new WatchHandle(table, paths, (ended) =>
      this.host.dispatch({ kind: 'cancelWatch', watch: ended }),
    );
    const result = await this.submit(stamped(operation), options, watch);
    if (options.signal !== undefined) watch.cancelWith(options.signal);
    return { ...result, watch };
  }

  /** What the streams read with. */
  readonly reader: WatchReader = {
    readData: (path, signal) =>
      this.runWatched(this.operations.get(path, true), 'data', { ...FOREVER, signal }),
    readChildren: (path, signal) =>
      this.runWatched(this.operations.children(path, true), 'child', { ...FOREVER, signal }),
    readStat: (path, signal) =>
      this.runWatched(this.operations.exists(path, true), 'data', { ...FOREVER, signal }),
    history: () => this.host.core.history,
    pause: (signal) => this.pause(signal),
  };

  /** Resolves with the state as soon as there is a session, a connection and every identity. */
  whenConnected(options: CallOptions): Promise<Connected | Reconnected> {
    this.start();
    const limits = this.limits('whenConnected', true, options);
    return limited(this.clock, limits, (resolve, reject) => {
      const changes = merge(this.states, this.firstCredentialsAccepted);
      const subscription = changes.subscribe(() => {
        const state = this.current;
        if (state.kind === 'connected' || state.kind === 'reconnected') {
          if (this.firstCredentials.size === 0) resolve(state);
        } else if (state.kind === 'authFailed' || state.kind === 'closed') {
          reject(this.endedError('whenConnected', state.kind));
        }
      });
      return () => subscription.unsubscribe();
    });
  }

  addAuth(scheme: string, auth: string | Uint8Array, options: CallOptions): Promise<void> {
    const credential = credentialOf(scheme, auth);
    this.start();
    return limited(this.clock, this.limits('addAuth', false, options), (resolve, reject) => {
      this.authWaiters.set(credential, { resolve, reject });
      this.dispatchCredential(credential);
      return () => this.authWaiters.delete(credential);
    });
  }

  close(deadlineMs: number | undefined): Promise<void> {
    const nowMs = this.host.nowMs();
    const untilMs = nowMs + this.deadlineOf(deadlineMs, this.settings.closeTimeoutMs);
    const closed = new Promise<void>((resolve) => {
      this.states.subscribe({ complete: resolve });
    });
    this.host.dispatch({ kind: 'close', nowMs, untilMs });
    return closed;
  }

  private submit<T>(
    operation: Operation<T>,
    options: CallOptions,
    watch: WatchHandle | null,
  ): Promise<T> {
    this.start();
    const { signal, inSession } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        const detail = 'the signal was aborted';
        const notes = { sent: false, detail, problem: null, cause: signal.reason as unknown };
        reject(failureError(operation, 'aborted', notes));
        return;
      }
      const nowMs = this.host.nowMs();
      const deadlineMs = this.deadlineOf(options.deadlineMs, this.settings.requestDeadlineMs);
      const terms = { nowMs, deadlineMs, inSession: inSession ?? null, watch };
      const call = new Call(operation, terms, resolve, reject);
      if (signal !== undefined) {
        call.abortWith(signal, () => this.host.dispatch({ kind: 'abort', request: call }));
      }
      this.host.dispatch({ kind: 'submit', request: call });
    });
  }

  private onOutput(output: OwnerOutput): void {
    switch (output.kind) {
      case 'replied':
        if (output.request instanceof Call) output.request.answered(output.reply);
        return;
      case 'failed':
        if (output.request instanceof Call) {
          const { sent, detail } = output;
          output.request.failed(output.reason, { sent, detail, problem: this.problem() });
        }
        return;
      case 'watchEnded':
        if (output.watch instanceof WatchHandle) output.watch.ended(output.event);
        return;
      case 'tree':
        return this.trees.signal(output.path, output.mode, output.signal);
      case 'authSettled':
        return this.onAuthSettled(output.credential, output.result);
      case 'doubted':
        return this.holds.check();
      case 'state':
        return this.onState(output.state);
      default:
        return assertNever(output);
    }
  }

  private onState(state: SessionState): void {
    this.current = state;
    this.states.next(state);
    this.holds.check();
    if (state.kind === 'authFailed') {
      this.trees.end(this.endedError('watchTree', 'authFailed'));
    } else if (state.kind === 'closed') {
      this.trees.end(null);
      this.states.complete();
    }
  }

  private onAuthSettled(credential: Credential, result: 'accepted' | 'refused' | 'closed'): void {
    if (result === 'accepted' && this.firstCredentials.delete(credential)) {
      if (this.firstCredentials.size === 0) this.firstCredentialsAccepted.next();
    }
    const waiter = this.authWaiters.get(credential);
    if (waiter === undefined) return;
    if (result === 'accepted') waiter.resolve();
    else waiter.reject(this.endedError('addAuth', result === 'closed' ? 'closed' : 'authFailed'));
  }

  private dispatchCredential(credential: Credential): void {
    this.host.dispatch({ kind: 'addAuth', credential, nowMs: this.host.nowMs() });
  }

  private async pause(signal: AbortSignal | undefined): Promise<void> {
    const limits = { signal, deadlineMs: PAUSE_MS, errorFor: () => new Error('over') };
    const closed = limited<null>(this.clock, limits, (resolve) => {
      const subscription = this.states.subscribe({ complete: () => resolve(null) });
      return () => subscription.unsubscribe();
    });
    await closed.catch(() => undefined);
  }

  /** Why there is no connection, for errors; null if there is one. */
  private problem(): string | null {
    const { kind } = this.current;
    if (kind === 'connected' || kind === 'reconnected') return null;
    return this.host.lastProblem;
  }

  private limits(name: string, repeatable: boolean, options: CallOptions): Limits {
    const { signal } = options;
    const deadlineMs = this.deadlineOf(options.deadlineMs, this.settings.requestDeadlineMs);
    const operation = { name, path: null, repeatable };
    return {
      signal,
      deadlineMs,
      errorFor: (reason) => {
        const detail =
          reason === 'aborted' ? 'the signal was aborted' : `not within ${deadlineMs} ms`;
        const cause: unknown = reason === 'aborted' ? signal?.reason : undefined;
        return failureError(operation, reason, {
          sent: !repeatable,
          detail,
          problem: this.problem(),
          cause,
        });
      },
    };
  }

  private endedError(name: string, by: 'authFailed' | 'closed'): CoordinationError {
    const detail = by === 'closed' ? 'the client is closed' : 'the server refused the credentials';
    const operation = { name, path: null, repeatable: true };
    return failureError(operation, by, { sent: false, detail, problem: null });
  }

  private deadlineOf(deadlineMs: number | undefined, fallbackMs: number): number {
    if (deadlineMs === undefined) return fallbackMs;
    if (typeof deadlineMs === 'number' && deadlineMs >= 0) return deadlineMs;
    throw new InvalidArgumentError(
      `deadlineMs must be a number of milliseconds from now, not ${String(deadlineMs)}`,
    );
  }
}

function credentialOf(scheme: string, auth: string | Uint8Array): Credential {
  if (typeof scheme !== 'string' || scheme === '') {
    throw new InvalidArgumentError('addAuth: the scheme must be a name such as "digest"');
  }
  if (typeof auth !== 'string' && !(auth instanceof Uint8Array)) {
    throw new InvalidArgumentError('addAuth: credentials must be a string or bytes');
  }
  return { scheme, auth: Uint8Array.from(Buffer.from(auth)) };
}
