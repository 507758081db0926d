/** A timer that has been set and not yet fired. */
export interface Timer {
  /** Stops the timer. Does nothing once it has fired or been cancelled. */
  cancel(): void;
}

/**
 * Time, as a port: the system's clock in production, virtual time in the simulator.
 *
 * Nothing but this port may tell the time, so that a run is a function of its inputs.
 */
export interface Clock {
  /** Milliseconds since some fixed moment. Never steps, and goes on while the process is stopped. */
  monotonicMs(): number;

  /** Milliseconds since 1970, for stamps that people read (ctime, mtime). May step either way. */
  wallMs(): number;

  /** Runs `callback` once, `delayMs` from now or later. */
  setTimer(delayMs: number, callback: () => void): Timer;

  /** Runs `callback` after what has already arrived in this turn of the event loop was handled. */
  atEndOfTurn(callback: () => void): void;
}
