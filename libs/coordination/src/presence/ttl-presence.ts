import { childPath, parentPath, randomUuid, type Timer } from '@aviary/foundation';
import {
  BadVersionError,
  ConnectionLossError,
  InvalidArgumentError,
  NoNodeError,
  NodeExistsError,
  RequestTooLargeError,
  TransactionFailedError,
  UnimplementedError,
  type NodeData,
  type Stat,
  type Watch,
} from '@aviary/client';
import { pause } from '../retries/pause.js';
import { noteOwner } from './kin.js';
import { nullIfGone, removeTouchedNode } from './own-node.js';
import { TtlUnsupportedError, type PresenceLost } from './presence-state.js';
import { StandingNode, type SessionCallOptions, type StandingNodeTerms } from './standing-node.js';

/** Curator's name for the child that is written to. */
const TOUCH = 'touch';
/** So often is it written to in its time to live: one that is lost is made good by the next. */
const TOUCHES_IN_TTL = 3;
const TTL_MS_MIN = 1_000;
/** In so long the servers have looked twice for what is over, which they do every minute. */
const REMOVAL_MS_MAX = 180_000;

/** What a presence with a time to live is made of. */
export interface TtlPresenceTerms extends StandingNodeTerms {
  /**
   * How long the node stands after this process was heard of last, in milliseconds from 1,000 up. The servers
   * look for what is over from time to time (`znode.container.checkIntervalMs`, a minute), once for the
   * time to live and once more for the node, so others see it up to two of those longer.
   */
  readonly ttlMs: number;
  /**
   * Whose it is, over restarts: a node of the same owner is gone on with and not waited for. Two processes
   * that live at the same time must not say the same. Default: a random one, for this object alone.
   */
  readonly owner?: string | undefined;
}

/** What stands at the path. */
interface Sight {
  readonly node: Stat | null;
  readonly touch: (NodeData & { readonly watch: Watch }) | null;
}

/**
 * A node that stands over the end of sessions, until its process was not heard of for the time to live: a
 * container with one child, which has that time to live and is written to thrice in it. When the child goes the
 * servers remove the empty container. Both are made in one transaction: a container that never had a
 * child would stand for ever.
 *
 * The child says whose node it is, so ours is what has our owner in it; any other is a conflict, which is
 * reported and waited out. It is touched only in the version in which it was seen.
 */
export class TtlPresence extends StandingNode<TtlPresenceTerms> {
  private readonly touchPath: string;
  private readonly owner: string;
  /** Of the node that this object made or went on with; null: none yet. */
  private czxid: bigint | null = null;
  /** When the last touch was sent that the servers took; the time to live is counted from later on. */
  private touchedAtMs = 0;
  private isAsked = false;
  /** The last node that was waited for because its time had passed, and until when. */
  private leftover: { readonly czxid: bigint; readonly untilMs: number } | null = null;
  private expiry: Timer | null = null;

  /** @throws {InvalidArgumentError} and as {@link StandingNode}. */
  constructor(terms: TtlPresenceTerms) {
    super(terms);
    this.touchPath = childPath(terms.path, TOUCH);
    this.owner = terms.owner ?? randomUuid(terms.zk.random);
  }

  protected checkTerms(): void {
    const { path, data, acl, ttlMs, owner } = this.terms;
    // Callers without types can pass anything.
    const given: unknown = owner;
    if (given !== undefined && (typeof given !== 'string' || given === '')) {
      throw new InvalidArgumentError(`join ${path}: owner must be a string, and not empty`);
    }
    if (typeof ttlMs !== 'number' || !(ttlMs >= TTL_MS_MIN)) {
      const problem = `ttlMs must be a whole number from ${TTL_MS_MIN} up, not ${String(ttlMs)}`;
      throw new InvalidArgumentError(`join ${path}: ${problem}`);
    }
    this.zk
      .transaction()
      .create(path, data, { mode: 'container', acl })
      .create(childPath(path, TOUCH), owner ?? '', { mode: 'persistentWithTtl', ttlMs, acl });
  }

  protected async remove(): Promise<void> {
    const { zk, path, touchPath, czxid, log } = this;
    this.expiry?.cancel();
    if (!this.isAsked) return;
    const isOurs = (touch: NodeData) => this.isOurs(touch) || this.isKin(touch);
    await removeTouchedNode(zk, { path, touchPath, czxid, isOurs }, log);
  }

  protected onSuspended(): void {
    const { kind } = this.state;
    if (kind !== 'joined' && kind !== 'suspended') return;
    const { clock } = this.zk;
    const lostAtMs = this.touchedAtMs + this.terms.ttlMs;
    this.show({ kind: 'suspended', sessionId: 0n, lostAtMs });
    this.expiry?.cancel();
    this.expiry = clock.setTimer(Math.max(lostAtMs - clock.monotonicMs(), 0), () => {
      if (this.state.kind === 'suspended') this.show({ kind: 'lost', reason: 'ttlPassed' });
    });
  }

  protected onSessionLost(): void {
    // The node does not care.
  }

