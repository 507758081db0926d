import { childPath, nodeName } from '@aviary/foundation';
import { NoNodeError, type NodeChildren } from '@aviary/client';
import { whenAborted, type BarrierHost } from './barrier-host.js';
import { READY, membersAmong } from './members.js';
import { removeStaleReady } from './stale-ready.js';
import type { Wait } from './wait.js';

/** What a {@link Departure} sees of the round that is left. */
export interface DepartingRound {
  readonly path: string;
  readonly nodePath: string;
  /** The zxid at which the round opened. */
  readonly openedAt: bigint;
  /** Aborts when the round is lost. */
  readonly signal: AbortSignal;
  /** @throws {LeaseLostError} */
  assertInside(): void;
  /** Deletes our node, and `ready` too if we are the last. Never rejects. */
  goOut(isLast: boolean): Promise<void>;
}

/**
 * The end of a round for one member: the one with the lowest name waits for the highest, as often
 * as there is one; all others go out and wait for the lowest. So each waits for one node at a time.
 *
 * Only nodes that are older than the round's `ready` count. Members of Curator and kazoo may come
 * while a round is open, and others for the next one: who would wait for those waits for a round
 * that waits for him.
 */
export class Departure {
  private readonly host: BarrierHost;
  private readonly wait: Wait;
  private readonly round: DepartingRound;
  private readonly own: string;
  /** Members that came after the round had opened. */
  private readonly strangers = new Set<string>();
  private isOut = false;

  constructor(host: BarrierHost, wait: Wait, round: DepartingRound) {
    this.host = host;
    this.wait = wait;
    this.round = round;
    this.own = nodeName(round.nodePath);
  }

  /** To be called once. Resolves when nobody of the round is inside. */
  async run(): Promise<void> {
    for (;;) {
      this.wait.signal.throwIfAborted();
      if (!this.isOut) this.round.assertInside();
      try {
        if (await this.step()) return;
      } catch (error) {
        if (!this.host.isPassing(error, this.wait)) throw error;
      }
    }
  }

  /** Whether it is over. */
  private async step(): Promise<boolean> {
    const { children, version } = await this.list();
    const inside = membersAmong(children);
    const members = inside.filter((name) => !this.strangers.has(name));
    const others = members.filter((name) => name !== this.own);
    const [lowest] = members;
    if (others.length > 0 && lowest !== undefined) {
      const awaited = lowest === this.own ? others.at(-1) : lowest;
      await this.awaitMember(awaited ?? lowest, others.length);
      return false;
    }
    if (!this.isOut) {
      this.isOut = true;
      await Promise.race([this.round.goOut(inside.length <= 1), whenAborted(this.wait.signal)]);
      return false;
    }
    if (inside.length === 0 && children.includes(READY)) {
      await removeStaleReady(this.host.zk, this.round.path, version, this.wait.options);
    }
    return true;
  }

  /** Waits until something happens to `name`. Who is not the lowest goes out before. */
  private async awaitMember(name: string, others: number): Promise<void> {
    const { options } = this.wait;
    // While we are inside, to lose the round ends the wait.
    const signal = this.isOut
      ? options.signal
      : AbortSignal.any([options.signal, this.round.signal]);
    const path = childPath(this.round.path, name);
    let watch;
    try {
      const read = await this.host.zk.getAndWatch(path, { ...options, signal });
      watch = read.watch;
      if (read.stat.czxid > this.round.openedAt) {
        this.strangers.add(name);
        return;
      }
      const isLowest = name > this.own;
      if (!this.isOut && !isLowest) {
        this.isOut = true;
        void this.round.goOut(false);
      }
      this.wait.note(`${others} of the members had not left`);
      await watch.fired;
    } catch (error) {
      const isLost = !this.isOut && this.round.signal.aborted;
      if (!(error instanceof NoNodeError || isLost)) throw error;
    } finally {
      watch?.cancel();
    }
  }

  private async list(): Promise<{
    readonly children: readonly string[];
    readonly version: number;
  }> {
    try {
      const listing: NodeChildren = await this.host.zk.children(this.round.path, this.wait.options);
      return { children: listing.children, version: listing.stat.version };
    } catch (error) {
      // Containers go when they are empty.
      if (error instanceof NoNodeError) return { children: [], version: 0 };
      throw error;
    }
  }
}
