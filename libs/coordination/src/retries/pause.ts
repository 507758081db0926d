import type { Clock } from '@aviary/foundation';

/** Waits `pauseMs`, or until `signal` aborts. Never rejects, and leaves no timer and no listener. */
export function pause(clock: Clock, pauseMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimer(pauseMs, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