  protected async stand(sessionId: bigint, options: SessionCallOptions): Promise<void> {
    for (;;) {
      if (!(await this.enter(options))) continue;
      await this.lookAfter(sessionId, options);
      if (this.isLeaving) return;
      await this.gone(this.reason);
    }
  }

  /** What is left of the time to live, in milliseconds, if nothing is done. */
  private get restMs(): number {
    return this.touchedAtMs + this.terms.ttlMs - this.zk.clock.monotonicMs();
  }

  /** Why it is there no more, most likely. */
  private get reason(): PresenceLost['reason'] {
    return this.restMs > 0 ? 'nodeDeleted' : 'ttlPassed';
  }

  /** How long it takes until it should be touched. */
  private get untilTouchMs(): number {
    return this.restMs - this.terms.ttlMs * (1 - 1 / TOUCHES_IN_TTL);
  }

  /** One attempt to make the node. false: look again. */
  private async enter(options: SessionCallOptions): Promise<boolean> {
    const { zk, path, touchPath, owner, terms, data } = this;
    const { acl, ttlMs } = terms;
    const wanted = data.newest;
    const sentAtMs = zk.clock.monotonicMs();
    this.isAsked = true;
    if (terms.owner === undefined) noteOwner(this.kin, owner);
    try {
      const [{ stat }] = await zk
        .transaction()
        .create(path, wanted.data, { mode: 'container', acl })
        .create(touchPath, owner, { mode: 'persistentWithTtl', ttlMs, acl })
        .commit(options);
      data.written(wanted);
      if (this.state.kind === 'suspended') this.show({ kind: 'lost', reason: this.reason });
      this.touchedAtMs = sentAtMs;
      this.czxid = stat?.czxid ?? null;
      return true;
    } catch (error) {
      if (error instanceof ConnectionLossError) return false;
      if (error instanceof RequestTooLargeError) {
        data.refused(wanted, error);
        if (data.newest !== wanted) return false;
      }
      if (!(error instanceof TransactionFailedError)) throw error;
      const { cause } = error;
      if (cause instanceof NoNodeError) {
        const { signal, deadlineMs } = options;
        const parents = { mode: 'container', acl, signal, deadlineMs } as const;
        await zk.ensurePath(parentPath(path) ?? '/', parents);
        return false;
      }
      if (cause instanceof NodeExistsError) return await this.examine(options);
      throw this.told(cause);
    }
  }

  /** A node is there: goes on with it if it is ours, or waits until it is not there. false: look again. */
  private async examine(options: SessionCallOptions): Promise<boolean> {
    try {
      for (;;) {
        const { node, touch } = await this.look(options);
        const isAbandoned = touch === null && node?.czxid === this.czxid;
        if (node === null || isAbandoned || this.isOurs(touch) || this.isKin(touch)) {
          touch?.watch.cancel();
          if (this.state.kind === 'conflict') this.joining();
          return node !== null && (await this.goOn(node, touch, options));
        }
        if (isLeftover(node, touch) && (await this.awaitRemoval(node, options))) continue;
        this.conflict(node);
        // It cannot go before its touch does.
        const watch = touch?.watch ?? (await this.watchForeign(options));
        await watch?.fired;
      }
    } catch (error) {
      if (error instanceof ConnectionLossError) return false;
      throw error;
    }
  }

  /** A watch on what stands there; null: it has gone meanwhile, look again. */
  private async watchForeign(options: SessionCallOptions): Promise<Watch | null> {
    const { stat, watch } = await this.zk.existsAndWatch(this.path, options);
    if (stat !== null) return watch;
    watch.cancel();
    return null;
  }

  /**
   * Waits until the servers have removed what is left of a presence, or a child has come again. It is not
   * taken over: a directory of somebody else's that is empty just now looks the same.
   *
   * @returns false: it stays for so long that it is such a directory.
   */
  private async awaitRemoval({ czxid }: Stat, options: SessionCallOptions): Promise<boolean> {
    const { zk, path, log } = this;
    const nowMs = zk.clock.monotonicMs();
    if (this.leftover?.czxid !== czxid) {
      this.leftover = { czxid, untilMs: nowMs + REMOVAL_MS_MAX };
      log.info(
        `${path} is still there, although its time has passed; the servers should remove it`,
      );
    }
    const restMs = this.leftover.untilMs - nowMs;
    if (restMs <= 0) return false;
    if (this.state.kind === 'suspended') this.show({ kind: 'lost', reason: this.reason });
    this.joining();
    const resting = new AbortController();
    try {
      const { children, stat, watch } = await zk.childrenAndWatch(path, options);
      if (children.length === 0 && stat.czxid === czxid) {
        await Promise.race([watch.fired, pause(zk.clock, restMs, resting.signal)]);
      }
      watch.cancel();
      return true;
    } catch (error) {
      if (error instanceof NoNodeError) return true;
      throw error;
    } finally {
      resting.abort();
    }
  }

