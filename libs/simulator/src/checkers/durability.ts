import { HistoryOrder, type Violation } from './violation.js';

/** A write as its client saw it. Values of one key must differ, or a loss could hide. */
export interface DurableWrite {
  readonly key: string;
  /** null: the key was deleted. */
  readonly value: string | null;
  /** Place of the write in the one order of all writes (its zxid); null: no answer came. */
  readonly order: number | null;
}

/** The writes of a run, for {@link checkDurability}. */
export class WriteHistory {
  private readonly begun = new Map<number, DurableWrite>();
  private readonly handles = new HistoryOrder();

  /** Every write that was acknowledged or whose outcome is unknown. */
  get writes(): readonly DurableWrite[] {
    return [...this.begun.values()];
  }

  /** Notes that a write is sent. Unless the result is told more, its outcome is unknown. */
  begin(key: string, value: string | null): PendingWrite {
    const handle = this.handles.next();
    this.begun.set(handle, { key, value, order: null });
    return {
      acknowledged: (order) => this.begun.set(handle, { key, value, order }),
      notApplied: () => this.begun.delete(handle),
    };
  }
}

/** A write that was sent. */
export interface PendingWrite {
  /** The server said that it did it, with this zxid. */
  acknowledged(order: number): void;
  /** The server said that it did not and never will. */
  notApplied(): void;
}

interface AcknowledgedWrite extends DurableWrite {
  readonly order: number;
}

/** What the server has after its recovery. */
export interface RecoveredState {
  /** Value of a key; null: there is no such key. */
  readonly valueOf: (key: string) => string | null;
  /** The last write that it knows of (last zxid), if it tells. */
  readonly lastOrder?: number;
}

/**
 * Finds acknowledged writes that a recovery lost, and values that nobody wrote.
 *
 * A key must have the value of its last acknowledged write, or of a write whose outcome is unknown:
 * that one may have happened at any time after it was sent.
 */
export function checkDurability(
  writes: readonly DurableWrite[],
  recovered: RecoveredState,
): Violation[] {
  const violations: Violation[] = [];
  const { lastOrder } = recovered;
  for (const [key, ofKey] of byKey(writes)) {
    const last = lastAcknowledged(ofKey);
    const value = recovered.valueOf(key);
    if (last !== null && lastOrder !== undefined && last.order > lastOrder) {
      violations.push({
        rule: 'no acknowledged write is lost',
        message: `write ${last.order} of ${key} was acknowledged; recovered is only ${lastOrder}`,
      });
    }
    if (value === (last?.value ?? null)) continue;
    if (ofKey.some((write) => write.order === null && write.value === value)) continue;
    violations.push(explain(key, value, last, ofKey));
  }
  return violations;
}

function explain(
  key: string,
  value: string | null,
  last: AcknowledgedWrite | null,
  writes: readonly DurableWrite[],
): Violation {
  const wasWritten = value === null || writes.some((write) => write.value === value);
  if (last === null || !wasWritten) {
    return {
      rule: 'no value appears that nobody wrote',
      message: `${key} is ${shown(value)}, which no write can have left`,
    };
  }
  return {
    rule: 'no acknowledged write is lost',
    message: `${key} is ${shown(value)}; acknowledged was ${shown(last.value)} (${last.order})`,
  };
}

function shown(value: string | null): string {
  return value === null ? 'absent' : `"${value}"`;
}

function byKey(writes: readonly DurableWrite[]): Map<string, DurableWrite[]> {
  const groups = new Map<string, DurableWrite[]>();
  for (const write of writes) {
    const group = groups.get(write.key);
    if (group === undefined) groups.set(write.key, [write]);
    else group.push(write);
  }
  return groups;
}

function lastAcknowledged(writes: readonly DurableWrite[]): AcknowledgedWrite | null {
  let last: AcknowledgedWrite | null = null;
  for (const write of writes) {
    const { order } = write;
    if (order !== null && order > (last?.order ?? -Infinity)) last = { ...write, order };
  }
  return last;
}
