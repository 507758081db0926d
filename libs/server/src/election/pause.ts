import type { Clock, Timer } from '@aviary/foundation';

/** A wait that can be cut short. */
export class Pause {
  /** Resolves when the time has passed, or at {@link end}. Never rejects. */
  readonly over: Promise<void>;
  private readonly timer: Timer;
  private wake: () => void = () => undefined;

  constructor(clock: Clock, ms: number) {
    this.over = new Promise((resolve) => {
      this.wake = resolve;
    });
    this.timer = clock.setTimer(ms, this.wake);
  }

  end(): void {
    this.timer.cancel();
    this.wake();
  }
}
