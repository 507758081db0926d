import { setTimeout as sleep } from 'node:timers/promises';
import { CoordinationError, type ZooKeeper } from '@aviary/client';
import type { Event, HoldKind, LedgerEntry, LedgerName, Line, Part } from '../history.js';
import type { WorkerSettings } from '../worker-orders.js';
import { nowUs } from './clock.js';

/** What a guarded transaction has: locks, roles, rounds, items of queues and shares. */
interface Guard {
  readonly token: bigint;
  transaction(): {
    create(
      path: string,
      data: string,
      options: { readonly mode: 'persistentSequential' },
    ): { commit(): Promise<unknown> };
  };
}

/** What can be lost. */
interface Holding {
  readonly token: bigint;
  readonly signal: AbortSignal;
}

/** The longest wait of a call that names one. */
export const WAIT_MS = 4_000;

/** Beyond that a call that names its longest wait has not kept to it. */
const LATE_MS = 300;

/** After an error that may be. */
const AGAIN_MS = 100;

/** What the parts of a worker share: its client, where things stand, and whom they tell. */
export class Stage {
  readonly zk: ZooKeeper;
  readonly settings: WorkerSettings;
  private readonly resting = new AbortController();
  private readonly loops: Promise<void>[] = [];
  /** Whether the mutex is to be held for longer when it is held next. */
  isToLinger = false;

  constructor(zk: ZooKeeper, settings: WorkerSettings) {
    this.zk = zk;
    this.settings = settings;
  }

  get isResting(): boolean {
    return this.resting.signal.aborted;
  }

  path(name: string): string {
    return `${this.settings.base}/${name}`;
  }

  tell(event: Event): void {
    const line: Line = { ...event, at: nowUs(), worker: this.settings.worker };
    process.send!(line);
  }

  did(part: Part): void {
    this.tell({ kind: 'did', part });
  }

  /** Does one thing again and again, with pauses of about `pauseMs`, until the worker rests. */
  repeat(part: Part, pauseMs: number, act: () => Promise<void>): void {
    this.loops.push(this.loop(part, pauseMs, act));
  }

  /** Begins nothing new; resolves when what was begun has ended. */
  async rest(): Promise<void> {
    this.resting.abort();
    await Promise.all(this.loops);
  }

  /** Reports an error that recipes may have; throws all others. */
  forgive(part: Part, error: unknown): void {
    if (!(error instanceof CoordinationError)) throw error;
    this.tell({ kind: 'failed', part, error: `${error.name}: ${error.message}` });
  }

  /** Watches whether a call keeps to the longest wait that it was given. */
  async within<T>(what: string, call: (waitMs: number) => Promise<T>): Promise<T> {
    const from = nowUs();
    try {
      return await call(WAIT_MS);
    } finally {
      const isLate = nowUs() - from > (WAIT_MS + LATE_MS) * 1000;
      if (isLate) this.tell({ kind: 'late', what, limitMs: WAIT_MS, from });
    }
  }

  /** Tells that something is held, and when it is lost; the function is for when it is given up. */
  held(hold: HoldKind, what: string, { token, signal }: Holding): () => void {
    const facts = { hold, what, token: Number(token) };
    this.tell({ kind: 'acquired', ...facts });
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', end);
      this.tell({ kind: 'ended', ...facts });
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return end;
  }

  /** Writes one line into a ledger: the servers take it only under the guard. */
  async enterInto(
    ledger: LedgerName,
    guard: Guard,
    facts: { readonly what?: string; readonly seen?: number; readonly token?: bigint } = {},
  ): Promise<void> {
    const { path, text } = this.entry(ledger, facts.token ?? guard.token, facts);
    await guard.transaction().create(path, text, { mode: 'persistentSequential' }).commit();
  }

  /** The node of an entry, for transactions that do more. */
  entry(
    ledger: LedgerName,
    token: bigint,
    { what = '', seen = 0 }: { readonly what?: string; readonly seen?: number } = {},
  ): { readonly path: string; readonly text: string } {
    const { worker } = this.settings;
    const entry: LedgerEntry = { worker, token: Number(token), what, seen };
    return { path: `${this.path('ledgers')}/${ledger}/`, text: JSON.stringify(entry) };
  }

  /** About so long, or until the worker rests. */
  async pause(ms: number): Promise<void> {
    const options = { signal: this.resting.signal };
    await sleep(ms * (0.5 + Math.random()), undefined, options).catch(() => undefined);
  }

  private async loop(part: Part, pauseMs: number, act: () => Promise<void>): Promise<void> {
    while (!this.isResting) {
      try {
        await act();
      } catch (error) {
        this.forgive(part, error);
        await this.pause(AGAIN_MS);
      }
      await this.pause(pauseMs);
    }
  }
}

/** Tells whenever timers did not run: the process was stopped, or starved. */
export function tellStalls(stage: Stage): () => void {
  let before = nowUs();
  const timer = setInterval(() => {
    const now = nowUs();
    if (now - before > STALL_US) stage.tell({ kind: 'stalled', from: before, to: now });
    before = now;
  }, STALL_LOOK_MS);
  return () => clearInterval(timer);
}

const STALL_LOOK_MS = 20;
const STALL_US = 100_000;
