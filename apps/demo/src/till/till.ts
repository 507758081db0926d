import { Subject, type Observable } from 'rxjs';
import { Books } from './books.js';
import { StaleTokenError } from './stale-token-error.js';

/** Who works at the till, and by which right. */
export interface Visitor {
  readonly instance: string;
  /** The fencing token of its lease. */
  readonly token: bigint;
  /** The lock's node, which is there exactly as long as the lease. */
  readonly nodePath: string;
}

/** One accepted write. */
export interface LedgerEntry {
  readonly instance: string;
  readonly token: bigint;
  readonly balance: number;
}

/** What happens at the till beside orderly visits. */
export type TillEvent =
  | { readonly kind: 'tookOver'; readonly visitor: Visitor; readonly from: Visitor }
  | { readonly kind: 'refused'; readonly visitor: Visitor; readonly newestToken: bigint }
  | { readonly kind: 'met'; readonly visitor: Visitor; readonly other: Visitor };

/** Two hold the lock at the same time, which must never happen. */
export class TwoHoldersError extends Error {}

/**
 * The resource that the lock is there for: a balance that is read, added to and written back, so two
 * visitors at once would lose money.
 *
 * It refuses every token that is older than the newest it has seen. When someone enters while another's
 * visit is open, it looks whether that one's lock node is still there. If it is gone, its lease is over
 * and the visit is taken over; if not, two holders have met.
 */
export class Till {
  /** What was accepted, in order. */
  readonly ledger: LedgerEntry[] = [];
  /** What the leader closes. */
  readonly books = new Books(() => this.ledger.length);
  /** How often something was refused. */
  refusals = 0;
  /** How often two holders met. */
  meetings = 0;
  private balance = 0;
  private newestToken = 0n;
  private open: Visitor | null = null;
  private readonly subject = new Subject<TillEvent>();

  /** @param stillHolds Whether a visitor's lock node exists. */
  constructor(private readonly stillHolds: (visitor: Visitor) => Promise<boolean>) {}

  /** Hot; tells what happens from now on. Never errors or completes. */
  get events$(): Observable<TillEvent> {
    return this.subject.asObservable();
  }

  /** False: an update got lost. */
  get isBalanced(): boolean {
    return this.balance === this.ledger.length;
  }

  /**
   * Begins a visit.
   *
   * @returns The balance.
   * @throws {StaleTokenError} @throws {TwoHoldersError}
   */
  async enter(visitor: Visitor): Promise<number> {
    if (visitor.token <= this.newestToken) this.refuse(visitor);
    const before = this.open;
    this.newestToken = visitor.token;
    this.open = visitor;
    const { balance } = this;
    if (before === null) return balance;
    if (await this.stillHolds(before)) {
      this.meetings++;
      this.subject.next({ kind: 'met', visitor, other: before });
      throw new TwoHoldersError(`${visitor.instance} met ${before.instance}: both hold the lock`);
    }
    this.subject.next({ kind: 'tookOver', visitor, from: before });
    return balance;
  }

  /** Writes the balance. @throws {StaleTokenError} */
  book(visitor: Visitor, balance: number): void {
    this.check(visitor);
    this.balance = balance;
    this.ledger.push({ instance: visitor.instance, token: visitor.token, balance });
  }

  /** Ends a visit. @throws {StaleTokenError} */
  leave(visitor: Visitor): void {
    this.check(visitor);
    this.open = null;
  }

  private check(visitor: Visitor): void {
    if (this.open === null || visitor.token !== this.newestToken) this.refuse(visitor);
  }

  private refuse(visitor: Visitor): never {
    const { newestToken } = this;
    this.refusals++;
    this.subject.next({ kind: 'refused', visitor, newestToken });
    throw new StaleTokenError(`token ${visitor.token} is not newer than ${newestToken}`);
  }
}
