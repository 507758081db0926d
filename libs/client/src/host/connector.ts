import {
  randomBelow,
  shuffle,
  type ByteStream,
  type Clock,
  type Network,
  type Random,
  type Timer,
} from '@aviary/foundation';
import type { ServerName } from '../connection-string.js';

const BACKOFF_MS_FIRST = 200;
const BACKOFF_MS_MAX = 5_000;
/** A connection that lived this long was a success: the next failure starts the back-off anew. */
const STABLE_MS = 1_000;

/** Where the connector reaches the world. */
export interface ConnectorPorts {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Finds a server that accepts a connection, however long that takes.
 *
 * Servers take turns in an order that is shuffled once, so that clients spread. A name is looked up
 * at every attempt and all of its addresses are tried: in container platforms addresses change
 * under a name. Between attempts it waits a random part of a growing time, so that a restarted
 * ensemble is not run down by all of its clients at one moment.
 */
export class Connector {
  private readonly ports: ConnectorPorts;
  private readonly servers: readonly ServerName[];
  private readonly attemptTimeoutMs: () => number;
  private readonly onStream: (stream: ByteStream) => void;
  private readonly onFailure: (reason: string) => void;
  private nextServer = 0;
  /** Attempts since the last connection that lived. */
  private attempts = 0;
  private everTried = false;
  private establishedAtMs = Infinity;
  /** Raised by every start and stop: what belongs to an older round is dropped. */
  private round = 0;
  private pauseTimer: Timer | null = null;

  constructor(
    ports: ConnectorPorts,
    servers: readonly ServerName[],
    attemptTimeoutMs: () => number,
    onStream: (stream: ByteStream) => void,
    onFailure: (reason: string) => void,
  ) {
    this.ports = ports;
    this.servers = shuffle(ports.random, [...servers]);
    this.attemptTimeoutMs = attemptTimeoutMs;
    this.onStream = onStream;
    this.onFailure = onFailure;
  }

  /** Begins to look; ends in one call of `onStream` unless it is stopped. */
  start(): void {
    this.stop();
    if (this.ports.clock.monotonicMs() - this.establishedAtMs >= STABLE_MS) this.attempts = 0;
    this.establishedAtMs = Infinity;
    this.pauseThenTry(this.round);
  }

  /** Gives up looking. An attempt on its way may still end, unseen. */
  stop(): void {
    this.round++;
    this.pauseTimer?.cancel();
    this.pauseTimer = null;
  }

  /** The next attempt goes to `server`. */
  prefer(server: ServerName): void {
    const index = this.servers.indexOf(server);
    if (index >= 0) this.nextServer = index;
  }

  /** A session stands on the last stream. */
  established(): void {
    this.establishedAtMs = this.ports.clock.monotonicMs();
  }

  private pauseThenTry(round: number): void {
    const delayMs = this.delayMs();
    if (delayMs === 0) {
      void this.tryNext(round);
      return;
    }
    this.pauseTimer = this.ports.clock.setTimer(delayMs, () => {
      this.pauseTimer = null;
      void this.tryNext(round);
    });
  }

  private delayMs(): number {
    if (!this.everTried) return 0;
    const rounds = Math.floor(Math.max(this.attempts - 1, 0) / this.servers.length);
    const grown = BACKOFF_MS_FIRST * 2 ** Math.min(rounds, 16);
    const limit = Math.min(grown, BACKOFF_MS_MAX, this.attemptTimeoutMs());
    return randomBelow(this.ports.random, Math.ceil(limit)) + 1;
  }

  private async tryNext(round: number): Promise<void> {
    const server = this.servers[this.nextServer % this.servers.length];
    if (server === undefined) return;
    this.nextServer = (this.nextServer + 1) % this.servers.length;
    this.everTried = true;
    this.attempts++;
    const { network, random } = this.ports;
    let addresses: string[] = [];
    try {
      addresses = shuffle(random, await network.resolve(server.host));
    } catch (error) {
      this.onFailure(describe(error));
    }
    for (const address of addresses) {
      if (round !== this.round) return;
      try {
        const to = { address, port: server.port };
        const stream = await network.connect(to, this.attemptTimeoutMs());
        if (round === this.round) this.onStream(stream);
        else stream.destroy();
        return;
      } catch (error) {
        this.onFailure(describe(error));
      }
    }
    if (round === this.round) this.pauseThenTry(round);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
