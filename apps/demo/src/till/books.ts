import { Subject, type Observable } from 'rxjs';
import { StaleTokenError } from './stale-token-error.js';

/** Who closes the books, and by which right. */
export interface Closer {
  readonly instance: string;
  /** The fencing token of its term. */
  readonly token: bigint;
}

/** The books as they were closed once. */
export interface Closing extends Closer {
  /** How many writes the till had accepted. */
  readonly entries: number;
}

/** The books of the till, which the leader closes. They refuse one whose term is older than another's. */
export class Books {
  /** Every time that they were closed, in order. */
  readonly closings: Closing[] = [];
  private readonly subject = new Subject<Closing>();

  /** @param entryCount How many writes the till has accepted. */
  constructor(private readonly entryCount: () => number) {}

  /** Whenever somebody else than before closes them, or the same one in another term. Hot. */
  get closer$(): Observable<Closing> {
    return this.subject.asObservable();
  }

  /** @throws {StaleTokenError} Nothing was done. */
  close({ instance, token }: Closer): void {
    const newest = this.closings.at(-1)?.token ?? 0n;
    if (token < newest) throw new StaleTokenError(`term ${token} is older than ${newest}`);
    const closing = { instance, token, entries: this.entryCount() };
    this.closings.push(closing);
    if (token !== newest) this.subject.next(closing);
  }
}
