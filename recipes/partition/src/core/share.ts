import { childPath, type Log, type Timer } from '@aviary/foundation';
import {
  AbortedError,
  AuthFailedError,
  BadVersionError,
  ClosedError,
  ConnectionLossError,
  CoordinationError,
  SessionExpiredError,
  type Acl,
  type ZooKeeper,
} from '@aviary/client';
import { Lease, Presence, pause } from '@aviary/coordination';
import { ReplaySubject, type Observable, type Subscription } from 'rxjs';
import {
  memberNode,
  readRecord,
  recordText,
  type Definition,
  type GroupRecord,
} from './group-record.js';
import { ItemNodes, type OwnedNode } from './item-node.js';
import { checkMs } from './milliseconds.js';
import { PartitionMovedError } from './partition-errors.js';
import { Partition } from './partition.js';
import { ShareCore, type ShareInput, type ShareOutput, type StopReason } from './share-core.js';

/**
 * The first pause after something that the servers refuse, or that the work throws. Each later one is twice
 * as long, until all was well for as long as the longest.
 */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/** The work on an item, for as long as it is ours. */
export type OwnItem = (partition: Partition, signal: AbortSignal) => unknown;

/** What a group has agreed upon, and what of it is ours just now. */
export interface Assignments {
  /** The zxid of the agreement; null: there is none for these items, as far as is known. */
  readonly generation: bigint | null;
  /** Among whom the items are shared out; sorted. */
  readonly members: readonly string[];
  /** Who is to own which item. Its owner before may still be at work on it. */
  readonly owners: ReadonlyMap<string, string>;
  /** The items that we own, in no particular order. */
  readonly partitions: readonly Partition[];
  /** Members that share out other items are in the group: ours wait until they have left. */
  readonly isSuperseded: boolean;
}

/** What a {@link Share} is made of. */
export interface ShareHostTerms {
  readonly zk: ZooKeeper;
  /** The path of the group. */
  readonly group: string;
  readonly member: string;
  readonly identity: string;
  readonly definition: Definition;
  readonly graceMs: number;
  readonly settleMs: number;
  readonly acl: readonly Acl[] | undefined;
  readonly log: Log;
  readonly own: OwnItem;
  readonly onLeft: (share: Share) => void;
}

/** What is ours of one item. */
interface Holding {
  readonly lease: Lease;
  partition: Partition | null;
}

/** One member of a group that shares items, from `join` to {@link leave}. */
export class Share implements AsyncDisposable {
  /** The path of the group. */
  readonly group: string;
  /** Our name in the group. */
  readonly member: string;
  private readonly terms: ShareHostTerms;
  private readonly core: ShareCore;
  private readonly nodes: ItemNodes;
  private readonly presence: Presence;
  private readonly subscriptions: Subscription[] = [];
  private readonly holdings = new Map<string, Holding>();
  private readonly awaited = new Map<string, AbortController>();
  /** How long the work that must stop may still take. */
  private readonly graces = new Map<Partition, Timer>();
  /** The work on them goes on, although they are given up. */
  private readonly overdue = new WeakSet<Partition>();
  private readonly ending = new AbortController();
  private readonly shown = new ReplaySubject<Assignments>(1);
  private readonly inputs: ShareInput[] = [];
  private isStepping = false;
  private timer: Timer | null = null;
  private leaving: Promise<void> | null = null;
  private onClosed: () => void = () => undefined;

  /** @internal Use `Partitions.join`. @throws {AlreadyPresentError} */
  constructor(terms: ShareHostTerms) {
    const { zk, group, member, identity, definition, acl, log } = terms;
    this.terms = terms;
    this.group = group;
    this.member = member;
    this.core = new ShareCore(terms);
    const data = `${member}\n${identity}`;
    this.nodes = new ItemNodes({ zk, group, owners: childPath(group, 'owners'), data, acl, log });
    const members = childPath(group, 'members');
    const node = childPath(members, memberNode(member, definition.fingerprint));
    this.presence = new Presence({ zk, path: node, data: identity, acl, log });
    this.subscriptions.push(
      this.presence.state$.subscribe(({ kind }) => {
        this.step({ kind: 'joined', isJoined: kind === 'joined' || kind === 'suspended' });
      }),
    );
    this.follow(
      () => zk.watchNode(group),
      (view) => {
        const record = view === null ? null : readRecord(view.data, view.stat);
        this.step({ kind: 'record', record });
      },
    );
    this.follow(
      () => zk.watchChildren(members),
      (view) => this.step({ kind: 'members', nodes: view?.children ?? [] }),
    );
  }

  /**
   * The assignments now, and after every change of the agreement or of what is ours. Hot; the
   * latest is replayed; never errors; completes when we have left.
   */
  get assignments$(): Observable<Assignments> {
    return this.shown.asObservable();
  }

  /** The assignments now. */
  get assignments(): Assignments {
    const { agreement, assignment, isSuperseded } = this.core;
    return {
      generation: agreement?.generation ?? null,
      members: agreement?.members ?? [],
      owners: assignment,
      partitions: this.partitions,
      isSuperseded,
    };
  }

