import { childPath } from '@aviary/foundation';
import { InvalidArgumentError, NoNodeError } from '@aviary/client';
import type { LeaseLostError } from '@aviary/coordination';
import { checkMs, type BarrierHost } from './barrier-host.js';
import { Entry } from './entry.js';
import { READY, membersAmong } from './members.js';
import type { Round } from './round.js';
import type { WaitOptions } from './wait.js';

/** How long {@link DoubleBarrier.run} waits. */
export interface RunOptions extends WaitOptions {
  /** The longest wait for the others at the end. Default: `waitMs`. */
  readonly leaveWaitMs?: number | undefined;
}

/** One member of a double barrier, for people who want to know who it is. */
export interface MemberView {
  readonly nodePath: string;
  /** What it wrote about itself: ours a line of its identity, Curator's an address. */
  readonly identity: string;
  /** Since when it is there, by the servers' clock. */
  readonly since: Date;
  readonly sessionId: bigint;
}

/** A double barrier at one moment. */
export interface DoubleBarrierView {
  readonly path: string;
  /** The token of the round that is open; null: none is, and the members wait for one. */
  readonly openRound: bigint | null;
  readonly members: readonly MemberView[];
}

/**
 * A place where `quantity` members meet before they begin, and meet again when they have finished:
 * `DistributedDoubleBarrier` of Curator, `DoubleBarrier` of kazoo, in rounds.
 *
 * A round opens when `quantity` members stand inside at one and the same moment. Its members are
 * those who stand there then, also if they are more. Who comes later waits outside until the last
 * of them has left, and belongs to the next round.
 */
export class DoubleBarrier {
  /** Its directory. */
  readonly path: string;
  /** How many members open a round. All processes must say the same. */
  readonly quantity: number;
  private readonly host: BarrierHost;

  /** @internal Use `Barriers.double`. @throws {InvalidArgumentError} */
  constructor(host: BarrierHost, path: string, quantity: number) {
    if (!Number.isInteger(quantity) || quantity < 1) {
      throw new InvalidArgumentError(
        `the double barrier ${path} must have a whole number of members from 1 up, not ${quantity}`,
      );
    }
    this.host = host;
    this.path = path;
    this.quantity = quantity;
  }

  /**
   * Waits until a round opens with us inside. One call is one member: a process may enter several
   * times at once.
   *
   * A session that ends while we wait does no harm: we enter again in the next one.
   *
   * @returns The round, which must be left, or abandoned.
   * @throws {BarrierTimeoutError} No round opened within `waitMs`; with 0, not at once.
   * @throws {BarrierUnavailableError} No answer within that time.
   * @throws {AbortedError} By `signal`. @throws {BarriersClosedError}
   * @throws {NoAuthError} and other refusals of the server.
   */
  enter(options: WaitOptions = {}): Promise<Round> {
    return this.host.wait('enter', this.path, options, (wait) =>
      new Entry(this.host, this.path, this.quantity, wait).run(),
    );
  }

  /**
   * Enters, runs `body`, and leaves together with all others. If `body` throws, the round is
   * abandoned: the others do not wait for us, and we do not for them. So it is if `body` abandons it.
   *
   * @returns What `body` returns.
   * @throws {InvalidArgumentError} before anything is waited for.
   * @throws what {@link enter} throws, what `body` throws, what {@link Round.leave} throws.
   * @throws {LeaseLostError} Outcome `unknown`: the round was lost while `body` ran.
   */
  async run<T>(
    body: (round: Round) => T | PromiseLike<T>,
    { leaveWaitMs, ...options }: RunOptions = {},
  ): Promise<T> {
    if (typeof body !== 'function') {
      throw new InvalidArgumentError(`run ${this.path} takes a function that gets the round`);
    }
    checkMs('leaveWaitMs', leaveWaitMs);
    const round = await this.enter(options);
    try {
      const result = await body(round);
      const loss = lossOf(round);
      if (loss !== null) throw loss;
      if (round.isAbandoned) return result;
      await round.leave({ ...options, waitMs: leaveWaitMs ?? options.waitMs });
      return result;
    } catch (error) {
      throw lossOf(round, error) ?? error;
    } finally {
      await round.abandon();
    }
  }

  /** Who is inside, as the servers know it. @throws what the client's reads throw. */
  async inspect(): Promise<DoubleBarrierView> {
    const { zk } = this.host;
    const children = await this.children();
    const members: MemberView[] = [];
    for (const name of membersAmong(children)) {
      const nodePath = childPath(this.path, name);
      try {
        const { data, stat } = await zk.get(nodePath);
        const since = new Date(Number(stat.ctime));
        const identity = data === null ? '' : data.toString();
        members.push({ nodePath, identity, since, sessionId: stat.ephemeralOwner });
      } catch (error) {
        if (!(error instanceof NoNodeError)) throw error;
      }
    }
    const ready = await zk.exists(childPath(this.path, READY));
    return { path: this.path, openRound: ready?.czxid ?? null, members };
  }

  private async children(): Promise<readonly string[]> {
    try {
      return (await this.host.zk.children(this.path)).children;
    } catch (error) {
      if (error instanceof NoNodeError) return [];
      throw error;
    }
  }
}

function lossOf(round: Round, cause?: unknown): LeaseLostError | null {
  const { lost } = round;
  return lost === null ? null : round.lostError(lost, 'unknown', cause);
}
