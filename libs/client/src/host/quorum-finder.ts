import type { ByteStream, Timer } from '@aviary/foundation';
import type { ServerName } from '../connection-string.js';
import type { ConnectorPorts } from './connector.js';

const PAUSE_MS_FIRST = 100;
const PAUSE_MS_MAX = 60_000;
const ANSWER_MS_MAX = 1_000;
const QUESTION = Buffer.from('isro');
/** What a server with a quorum answers; one without says `ro`. */
const YES = 'rw';

/**
 * Looks for a server with a quorum while the client has to do with one that has none.
 *
 * Such a server does not say when others have found together again, so they are asked, one after
 * the other and less and less often, with the four-letter word that exists for this.
 */
export class QuorumFinder {
  private readonly ports: ConnectorPorts;
  private readonly servers: readonly ServerName[];
  private readonly attemptTimeoutMs: () => number;
  private readonly onFound: (server: ServerName) => void;
  private nextServer = 0;
  private pauseMs = PAUSE_MS_FIRST;
  private timer: Timer | null = null;
  private stream: ByteStream | null = null;
  /** Raised by every start and stop: what belongs to an older round is dropped. */
  private round = 0;

  constructor(
    ports: ConnectorPorts,
    servers: readonly ServerName[],
    attemptTimeoutMs: () => number,
    onFound: (server: ServerName) => void,
  ) {
    this.ports = ports;
    this.servers = servers;
    this.attemptTimeoutMs = attemptTimeoutMs;
    this.onFound = onFound;
  }

  /** Begins to ask; ends with `onFound` unless it is stopped. */
  start(): void {
    this.stop();
    this.pauseMs = PAUSE_MS_FIRST;
    this.askLater(this.round);
  }

  stop(): void {
    this.round++;
    this.timer?.cancel();
    this.timer = null;
    this.stream?.destroy();
    this.stream = null;
  }

  private askLater(round: number): void {
    this.timer = this.ports.clock.setTimer(this.pauseMs, () => void this.askNext(round));
    this.pauseMs = Math.min(this.pauseMs * 2, PAUSE_MS_MAX);
  }

  private async askNext(round: number): Promise<void> {
    this.timer = null;
    const server = this.servers[this.nextServer % this.servers.length];
    if (server === undefined) return;
    this.nextServer++;
    const answer = await this.ask(server, round).catch(() => '');
    if (round !== this.round) return;
    if (answer === YES) {
      this.stop();
      this.onFound(server);
    } else this.askLater(round);
  }

  /** The answer of the first address of `server`; empty if it takes too long. */
  private async ask(server: ServerName, round: number): Promise<string> {
    const { network, clock } = this.ports;
    const [address] = await network.resolve(server.host);
    if (address === undefined || round !== this.round) return '';
    const to = { address, port: server.port };
    const stream = await network.connect(to, this.attemptTimeoutMs());
    if (round !== this.round) {
      stream.destroy();
      return '';
    }
    this.stream = stream;
    return new Promise((resolve) => {
      let answer = '';
      const timer = clock.setTimer(ANSWER_MS_MAX, () => stream.destroy());
      stream.start({
        onBytes: (bytes, start, end) => {
          answer += Buffer.from(bytes.subarray(start, end)).toString('latin1');
          if (answer.length >= YES.length) stream.destroy();
        },
        onDrained: () => undefined,
        onClosed: () => {
          timer.cancel();
          if (this.stream === stream) this.stream = null;
          resolve(answer);
        },
      });
      stream.write(QUESTION);
    });
  }
}
