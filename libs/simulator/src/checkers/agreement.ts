import type { Violation } from './violation.js';

/** What somebody had at a place in an order. */
interface Testimony {
  readonly value: string;
  readonly witness: string;
}

/**
 * Everybody who comes to a place in an order has the same there: transactions at one zxid, digests of
 * trees that show the same zxid, leaders of one epoch.
 *
 * Each witness may testify as often as it likes, and need not come to every place.
 */
export class Agreement {
  /** One for each place at which two differed. */
  readonly violations: Violation[] = [];
  private readonly places = new Map<number, Testimony>();
  private readonly disputed = new Set<number>();

  /**
   * @param rule The promise, in a few words.
   * @param nameOf How a place is called.
   */
  constructor(
    private readonly rule: string,
    private readonly nameOf: (place: number) => string,
  ) {}

  /** What the first witness of a place had there; null: nobody came. */
  at(place: number): string | null {
    return this.places.get(place)?.value ?? null;
  }

  /** `witness` has `value` at `place`. */
  note(place: number, value: string, witness: string): void {
    const first = this.places.get(place);
    if (first === undefined) this.places.set(place, { value, witness });
    else if (first.value !== value && !this.disputed.has(place)) {
      this.disputed.add(place);
      this.violations.push({
        rule: this.rule,
        message:
          `at ${this.nameOf(place)} ${witness} has ${shortened(value)}, ` +
          `and ${first.witness} had ${shortened(first.value)}`,
      });
    }
  }
}

const SHOWN_MAX = 80;

function shortened(value: string): string {
  return value.length <= SHOWN_MAX ? value : `${value.slice(0, SHOWN_MAX)}...`;
}
