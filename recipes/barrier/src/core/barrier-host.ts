import { parentPath, type Log, type Timer } from '@aviary/foundation';
import {
  ConnectionLossError,
  InvalidArgumentError,
  SessionExpiredError,
  type Acl,
  type CallOptions,
  type ZooKeeper,
} from '@aviary/client';
import { Removals, checkSignal } from '@aviary/coordination';
import { BarriersClosedError } from './barrier-errors.js';
import type { Round } from './round.js';
import { sweepReady } from './stale-ready.js';
import { Wait, type WaitOptions } from './wait.js';

/** What a {@link BarrierHost} is made of. */
export interface BarrierHostTerms {
  readonly zk: ZooKeeper;
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  readonly attemptMs: number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
}

/** What the barriers of one `Barriers` share: the client, and what is going on just now. */
export class BarrierHost {
  readonly zk: ZooKeeper;
  readonly identity: string;
  readonly acl: readonly Acl[] | undefined;
  readonly removals: Removals;
  /** The rounds that this process is inside of. */
  readonly rounds = new Set<Round>();
  private readonly sweeps = new Set<Promise<void>>();
  private onOutside: (() => void)[] = [];
  private readonly terms: BarrierHostTerms;
  private readonly waits = new Map<Wait, string>();
  private isClosed = false;

  constructor(terms: BarrierHostTerms) {
    this.terms = terms;
    this.zk = terms.zk;
    this.identity = terms.identity;
    this.acl = terms.acl;
    this.removals = new Removals(terms.zk, terms.log);
  }

  /** Runs `body` within the limits that the caller sets. */
  async wait<T>(
    operation: string,
    path: string,
    options: WaitOptions,
    body: (wait: Wait) => Promise<T>,
  ): Promise<T> {
    const { waitMs, signal } = options;
    checkWait(options);
    // What is inside may still leave.
    if (this.isClosed && operation !== 'leave') throw new BarriersClosedError(operation, path);
    const { zk, attemptMs } = this.terms;
    const wait = new Wait({ zk, operation, path, attemptMs, waitMs, signal });
    this.waits.set(wait, operation);
    try {
      return await wait.run(() => body(wait));
    } finally {
      this.waits.delete(wait);
      this.lookOutside();
    }
  }

  /** Refuses what is new and ends what waits, with BarriersClosedError. Who leaves may go on. */
  stop(): void {
    this.isClosed = true;
    for (const [wait, operation] of this.waits) if (operation !== 'leave') wait.close();
  }

  /** As {@link stop}, and nobody waits for others any more. */
  stopAll(): void {
    this.stop();
    for (const wait of this.waits.keys()) wait.close();
  }

  /**
   * Deletes the `ready` of `path` once our member is `gone`, if it was the last one: who does not
   * wait for the others does not see whether he is.
   */
  sweepAfter(gone: Promise<unknown> | null, path: string): void {
    const sweep = Promise.resolve(gone)
      .then(() => sweepReady(this.zk, path))
      .finally(() => this.sweeps.delete(sweep));
    this.sweeps.add(sweep);
  }

  /** When nothing of ours is at the servers any more. */
  async whenAllGone(): Promise<void> {
    await this.removals.whenAllGone();
    await Promise.all(this.sweeps);
  }

  /** Our node in this round is gone. */
  left(round: Round): void {
    this.rounds.delete(round);
    this.lookOutside();
  }

  /** A round of ours was lost: it is none to wait for. */
  lost(): void {
    this.lookOutside();
  }

  /** When all rounds are left or lost, and we wait for nobody to leave one. */
  async whenOutside(): Promise<void> {
    if (this.isOutside) return;
    await new Promise<void>((resolve) => {
      this.onOutside.push(resolve);
    });
  }

  private get isOutside(): boolean {
    const isInside = [...this.rounds].some(({ lost }) => lost === null);
    return !isInside && ![...this.waits.values()].includes('leave');
  }

  private lookOutside(): void {
    if (this.isOutside) for (const resolve of this.onOutside.splice(0)) resolve();
  }

  /** Makes the directory of `path` and what is missing above it, as containers. */
  async ensureParent(path: string, options: CallOptions): Promise<void> {
    const parent = parentPath(path);
    if (parent === null || parent === '/') return;
    await this.zk.ensurePath(parent, { ...options, mode: 'container', acl: this.acl });
  }

  /** Whether `error` is a broken connection or a session that ended: nothing to stop a wait for. */
  isPassing(error: unknown, wait: Wait): boolean {
    const isBroken = error instanceof ConnectionLossError || error instanceof SessionExpiredError;
    return isBroken && !wait.isCut;
  }

  /** Waits for a random time below `spreadMs`, so that not everybody goes on in the same moment. */
  async spread(spreadMs: number, wait: Wait): Promise<void> {
    if (spreadMs === 0) return;
    let timer: Timer | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.zk.clock.setTimer(this.terms.random() * spreadMs, resolve);
    });
    await Promise.race([late, whenAborted(wait.signal)]);
    (timer as Timer | null)?.cancel();
  }
}

/** @throws {InvalidArgumentError} */
export function checkMs(name: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new InvalidArgumentError(
    `${name} must be a number of milliseconds from 0 up, not ${String(value)}`,
  );
}

/** @throws {InvalidArgumentError} */
export function checkWait({ waitMs, signal }: WaitOptions): void {
  checkMs('waitMs', waitMs);
  checkSignal(signal);
}

/** Resolves when `signal` aborts. The listener goes with the signal. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