  /** Goes on with a node of ours; with our own time to live, whatever it was made with. false: look again. */
  private async goOn(
    { czxid, version }: Stat,
    touch: NodeData | null,
    options: SessionCallOptions,
  ): Promise<boolean> {
    const { zk, path, touchPath, owner, terms, data } = this;
    const { acl, ttlMs } = terms;
    if (this.isOurs(touch) && czxid === this.czxid) return true;
    const wanted = data.newest;
    const sentAtMs = zk.clock.monotonicMs();
    const touching = zk.transaction().set(path, wanted.data, { version });
    const settings = { mode: 'persistentWithTtl', ttlMs, acl } as const;
    try {
      await (
        touch === null
          ? touching.create(touchPath, owner, settings)
          : touching.delete(touchPath, touch.stat).create(touchPath, owner, settings)
      ).commit(options);
    } catch (error) {
      if (!(error instanceof TransactionFailedError)) throw error;
      const { cause } = error;
      if (isOvertaken(cause) || cause instanceof NodeExistsError) return false;
      throw this.told(cause);
    }
    data.written(wanted);
    this.touchedAtMs = sentAtMs;
    this.czxid = czxid;
    return true;
  }

  /** Touches it and writes what is to be written; returns when it is not ours any more. */
  private async lookAfter(sessionId: bigint, options: SessionCallOptions): Promise<void> {
    const { zk } = this;
    /** The touch as it was seen last, with nothing missed since; null: another's may stand there. */
    let seen: Stat | null = null;
    let watch: Watch | null = null;
    try {
      for (;;) {
        const woken = this.whenWoken();
        const resting = new AbortController();
        try {
          if (seen !== null && this.isDue) await this.touch(seen, options);
          watch?.cancel();
          const { node, touch } = await this.look(options);
          watch = touch?.watch ?? null;
          if (node === null || touch === null || !this.isOurs(touch)) return;
          seen = touch.stat;
          this.seen(sessionId, node);
          if (this.isDue) continue;
          const rest = pause(zk.clock, this.untilTouchMs, resting.signal).then(
            () => 'due' as const,
          );
          const news = await Promise.race([touch.watch.fired, woken, rest]);
          // Its signal cancels the watch, too.
          if (this.isLeaving) return;
          if (news !== 'data' && news !== 'due') seen = null;
        } catch (error) {
          if (!(error instanceof ConnectionLossError || isOvertaken(error))) throw error;
          seen = null;
        } finally {
          resting.abort();
        }
      }
    } finally {
      watch?.cancel();
    }
  }

  private get isDue(): boolean {
    return !this.data.isWritten || this.untilTouchMs <= 0;
  }

  private async touch({ version }: Stat, options: SessionCallOptions): Promise<void> {
    const { zk, path, touchPath, owner, data } = this;
    const wanted = data.isWritten ? null : data.newest;
    const sentAtMs = zk.clock.monotonicMs();
    const touching = zk.transaction().set(touchPath, owner, { version });
    try {
      await (wanted === null ? touching : touching.set(path, wanted.data)).commit(options);
    } catch (error) {
      const isRefused = error instanceof TransactionFailedError && error.index === 1;
      if (wanted !== null && (isRefused || error instanceof RequestTooLargeError)) {
        data.refused(wanted, isRefused ? error.cause : error);
        return;
      }
      throw error instanceof TransactionFailedError ? error.cause : error;
    }
    if (wanted !== null) data.written(wanted);
    this.touchedAtMs = sentAtMs;
  }

  private seen(sessionId: bigint, node: Stat): void {
    this.czxid = node.czxid;
    if (this.state.kind === 'lost') this.joining();
    this.joined(sessionId, 0n, node);
    if (this.state.kind === 'joined') this.expiry?.cancel();
  }

  private async look(options: SessionCallOptions): Promise<Sight> {
    const { zk, path, touchPath } = this;
    const touching = zk.getAndWatch(touchPath, options).catch(nullIfGone);
    const [touch, node] = await Promise.all([touching, zk.exists(path, options)]);
    return { touch, node };
  }

  private isOurs(touch: NodeData | null): boolean {
    return touch?.data?.toString() === this.owner;
  }

  /**
   * Whether it is of an object before this one: a create that was on its way when that left may have been
   * applied after all, when nobody looked any more.
   */
  private isKin(touch: NodeData | null): boolean {
    return touch !== null && this.kin.owners.includes(String(touch.data));
  }

  private told(cause: Error): Error {
    return cause instanceof UnimplementedError ? new TtlUnsupportedError(this.path, cause) : cause;
  }
}

/** Whether a presence stood there, whose time has passed: the servers take its child first. */
function isLeftover(node: Stat, touch: NodeData | null): boolean {
  const isEmptied = node.numChildren === 0 && node.cversion > 0;
  return touch === null && isEmptied && node.ephemeralOwner === 0n;
}

/** Somebody else was faster, so there is something new to be seen. */
function isOvertaken(error: unknown): boolean {
  return error instanceof NoNodeError || error instanceof BadVersionError;
}
