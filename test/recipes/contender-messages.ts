/** What a contender is started with. */
export interface ContenderSettings {
  /** In the order in which they are tried: the first is where it connects. */
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly lockPath: string;
  /** How many writes were applied under the lock; each reads it, and writes one more. */
  readonly balancePath: string;
  /** Below it, one node for each of these writes: a {@link LedgerEntry}. */
  readonly ledgerPath: string;
}

/** What a contender wrote in one transaction with the balance. */
export interface LedgerEntry {
  readonly token: string;
  readonly balance: number;
}

/** What a contender asks, one thing at a time; it goes on when it is answered. */
export type ContenderQuestion =
  | { readonly kind: 'enter'; readonly token: string }
  | { readonly kind: 'write'; readonly token: string }
  | { readonly kind: 'leave'; readonly token: string; readonly lost: string | null };

/** What a contender tells. */
export type ContenderNews =
  | ContenderQuestion
  /** The ensemble has applied a write: the path of its entry in the ledger. */
  | { readonly kind: 'committed'; readonly token: string; readonly path: string }
  /** It has not applied one, for the lock's node is gone. */
  | { readonly kind: 'refused'; readonly token: string }
  | { readonly kind: 'state'; readonly state: string };

/** What a contender is told: the answer to its question, or that this visit is its last. */
export type ContenderOrder = 'yes' | 'no' | 'stop';
