import type { Clock, Timer } from '@aviary/foundation';
import { STAT_BYTES, StatOffset } from '@aviary/protocol';
import { goldenExchanges } from '../../../test/golden/exchanges.js';

const XID_BYTES = 4;
const ZXID_BYTES = 8;

/** Moments that the recorder's server could have stamped: those around the recording. */
function isPlausible(timeMs: bigint): boolean {
  return timeMs > 1_700_000_000_000n && timeMs < 2_000_000_000_000n;
}

/**
 * The time of every transaction that some recorded Stat tells: the Stat of a node has the zxid and
 * the time of its creation and of its last change side by side.
 */
export function recordedTimes(recordings: readonly string[]): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const { steps } of recordings.flatMap((recording) => goldenExchanges(recording))) {
    for (const step of steps) {
      if (step.kind !== 'received') continue;
      const view = new DataView(step.bytes.buffer, step.bytes.byteOffset, step.bytes.length);
      for (let at = 4 + XID_BYTES + ZXID_BYTES; at + STAT_BYTES <= step.bytes.length; at++) {
        const created = view.getBigInt64(at + StatOffset.ctime);
        const changed = view.getBigInt64(at + StatOffset.mtime);
        if (!isPlausible(created) || !isPlausible(changed)) continue;
        times.set(Number(view.getBigInt64(at + StatOffset.czxid)), Number(created));
        times.set(Number(view.getBigInt64(at + StatOffset.mzxid)), Number(changed));
      }
    }
  }
  return times;
}

/** A clock whose wall shows, at each transaction, the time that was recorded for it. */
export class GoldenClock implements Clock {
  /** The zxid that the next transaction gets. */
  nextZxid: () => number = () => 0;
  /** The last recorded time, and when it was. */
  private shown: { readonly wallMs: number; readonly atMs: number } | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly times: ReadonlyMap<number, number>,
    private readonly startMs: number,
  ) {}

  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  wallMs(): number {
    const recordedMs = this.times.get(this.nextZxid());
    const atMs = this.monotonicMs();
    if (recordedMs !== undefined) this.shown = { wallMs: recordedMs, atMs };
    if (this.shown === null) return this.startMs;
    return Math.floor(this.shown.wallMs + atMs - this.shown.atMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.clock.setTimer(delayMs, callback);
  }

  atEndOfTurn(callback: () => void): void {
    this.clock.atEndOfTurn(callback);
  }
}
