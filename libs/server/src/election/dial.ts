import type { ByteStream, Clock, Network } from '@aviary/foundation';
import type { HostPort } from '@aviary/protocol';
import type { LinkFailure } from '@aviary/zab';
import { errorCode } from './error-code.js';
import { Pause } from './pause.js';

/** What became of a {@link Dial}. */
export type DialOutcome =
  | { readonly kind: 'connected'; readonly stream: ByteStream; readonly rttMs: number }
  | { readonly kind: 'failed'; readonly failure: LinkFailure; readonly problem: string };

/** The next address is tried after so many milliseconds without an answer. */
const STAGGER_MS = 250;

/** Answers of our own host: it knows no way there, and the peer was not asked. */
const NO_ROUTE_CODES: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
]);

/**
 * One attempt to reach a server under any of its addresses. Names are looked up anew, for a server
 * may come back elsewhere (QuorumPeer.recreateSocketAddresses). An address that does not answer holds
 * the others up for a quarter of a second only, as in RFC 8305; the first connection is taken.
 */
export class Dial {
  readonly startedMs: number;
  private readonly tried = new Set<string>();
  private readonly codes: string[] = [];
  private readonly problems: string[] = [];
  private readonly pauses = new Set<Pause>();
  private isOver = false;

  /** `onOutcome` is called once, from the event loop; not at all after {@link cancel}. */
  constructor(
    private readonly network: Network,
    private readonly clock: Clock,
    private readonly connectTimeoutMs: number,
    private readonly onOutcome: (outcome: DialOutcome) => void,
  ) {
    this.startedMs = clock.monotonicMs();
  }

  begin(targets: readonly HostPort[]): void {
    void this.run(targets);
  }

  cancel(): void {
    this.isOver = true;
    for (const pause of this.pauses) pause.end();
  }

  private async run(targets: readonly HostPort[]): Promise<void> {
    await this.stagger(targets, (target) => this.tryTarget(target));
    if (this.isOver) return;
    const problem = this.problems.join('; ');
    this.finish({ kind: 'failed', failure: this.failure, problem });
  }

  /**
   * Whether the host of the peer said that nobody listens there: only then can the peer be taken for
   * one that does not run.
   */
  private get failure(): LinkFailure {
    const asked = this.codes.filter((code) => !NO_ROUTE_CODES.has(code));
    const isRefused = asked.length > 0 && asked.every((code) => code === 'ECONNREFUSED');
    return isRefused ? 'refused' : 'lost';
  }

  /** Begins with each in turn, when the one before has failed or has taken its time; waits for all. */
  private async stagger<T>(items: readonly T[], tryOne: (item: T) => Promise<void>): Promise<void> {
    const running: Promise<void>[] = [];
    for (const item of items) {
      if (this.isOver) return;
      const attempt = tryOne(item);
      running.push(attempt);
      if (running.length === items.length) break;
      const pause = new Pause(this.clock, STAGGER_MS);
      this.pauses.add(pause);
      await Promise.race([attempt, pause.over]);
      pause.end();
      this.pauses.delete(pause);
    }
    await Promise.all(running);
  }

  private async tryTarget({ host, port }: HostPort): Promise<void> {
    let addresses: string[];
    try {
      addresses = await this.network.resolve(host);
    } catch (error) {
      this.note(error);
      return;
    }
    const fresh = addresses.filter((address) => {
      const key = `${address} ${port}`;
      if (this.tried.has(key)) return false;
      this.tried.add(key);
      return true;
    });
    await this.stagger(fresh, (address) => this.tryAddress(address, port));
  }

  private async tryAddress(address: string, port: number): Promise<void> {
    const startedMs = this.clock.monotonicMs();
    let stream: ByteStream;
    try {
      stream = await this.network.connect({ address, port }, this.connectTimeoutMs);
    } catch (error) {
      this.note(error);
      return;
    }
    if (this.isOver) {
      stream.destroy();
      return;
    }
    const rttMs = this.clock.monotonicMs() - startedMs;
    this.finish({ kind: 'connected', stream, rttMs });
  }

  private note(error: unknown): void {
    this.codes.push(errorCode(error));
    this.problems.push(error instanceof Error ? error.message : String(error));
  }

  private finish(outcome: DialOutcome): void {
    this.cancel();
    this.onOutcome(outcome);
  }
}