  /** The items that we own and work on, in no particular order. */
  get partitions(): readonly Partition[] {
    return [...this.holdings.values()].flatMap(({ partition }) => partition ?? []);
  }

  /**
   * Leaves the group: all signals abort, and each item is given up when the work on it has ended,
   * or its grace or `deadlineMs` is over. Never rejects. Resolves when nothing is ours any more, at
   * the latest after `deadlineMs`, by default the grace and 3 seconds; what is left then is deleted
   * in the background.
   *
   * @throws {InvalidArgumentError} `deadlineMs` is no time.
   */
  leave(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = this.terms.graceMs + 3_000 } = options;
    checkMs('deadlineMs', deadlineMs);
    this.leaving ??= this.end(deadlineMs);
    return this.leaving;
  }

  /** As {@link leave}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  private async end(deadlineMs: number): Promise<void> {
    const { clock } = this.terms.zk;
    const closed = new Promise<void>((resolve) => {
      this.onClosed = resolve;
    });
    // Others take over at once what is given up, so the group is told first.
    const left = this.presence.leave();
    this.step({ kind: 'close' });
    const cut = new AbortController();
    const done = Promise.all([closed, left]);
    if (deadlineMs === Infinity) await done;
    else await Promise.race([done, pause(clock, deadlineMs, cut.signal)]);
    cut.abort();
    // Whoever still works owns nothing any more: nobody would come who deletes the nodes.
    for (const [item, { partition }] of [...this.holdings]) {
      if (partition !== null) this.giveUp(item, partition);
    }
    this.ending.abort();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    for (const controller of this.awaited.values()) controller.abort();
    this.timer?.cancel();
    this.shown.complete();
    this.terms.onLeft(this);
  }

  /** Keeps to a stream, also if the servers refuse it for a while. */
  private follow<T>(stream: () => Observable<T>, next: (value: T) => void): void {
    const { zk, log, group } = this.terms;
    let pauseMs = PAUSE_MS;
    const again = async (error: unknown): Promise<void> => {
      if (error instanceof ClosedError || error instanceof AuthFailedError) return;
      log.error(`the group ${group} cannot be read`, { error });
      await pause(zk.clock, pauseMs, this.ending.signal);
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX);
      if (!this.ending.signal.aborted) subscribe();
    };
    const shown = (value: T): void => {
      pauseMs = PAUSE_MS;
      next(value);
    };
    const subscribe = (): void => {
      const error = (problem: unknown): void => void again(problem);
      this.subscriptions.push(stream().subscribe({ next: shown, error }));
    };
    subscribe();
  }

  /** What an output does may be an input at once: those wait for their turn. */
  private step(input: ShareInput): void {
    this.inputs.push(input);
    if (this.isStepping) return;
    this.isStepping = true;
    for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) {
      const before = this.core.problem;
      for (const output of this.core.step(next)) this.carryOut(output);
      this.reportProblem(before);
    }
    this.isStepping = false;
    if (!this.ending.signal.aborted) this.shown.next(this.assignments);
  }

  private reportProblem(before: Error | null): void {
    const { problem: error } = this.core;
    if (error === null || error === before) return;
    const { log, group } = this.terms;
    log.error(`the strategy of ${group} failed, so its items have no owners: ${String(error)}`, {
      error,
    });
  }

  private carryOut(output: ShareOutput): void {
    switch (output.kind) {
      case 'claim':
        void this.claim(output.item, output.record);
        return;
      case 'await':
        void this.awaitFree(output.item);
        return;
      case 'forget':
        this.awaited.get(output.item)?.abort();
        this.awaited.delete(output.item);
        return;
      case 'start':
        this.start(output.item);
        return;
      case 'stop':
        this.stop(output.item, output.reason);
        return;
      case 'release':
        void this.release(output.item);
        return;
      case 'propose':
        void this.propose(output);
        return;
      case 'wait':
        this.timer?.cancel();
        this.timer = null;
        if (output.waitMs !== null) {
          const waited = () => this.step({ kind: 'waited' });
          this.timer = this.terms.zk.clock.setTimer(output.waitMs, waited);
        }
        return;
      case 'closed':
        this.onClosed();
    }
  }

  private async claim(item: string, record: GroupRecord): Promise<void> {
    const { zk, log } = this.terms;
    const options = { signal: this.ending.signal, deadlineMs: Infinity };
    let inSession: bigint | null = null;
    try {
      inSession = zk.sessionId ?? (await zk.connect(options)).sessionId;
      const claimed = await this.nodes.claim(item, record, { ...options, inSession });
      if (typeof claimed === 'string') this.step({ kind: 'refused', item, reason: claimed });
      else this.hold(item, claimed);
      return;
    } catch (error) {
      // What may have reached the servers goes.
      const isOver = error instanceof SessionExpiredError || error instanceof ClosedError;
      if (inSession !== null && !isOver) await this.nodes.release(item, inSession);
      if (!isOver && !(error instanceof AbortedError)) {
        log.error(`the item ${this.nodes.pathOf(item)} cannot be taken`, { error });
        await pause(zk.clock, PAUSE_MS, this.ending.signal);
      }
      if (error instanceof ClosedError || error instanceof AuthFailedError) return;
    }
    this.step({ kind: 'refused', item, reason: 'failed' });
  }

  private hold(item: string, node: OwnedNode): void {
    const { zk } = this.terms;
    const { sessionId } = node;
    const lease = new Lease({
      zk,
      noun: 'item',
      path: node.path,
      node,
      maxHoldMs: undefined,
      remove: () => this.nodes.release(item, sessionId),
      onReleased: () => undefined,
    });
    this.holdings.set(item, { lease, partition: null });
    const onLost = () => this.step({ kind: 'lost', item });
    lease.signal.addEventListener('abort', onLost, { once: true });
    this.step({ kind: 'claimed', item });
  }

  private async awaitFree(item: string): Promise<void> {
    const controller = new AbortController();
    this.awaited.set(item, controller);
    try {
      await this.nodes.untilFree(item, controller.signal);
    } catch (error) {
      if (error instanceof ClosedError || error instanceof AuthFailedError) return;
      const path = this.nodes.pathOf(item);
      this.terms.log.error(`the item ${path} cannot be waited for`, { error });
      await pause(this.terms.zk.clock, PAUSE_MS, controller.signal);
    }
    if (controller.signal.aborted) return;
    this.awaited.delete(item);
    this.step({ kind: 'freed', item });
  }

  private start(item: string): void {
    const holding = this.holdings.get(item);
    if (holding === undefined) return;
    const { definition, group } = this.terms;
    const index = definition.items.indexOf(item);
    const generation = this.core.agreement?.generation ?? 0n;
    const partition = new Partition({ item, index, group }, generation, holding.lease);
    holding.partition = partition;
    void this.work(item, partition);
  }

  /** Works on an item until its signal aborts; again after a pause, if the work throws. */
  private async work(item: string, partition: Partition): Promise<void> {
    const { own, log, zk } = this.terms;
    const { signal } = partition;
    // Not in the turn of the step: the work may do anything.
    await Promise.resolve();
    const isOver = () => signal.aborted;
    for (let pauseMs = PAUSE_MS; !isOver(); pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      const startedMs = zk.clock.monotonicMs();
      try {
        await own(partition, signal);
        break;
      } catch (error) {
        if (isOver()) break;
        log.error(`the work on the item ${item} of ${this.group} failed; it begins again`, {
          error,
        });
        if (zk.clock.monotonicMs() - startedMs >= PAUSE_MS_MAX) pauseMs = PAUSE_MS;
        await pause(zk.clock, pauseMs, signal);
      }
    }
    await whenAborted(signal);
    this.graces.get(partition)?.cancel();
    this.graces.delete(partition);
    if (!this.overdue.has(partition)) this.step({ kind: 'ended', item });
  }

  private stop(item: string, reason: StopReason): void {
    const holding = this.holdings.get(item);
    if (holding === undefined) return;
    const { lease, partition } = holding;
    if (partition === null) return;
    const { graceMs, zk, log } = this.terms;
    const path = this.nodes.pathOf(item);
    const cause =
      reason === 'lost'
        ? lease.lostError(lease.lost ?? 'released')
        : new PartitionMovedError(path, reason);
    if (graceMs !== Infinity) {
      const timer = zk.clock.setTimer(graceMs, () => {
        log.warn(`the work on the item ${path} did not end within its grace of ${graceMs} ms`);
        this.giveUp(item, partition);
      });
      this.graces.set(partition, timer);
    }
    partition.stop(cause);
  }

  /** Waits no longer for the work on an item. */
  private giveUp(item: string, partition: Partition): void {
    this.overdue.add(partition);
    this.graces.get(partition)?.cancel();
    this.graces.delete(partition);
    this.step({ kind: 'overdue', item });
  }

  /** Gives the node up. */
  private async release(item: string): Promise<void> {
    const holding = this.holdings.get(item);
    this.holdings.delete(item);
    await holding?.lease.release();
    this.step({ kind: 'released', item });
  }

  private async propose({
    version,
    definition,
    members,
  }: ShareOutput & { readonly kind: 'propose' }): Promise<void> {
    const { zk, group, log } = this.terms;
    const options = { signal: this.ending.signal, deadlineMs: Infinity };
    try {
      await zk.set(group, recordText(definition, members), { version, ...options });
    } catch (error) {
      // Somebody else was quicker, or the answer is lost: the node says how it stands.
      const isPassing =
        error instanceof BadVersionError ||
        error instanceof ConnectionLossError ||
        error instanceof SessionExpiredError ||
        error instanceof AbortedError ||
        error instanceof ClosedError;
      if (!isPassing && !(error instanceof CoordinationError)) throw error;
      if (!isPassing) log.error(`the members of ${group} cannot be written down`, { error });
    }
    this.step({ kind: 'proposed' });
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
