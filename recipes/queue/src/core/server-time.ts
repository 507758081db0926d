import {
  AuthFailedError,
  ClosedError,
  ConnectionLossError,
  NoNodeError,
  SessionExpiredError,
  TransactionFailedError,
  type Acl,
  type CallOptions,
  type ZooKeeper,
} from '@aviary/client';
import { TimeLimit } from '@aviary/coordination';
import { childPath, type Log, type Random } from '@aviary/foundation';

/** So long what was learnt is used: the clocks of leaders differ, and each may be set. */
export const LEARNT_MS_MAX = 60_000;

/** What the time of the servers is learnt with. */
export interface ServerTimeTerms {
  readonly zk: ZooKeeper;
  /** Where a node can be made for a moment. Is made as a container if it is missing. */
  readonly directory: string;
  readonly acl: readonly Acl[] | undefined;
  readonly random: Random;
  readonly log: Log;
}

interface Sample {
  readonly sessionId: bigint | null;
  /** When the request was sent and answered, on the monotonic clock. */
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** The time in between, by the clock of the servers. */
  readonly serverMs: number;
}

/**
 * The time of the servers, which is the same for all of their clients, whatever their own clocks show.
 *
 * Every write carries the time of the leader. So a node is made, written and deleted in one transaction, which
 * leaves nothing behind; the monotonic clock says what has passed since. Where the servers refuse
 * that, the wall clock has to do.
 */
export class ServerTime {
  private readonly terms: ServerTimeTerms;
  private sample: Sample | null = null;
  private learning: Promise<void> | null = null;

  constructor(terms: ServerTimeTerms) {
    this.terms = terms;
  }

  /**
   * The time now, in milliseconds since 1970: between `earliest` and `latest`, which are a round trip apart.
   *
   * @throws {DeadlineExceededError} @throws {AbortedError} @throws {ClosedError} Nobody could be asked.
   */
  async now(options: CallOptions): Promise<{ readonly earliest: number; readonly latest: number }> {
    const { clock } = this.terms.zk;
    const limit = new TimeLimit(clock, { waitMs: options.deadlineMs, signal: options.signal });
    for (;;) {
      const { sample } = this;
      const nowMs = clock.monotonicMs();
      if (sample !== null && this.isFresh(sample, nowMs)) {
        const { serverMs, sentAtMs, answeredAtMs } = sample;
        return {
          earliest: Math.floor(serverMs + nowMs - answeredAtMs),
          // The servers cut off what is less than a millisecond.
          latest: Math.ceil(serverMs + 1 + nowMs - sentAtMs),
        };
      }
      // All who wait are told of one answer; a deadline ends the wait, and not the question.
      this.learning ??= this.learn().finally(() => (this.learning = null));
      await limit.race(this.learning);
      if (this.sample === sample) limit.assertLeft('time', this.terms.directory);
    }
  }

  private isFresh({ sessionId, answeredAtMs }: Sample, nowMs: number): boolean {
    // Another session may have come after a sleep for which the monotonic clock stood still.
    return sessionId === this.terms.zk.sessionId && nowMs - answeredAtMs < LEARNT_MS_MAX;
  }

  private async learn(): Promise<void> {
    const { zk, directory, acl, random, log } = this.terms;
    const options = { deadlineMs: Infinity };
    const path = childPath(directory, `time-${Buffer.from(random.bytes(16)).toString('hex')}`);
    for (;;) {
      try {
        await zk.connect(options);
        const { sessionId } = zk;
        const sentAtMs = zk.clock.monotonicMs();
        const [, written] = await zk
          .transaction()
          .create(path, '', { acl })
          .set(path, '')
          .delete(path)
          .commit(options);
        const answeredAtMs = zk.clock.monotonicMs();
        this.sample = { sessionId, sentAtMs, answeredAtMs, serverMs: Number(written.mtime) };
        return;
      } catch (error) {
        if (error instanceof ClosedError || error instanceof AuthFailedError) throw error;
        if (error instanceof ConnectionLossError || error instanceof SessionExpiredError) continue;
        if (await this.makeDirectory(error)) continue;
        log.warn(`the time of the servers is not known (${directory}): the wall clock is used`, {
          error,
        });
        const nowMs = zk.clock.monotonicMs();
        const { sessionId } = zk;
        const serverMs = zk.clock.wallMs();
        this.sample = { sessionId, sentAtMs: nowMs, answeredAtMs: nowMs, serverMs };
        return;
      }
    }
  }

  /** Makes the directory, if that is what was missing. false: it was not, or it is refused. */
  private async makeDirectory(error: unknown): Promise<boolean> {
    if (!(error instanceof TransactionFailedError && error.cause instanceof NoNodeError)) {
      return false;
    }
    const { zk, directory, acl } = this.terms;
    try {
      await zk.ensurePath(directory, { mode: 'container', acl, deadlineMs: Infinity });
      return true;
    } catch (problem) {
      return problem instanceof ConnectionLossError || problem instanceof SessionExpiredError;
    }
  }
}
