import { DeadlineExceededError, type ZooKeeper } from '@aviary/client';
import type { Log } from '@aviary/foundation';
import { FAIL_AFTER_MS_DEFAULT, type ZooKeeperStartup } from './zookeeper-options.js';

/** How often a start that waits without limit says why it still does. */
const REPORT_EVERY_MS = 10_000;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Waits for the first session of a client as `startup` says.
 *
 * @throws what `connect` throws; AbortedError too if the process is told to stop meanwhile.
 */
export async function awaitFirstSession(
  client: ZooKeeper,
  startup: ZooKeeperStartup = { failAfterMs: FAIL_AFTER_MS_DEFAULT },
  log: Log,
): Promise<void> {
  if (startup === 'lazy') return;
  const stop = new StopSignals();
  try {
    if (startup !== 'wait') {
      await client.connect({ deadlineMs: failAfterMs(startup), signal: stop.signal });
      return;
    }
    while (!(await isConnectedWithin(REPORT_EVERY_MS, client, stop.signal, log)));
  } finally {
    stop.ignore();
  }
}

function failAfterMs(startup: unknown): number {
  const { failAfterMs } = Object(startup) as { failAfterMs?: unknown };
  if (typeof failAfterMs === 'number' && failAfterMs >= 0) return failAfterMs;
  throw new TypeError(
    `startup must be "wait", "lazy" or { failAfterMs }, not ${JSON.stringify(startup)}`,
  );
}

async function isConnectedWithin(
  deadlineMs: number,
  client: ZooKeeper,
  signal: AbortSignal,
  log: Log,
): Promise<boolean> {
  try {
    await client.connect({ deadlineMs, signal });
    return true;
  } catch (error) {
    if (!(error instanceof DeadlineExceededError)) throw error;
    log.warn(`the start waits for ZooKeeper: ${error.message}`);
    return false;
  }
}

/**
 * Nest holds the shutdown back until the start is over, so a start that waits must end when the
 * process is told to stop. Where nobody handles these signals they end the process, as they should.
 */
class StopSignals {
  private readonly controller = new AbortController();
  readonly signal = this.controller.signal;
  private readonly handled = STOP_SIGNALS.filter((name) => process.listenerCount(name) > 0);
  private readonly stop = (name: string) => this.controller.abort(new Error(name));

  constructor() {
    for (const name of this.handled) process.once(name, this.stop);
  }

  ignore(): void {
    for (const name of this.handled) process.off(name, this.stop);
  }
}
