import { AbortedError } from '@aviary/client';
import type { Lease, LeaseLostError } from '@aviary/coordination';
import type { Clock, Log, Timer } from '@aviary/foundation';
import { Observable, Subject, defer, from, isObservable, takeUntil, type Subscriber } from 'rxjs';
import type { LockClient } from '../core/lock-client.js';
import { LockBusyError, LockTimeoutError, LockUpgradeError } from '../core/lock-errors.js';
import type { GuardedCall } from './call-policy.js';
import { LockSetupError } from './lock-setup-error.js';
import { Holding, LockedScope, currentScope, runInScope } from './locked-scope.js';
import { Turns } from './turns.js';

/** What a {@link LockGuard} works with. */
export interface GuardPorts {
  readonly locks: LockClient;
  readonly clock: Clock;
  readonly log: Log;
  /** For calls that say nothing else. Unset: no limit. */
  readonly defaults: {
    readonly waitMs: number | undefined;
    readonly maxHoldMs: number | undefined;
  };
}

/** A call that has its lock. */
interface Entry {
  readonly scope: LockedScope;
  readonly lease: Lease;
  /** To be called once, when the call is over. Never rejects. */
  leave(): Promise<void>;
}

/**
 * Runs calls under locks, for one application: waits, hands the lease to what runs, and looks at the
 * end whether it was held all the time.
 *
 * It is reentrant along the async context: a call inside of a call that holds the same lock stands
 * on the same lease. Several such calls at the same time (`Promise.all`) take turns.
 */
export class LockGuard {
  private readonly ports: GuardPorts;
  private readonly holdings = new Set<Holding>();
  private whenIdle: (() => void) | null = null;
  private hasEnded = false;

  constructor(ports: GuardPorts) {
    this.ports = ports;
  }

  /** For calls that say nothing else. */
  get defaults(): GuardPorts['defaults'] {
    return this.ports.defaults;
  }

  /** Whether the application that it belongs to has come to its end. */
  get isEnded(): boolean {
    return this.hasEnded;
  }

  /**
   * Runs `body` under the lock of `call`. Its policies say what happens if that cannot be had, or kept.
   *
   * @throws what `LockClient.acquire` throws, what `body` throws, and LeaseLostError.
   */
  async run(call: GuardedCall, body: () => unknown): Promise<unknown> {
    let entry: Entry;
    try {
      entry = await this.enter(call);
    } catch (error) {
      return busyResult(call, error);
    }
    const disarm = this.armLoss(call, entry.lease);
    try {
      return await resultOf(call, entry, body);
    } finally {
      disarm();
      await entry.leave();
    }
  }

  /**
   * The stream of `body` under the lock of `call`: taken for each subscriber when it subscribes, kept
   * until its stream has ended.
   */
  stream(call: GuardedCall, body: () => Observable<unknown>): Observable<unknown> {
    return new Observable((subscriber) => {
      const canceller = new AbortController();
      this.enter(call, canceller.signal).then(
        (entry) => this.flow(call, entry, body, subscriber),
        (error: unknown) => busyStream(call, error).subscribe(subscriber),
      );
      return () => canceller.abort();
    });
  }

  /** Lets the stream of `body` flow; its end is told when the lock has been released. */
  private flow(
    call: GuardedCall,
    entry: Entry,
    body: () => Observable<unknown>,
    subscriber: Subscriber<unknown>,
  ): void {
    const { scope, lease } = entry;
    // Also a source that emits all at once, while it is being subscribed to, must hear of the end.
    const over = new Subject<void>();
    let isOver = false as boolean;
    const end = (tell: () => void): void => {
      if (isOver) return;
      isOver = true;
      disarm();
      over.next();
      void entry.leave().then(tell);
    };
    const fail = (error: unknown): void => end(() => subscriber.error(error));
    const disarm = this.armLoss(call, lease, fail);
    // Who unsubscribed while the lock was on its way ends it here.
    subscriber.add(() => end(() => undefined));
    const observer = {
      next: (value: unknown) => subscriber.next(value),
      error: (error: unknown) => fail(lossOf(call, lease, error) ?? error),
      complete: () => {
        const loss = lossOf(call, lease);
        if (loss === null) end(() => subscriber.complete());
        else fail(loss);
      },
    };
    if (isOver) return;
    runInScope(scope, () => defer(body).pipe(takeUntil(over)).subscribe(observer));
  }

  /**
   * Waits until no guarded call runs any more, at most `deadlineMs`. The locks must take no new ones
   * by then.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.hasEnded = true;
    if (this.holdings.size === 0) return;
    let timer: Timer | null = null;
    await new Promise<void>((resolve) => {
      this.whenIdle = resolve;
      timer = this.ports.clock.setTimer(deadlineMs, resolve);
    });
    (timer as Timer | null)?.cancel();
  }

  private async enter(call: GuardedCall, signal?: AbortSignal): Promise<Entry> {
    const { locks } = this.ports;
    const { mode } = call.wanted;
    const path = locks.pathOf(call.key);
    const outer = currentScope()?.alive() ?? null;
    const around = outer?.holderOf(this, path, (holding) => holding.covers(mode)) ?? null;
    if (around !== null) return this.nest(around, outer, call, signal);
    const isUpgrade = (holding: Holding) => mode === 'write' && holding.mode === 'read';
    if (outer?.holderOf(this, path, isUpgrade)) throw new LockUpgradeError(path, call.method);
    const lease = await acquire(locks, call, signal);
    const holding = new Holding(lease, mode, () => this.onEnd(holding));
    this.holdings.add(holding);
    const scope = new LockedScope(this, holding, outer);
    const leave = (): Promise<void> => {
      scope.isOver = true;
      return holding.leave();
    };
    return { scope, lease, leave };
  }

  /** Enters a lock that the caller's own flow holds already. */
  private async nest(
    around: LockedScope,
    outer: LockedScope | null,
    { waitMs }: GuardedCall,
    signal: AbortSignal | undefined,
  ): Promise<Entry> {
    const { holding } = around;
    const { lease } = holding;
    // Readers may stand on one lease at the same time, as they may on several.
    const turns = holding.mode === 'read' ? new Turns() : around.turns;
    const ahead = turns.length;
    // Joined before the wait: the lease outlives the call that took it, if that does not await us.
    holding.join();
    if (!(await turns.take({ waitMs, signal, clock: this.ports.clock }))) {
      await holding.leave();
      throw turnError(lease.path, ahead, waitMs, signal);
    }
    const scope = new LockedScope(this, holding, outer);
    const leave = (): Promise<void> => {
      scope.isOver = true;
      turns.give();
      return holding.leave();
    };
    try {
      lease.assertHeld();
    } catch (error) {
      await leave();
      throw error;
    }
    return { scope, lease, leave };
  }

