import { childPath, pathProblem, silentLog, type Log, type Timer } from '@aviary/foundation';
import { InvalidPathError, type Acl, type ZooKeeper } from '@aviary/client';
import type { LossReason } from '@aviary/coordination';
import { Barrier, type BarrierOptions } from './barrier.js';
import { BarrierHost, checkMs } from './barrier-host.js';
import { DoubleBarrier } from './double-barrier.js';
import type { Round } from './round.js';

/** How a {@link Barriers} behaves. Times are in milliseconds. */
export interface BarriersOptions {
  /** Where paths that do not begin with a slash stand. Default: `/`. */
  readonly root?: string | undefined;
  /** Who we are, for operators: one line, kept in our nodes. Default: the process id. */
  readonly identity?: string | undefined;
  /** Who may do what with the nodes. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** With `waitMs: 0`: the longest wait for the ensemble's answer. Default: 5,000. */
  readonly attemptMs?: number | undefined;
  /** Draws the moments of `jitterMs`, from 0 up to 1. Default: out of the client's randomness. */
  readonly random?: (() => number) | undefined;
  /** Where leftovers are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/**
 * Makes barriers and double barriers, one node or one directory of znodes each, on the layout of
 * Curator's `DistributedBarrier` and `DistributedDoubleBarrier`.
 *
 * @example
 * const barriers = new Barriers(zk, { root: '/barriers', identity: 'migrator-1' });
 * await barriers.barrier('deploy').wait({ waitMs: 60_000 });
 * const together = barriers.double('migrate', 5);
 * await together.run(async (round) => migrate(round.signal), { waitMs: 60_000 });
 */
export class Barriers {
  private readonly root: string;
  private readonly host: BarrierHost;

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} */
  constructor(zk: ZooKeeper, options: BarriersOptions = {}) {
    const { root = '/', identity = `${process.pid}`, acl, attemptMs = 5_000 } = options;
    const { random = () => zk.random.uint32() / 2 ** 32, log = silentLog } = options;
    const problem = pathProblem(root);
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    checkMs('attemptMs', attemptMs);
    this.root = root;
    this.host = new BarrierHost({ zk, identity, acl, attemptMs, random, log });
  }

  /** The rounds of double barriers that this object is inside of: not yet left or abandoned. */
  get rounds(): readonly Round[] {
    return [...this.host.rounds];
  }

  /**
   * A barrier that somebody raises and lowers.
   *
   * @param path Below {@link BarriersOptions.root}, or absolute if it begins with a slash.
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  barrier(path: string, options: BarrierOptions = {}): Barrier {
    checkMs('jitterMs', options.jitterMs);
    return new Barrier(this.host, this.pathOf(path), options);
  }

  /**
   * A double barrier for `quantity` members.
   *
   * @param path As for {@link barrier}.
   * @throws {InvalidPathError} @throws {InvalidArgumentError}
   */
  double(path: string, quantity: number): DoubleBarrier {
    return new DoubleBarrier(this.host, this.pathOf(path), quantity);
  }

  /**
   * Ends all waits but those of members that leave, and refuses new ones, with BarriersClosedError.
   */
  stopEntering(): void {
    this.host.stop();
  }

  /** Waits until all rounds of this object are left or lost, at most `deadlineMs`. Never rejects. */
  async drain(deadlineMs: number): Promise<void> {
    await this.within(deadlineMs, this.host.whenOutside());
  }

  /**
   * As {@link stopEntering}, ends all rounds, and waits until the servers have no node of ours any
   * more: at most `deadlineMs`, by default 3,000. Never rejects. What is raised stays so.
   */
  async close(options: { readonly deadlineMs?: number; readonly reason?: LossReason } = {}) {
    const { deadlineMs = 3_000, reason = 'shutdown' } = options;
    for (const round of this.host.rounds) {
      round.lose(reason);
      void round.abandon();
    }
    this.host.stopAll();
    await this.within(deadlineMs, this.host.whenAllGone());
  }

  private async within(deadlineMs: number, done: Promise<unknown>): Promise<void> {
    let timer: Timer | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.host.zk.clock.setTimer(deadlineMs, resolve);
    });
    await Promise.race([done, late]);
    (timer as Timer | null)?.cancel();
  }

  private pathOf(path: string): string {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidPathError('the path of a barrier must be a string, and not empty');
    }
    const absolute = path.startsWith('/') ? path : childPath(this.root, path);
    const problem = absolute === '/' ? 'the root cannot be a barrier' : pathProblem(absolute);
    if (problem !== null) throw new InvalidPathError(`barrier: ${problem}`, { path });
    return absolute;
  }
}
