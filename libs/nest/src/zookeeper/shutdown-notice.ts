import { setTimeout as timeout } from 'node:timers';
import type { Log } from '@aviary/foundation';

/** Applications may ask for shutdown hooks after their start, so it is looked a little later. */
const LOOK_AFTER_MS = 2_000;

/**
 * Warns if nobody handles SIGTERM: the process would then end without closing its session, and what
 * depends on that, locks above all, would stay for the session timeout.
 *
 * @returns Takes the look back.
 */
export function warnWithoutShutdownHooks(log: Log): () => void {
  const timer = timeout(() => {
    if (process.listenerCount('SIGTERM') > 0) return;
    log.warn(
      'SIGTERM would end this process without closing its ZooKeeper session: locks and other ' +
        'ephemeral nodes would stay until it expires. Call app.enableShutdownHooks()',
    );
  }, LOOK_AFTER_MS).unref();
  return () => clearTimeout(timer);
}