  /** Does what `onLost` says at the moment of the loss; returns how to stop that. */
  private armLoss(
    call: GuardedCall,
    lease: Lease,
    onAbort: (loss: LeaseLostError) => void = () => undefined,
  ): () => void {
    const onLoss = (): void => {
      const loss = lossOf(call, lease);
      if (loss !== null) onAbort(loss);
      else this.tellLoss(call, lease);
    };
    if (lease.signal.aborted) queueMicrotask(onLoss);
    lease.signal.addEventListener('abort', onLoss, { once: true });
    return () => lease.signal.removeEventListener('abort', onLoss);
  }

  private tellLoss({ method, args, onLost }: GuardedCall, lease: Lease): void {
    const { path, token, lost } = lease;
    const { log } = this.ports;
    if (lost === null) return;
    if (onLost === 'exit-process' && lost !== 'shutdown') {
      log.error(`${method}: ${lease.lostError(lost).message}; the process ends, as onLost says`);
      process.exit(1);
    }
    if (typeof onLost !== 'function') return;
    const tell = () => onLost({ method, args, path, token, reason: lost });
    // One that is async fits its type, too: nobody else would hear of its error.
    new Promise<void>((resolve) => resolve(tell())).catch((error: unknown) =>
      log.error(`onLost of ${method} threw`, { error }),
    );
  }

  private onEnd(holding: Holding): void {
    this.holdings.delete(holding);
    if (this.holdings.size === 0) this.whenIdle?.();
  }
}

function acquire(
  locks: LockClient,
  { key, wanted, waitMs, maxHoldMs }: GuardedCall,
  signal: AbortSignal | undefined,
): Promise<Lease> {
  const options = { waitMs, maxHoldMs, signal };
  switch (wanted.mode) {
    case 'mutex':
      return locks.acquire(key, options);
    case 'read':
      return locks.acquireRead(key, options);
    case 'write':
      return locks.acquireWrite(key, options);
    case 'permit':
      return locks.acquirePermit(key, { ...options, limit: wanted.limit });
  }
}

/** What the call rejects with if its lease was lost; null: it was not, or that does not matter. */
function lossOf({ onLost }: GuardedCall, lease: Lease, cause?: unknown): LeaseLostError | null {
  const { lost } = lease;
  return lost === null || onLost !== 'abort' ? null : lease.lostError(lost, 'unknown', cause);
}

/** What the body gives, if the lock was held until it had ended. */
async function resultOf(
  call: GuardedCall,
  { scope, lease }: Entry,
  body: () => unknown,
): Promise<unknown> {
  let result: unknown;
  try {
    result = await runInScope(scope, body);
  } catch (error) {
    throw lossOf(call, lease, error) ?? error;
  }
  const loss = lossOf(call, lease);
  if (loss !== null) throw loss;
  const { method, decorator } = call;
  if (isObservable(result)) {
    throw new LockSetupError(
      `${method} is under ${decorator} and returned an Observable, which its signature ` +
        'does not say: annotate it with Observable<...> and compile with emitDecoratorMetadata',
    );
  }
  if (isGenerator(result)) {
    throw new LockSetupError(
      `${method} is under ${decorator} and returned a generator, which would run when the lock has ` +
        'been released: return what it yields, or an Observable of it',
    );
  }
  return result;
}

function isGenerator(result: unknown): boolean {
  return /^\[object (Async)?Generator\]$/.test(Object.prototype.toString.call(result));
}

function isBusy(error: unknown): error is LockBusyError | LockTimeoutError {
  return error instanceof LockBusyError || error instanceof LockTimeoutError;
}

/** The call's result without its lock. @throws `error`, unless `onBusy` knows better. */
function busyResult({ method, args, onBusy }: GuardedCall, error: unknown): unknown {
  if (!isBusy(error) || onBusy === 'throw') throw error;
  return onBusy === 'skip' ? undefined : onBusy({ method, args, error });
}

function busyStream(call: GuardedCall, error: unknown): Observable<unknown> {
  return defer(() => {
    const result = busyResult(call, error);
    if (isObservable(result)) return result;
    return call.onBusy === 'skip' ? [] : from(Promise.resolve(result));
  });
}

function turnError(
  path: string,
  ahead: number,
  waitMs: number | undefined,
  signal: AbortSignal | undefined,
): Error {
  if (signal?.aborted === true || waitMs === undefined) {
    const facts = { outcome: 'notApplied', operation: 'acquire', path } as const;
    return new AbortedError(`acquire ${path}: the subscriber is gone`, facts);
  }
  if (waitMs === 0) return new LockBusyError({ noun: 'lock', path }, ahead);
  return new LockTimeoutError({ noun: 'lock', path }, { waitMs, ahead, behind: null });
}
