/**
 * So many items may pause outside of their places. When more have failed, something is wrong that
 * is not wrong with one of them, and taking still more items would not help.
 */
const AWAY_MAX = 100;

/** How many items a consumer works on at the same time. */
export class Places {
  private readonly count: number;
  private taken = 0;
  private away = 0;
  /** Those who gave their place up for a while, and want one again. */
  private readonly returning: (() => void)[] = [];
  private onFree: (() => void) | null = null;

  constructor(count: number) {
    this.count = count;
  }

  /** How many are free. */
  get free(): number {
    return this.count - this.taken;
  }

  /** Takes one of those that are free. */
  enter(): Place {
    this.taken++;
    return new Place(this);
  }

  /** Resolves when one is free, or {@link wake} is called. For one who waits at a time. */
  async whenFree(): Promise<void> {
    if (this.free > 0) return;
    await new Promise<void>((resolve) => (this.onFree = resolve));
  }

  /** Ends the wait of {@link whenFree}. */
  wake(): void {
    this.onFree?.();
    this.onFree = null;
  }

  /** @internal */
  give(): void {
    const next = this.returning.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.taken--;
    this.wake();
  }

  /** @internal false: there are too many who have done so. */
  goAway(): boolean {
    if (this.away >= AWAY_MAX) return false;
    this.away++;
    this.give();
    return true;
  }

  /** @internal Waits for a place, before all that is new. false: `signal` has aborted. */
  async comeBack(signal: AbortSignal): Promise<boolean> {
    this.away--;
    if (signal.aborted) return false;
    if (this.free > 0) {
      this.taken++;
      return true;
    }
    return new Promise((resolve) => {
      const end = (): void => {
        this.returning.splice(this.returning.indexOf(enter), 1);
        resolve(false);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', end);
        resolve(true);
      };
      this.returning.push(enter);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** The place of one item. */
export class Place {
  private readonly places: Places;
  private isOurs = true;

  /** @internal */
  constructor(places: Places) {
    this.places = places;
  }

  /** Gives it up for good. */
  leave(): void {
    if (!this.isOurs) return;
    this.isOurs = false;
    this.places.give();
  }

  /** Lets others have it until `pause` is over, unless too many do so already. */
  async lendDuring(pause: () => Promise<void>, signal: AbortSignal): Promise<void> {
    if (!this.places.goAway()) return pause();
    this.isOurs = false;
    await pause();
    this.isOurs = await this.places.comeBack(signal);
  }
}
