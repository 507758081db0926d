import type { ByteStream } from '@aviary/foundation';
import type { ServerPorts } from '../server-ports.js';

/** A leader of ours listens at once; one of ZooKeeper's takes a while longer to find out that it leads. */
const PAUSE_MS = 10;

/** Where the leader may be reached. */
export interface LeaderAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Connects to a leader, for as long as it may take that to find out that it leads. Names are resolved
 * again for every attempt.
 *
 * @param limitMs For all attempts together.
 * @param attemptMs For one.
 * @param isWanted Asked after each attempt.
 * @returns A stream that was not started; null: the leader was not reached, or is not wanted any more.
 */
export async function connectToLeader(
  { clock, network }: Pick<ServerPorts, 'clock' | 'network'>,
  addresses: readonly LeaderAddress[],
  { attemptMs, limitMs }: { readonly attemptMs: number; readonly limitMs: number },
  isWanted: () => boolean,
): Promise<ByteStream | null> {
  const untilMs = clock.monotonicMs() + limitMs;
  const connect = async ({ host, port }: LeaderAddress): Promise<ByteStream | null> => {
    try {
      const address = (await network.resolve(host)).at(0);
      if (address === undefined) return null;
      return await network.connect({ address, port }, attemptMs);
    } catch {
      return null;
    }
  };
  for (;;) {
    for (const address of addresses) {
      const stream = await connect(address);
      if (isWanted()) {
        if (stream !== null) return stream;
        continue;
      }
      stream?.destroy();
      return null;
    }
    if (!isWanted() || clock.monotonicMs() > untilMs) return null;
    await new Promise<void>((resolve) => clock.setTimer(PAUSE_MS, resolve));
  }
}
