import { HistoryOrder } from './violation.js';

/** When an operation can have taken effect: after it began and, if it ended, before that. */
interface Span {
  readonly key: string;
  readonly began: number;
  /** Infinity: no answer came. */
  readonly ended: number;
}

/** A write. With an answer it knows the version that it made. */
export interface RegisterWrite extends Span {
  readonly kind: 'write';
  readonly value: string;
  /** null: no answer came; it happened or not. */
  readonly version: number | null;
  /** The version that it was to replace (a conditional write); null: any. */
  readonly expectedVersion: number | null;
}

/** A read that was answered. */
export interface RegisterRead extends Span {
  readonly kind: 'read';
  readonly value: string;
  readonly version: number;
}

/** A conditional write that was refused: at some moment the version was not the expected one. */
export interface RegisterRefusal extends Span {
  readonly kind: 'refusal';
  readonly expectedVersion: number;
}

/** What a client did and what it was told, as {@link checkRegisters} judges it. */
export type RegisterOperation = RegisterWrite | RegisterRead | RegisterRefusal;

/** A write that was sent. */
export interface PendingRegisterWrite {
  /** It happened and made `version`. */
  applied(version: number): void;
  /** A conditional write was refused because of the version. */
  refused(): void;
  /** It did not happen, for another reason, and never will. */
  notApplied(): void;
}

/** A read that was sent. Without an answer it says nothing. */
export interface PendingRegisterRead {
  returned(version: number, value: string): void;
}

/**
 * Operations on registers whose every write makes the next version, as ZooKeeper's setData does.
 * For {@link checkRegisters}.
 */
export class RegisterHistory {
  private readonly order = new HistoryOrder();
  private readonly done: RegisterOperation[] = [];
  private readonly open = new Map<number, RegisterWrite>();

  /** What is known so far; writes without an answer count as of unknown outcome. */
  get operations(): readonly RegisterOperation[] {
    return [...this.done, ...this.open.values()];
  }

  /** Notes that a write is sent. Values of one key must differ. */
  write(key: string, value: string, expectedVersion: number | null = null): PendingRegisterWrite {
    const began = this.order.next();
    const write = { kind: 'write', key, value, began, expectedVersion } as const;
    this.open.set(began, { ...write, version: null, ended: Infinity });
    return {
      applied: (version) => {
        this.open.delete(began);
        this.done.push({ ...write, version, ended: this.order.next() });
      },
      refused: () => {
        this.open.delete(began);
        if (expectedVersion === null) return;
        const ended = this.order.next();
        this.done.push({ kind: 'refusal', key, expectedVersion, began, ended });
      },
      notApplied: () => {
        this.open.delete(began);
      },
    };
  }

  /** Notes that a read is sent. Only reads that promise the newest value (sync and read). */
  read(key: string): PendingRegisterRead {
    const began = this.order.next();
    return {
      returned: (version, value) => {
        this.done.push({ kind: 'read', key, value, version, began, ended: this.order.next() });
      },
    };
  }
}
