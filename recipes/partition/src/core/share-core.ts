import { assertNever } from '@aviary/foundation';
import { memberOf, type Definition, type GroupRecord } from './group-record.js';

/** After the member whose turn it is to propose, each next one waits so much longer. */
const RANK_MS = 2_000;
const RANK_MAX = 5;

/** All that can happen to a member of a group. */
export type ShareInput =
  /** The group's node was read; null: it is not there. */
  | { readonly kind: 'record'; readonly record: GroupRecord | null }
  /** The directory of members was read: the names of the nodes. */
  | { readonly kind: 'members'; readonly nodes: readonly string[] }
  /** Whether our own member's node stands. */
  | { readonly kind: 'joined'; readonly isJoined: boolean }
  /** Our node for the item is there: it is ours. */
  | { readonly kind: 'claimed'; readonly item: string }
  /**
   * It is not. `stale`: the group has agreed upon something else. `taken`: another's node is there.
   */
  | {
      readonly kind: 'refused';
      readonly item: string;
      readonly reason: 'stale' | 'taken' | 'failed';
    }
  /** The other's node is gone. */
  | { readonly kind: 'freed'; readonly item: string }
  /** Our node is gone, or may be: the session, or somebody deleted it. */
  | { readonly kind: 'lost'; readonly item: string }
  /** Our node is gone for certain. */
  | { readonly kind: 'released'; readonly item: string }
  /** Nothing works on the item any more. */
  | { readonly kind: 'ended'; readonly item: string }
  /** What works on the item did not end in time; `ended` does not follow. */
  | { readonly kind: 'overdue'; readonly item: string }
  /** Our proposal has an answer; the record says whether it was accepted. */
  | { readonly kind: 'proposed' }
  /** The time is over that `wait` asked for. */
  | { readonly kind: 'waited' }
  | { readonly kind: 'close' };

/** Why the work on an item must stop. */
export type StopReason = 'moved' | 'lost' | 'closed';

/** What the host must do. Nothing of it may be answered before `step` has returned. */
export type ShareOutput =
  /**
   * Make our node for the item if the group has not agreed upon anything later. `claimed` or
   * `refused` follows.
   */
  | { readonly kind: 'claim'; readonly item: string; readonly record: GroupRecord }
  /** Say `freed` when the other's node is gone. */
  | { readonly kind: 'await'; readonly item: string }
  /** Do not. */
  | { readonly kind: 'forget'; readonly item: string }
  | { readonly kind: 'start'; readonly item: string }
  /** `ended` follows, or `overdue`. */
  | { readonly kind: 'stop'; readonly item: string; readonly reason: StopReason }
  /** Delete our node. `released` follows. */
  | { readonly kind: 'release'; readonly item: string }
  /** Write the record if the group's node has this version. `proposed` follows. */
  | {
      readonly kind: 'propose';
      readonly version: number;
      readonly definition: string;
      readonly members: readonly string[];
    }
  /** Say `waited` after this time; only the latest counts. null: do not. */
  | { readonly kind: 'wait'; readonly waitMs: number | null }
  /** Nothing is ours any more. */
  | { readonly kind: 'closed' };

interface ItemState {
  node: 'none' | 'claiming' | 'taken' | 'awaited' | 'held' | 'releasing';
  work: 'none' | 'running' | 'stopping' | 'overdue';
  isLost: boolean;
  /** The generation of the agreement with which the latest claim was made. */
  claimedWith: bigint | null;
  /** It was refused for that: there is no sense in another one. */
  isStale: boolean;
}

/** What a {@link ShareCore} is made of. */
export interface ShareTerms {
  readonly member: string;
  readonly definition: Definition;
  /** How long the members must have been the same before a new agreement is proposed. */
  readonly settleMs: number;
}

/**
 * One member of a group that shares items, without clock, client or promise inside.
 *
 * Who is in the group is what the group's node says, and not what each sees for himself: the first
 * who notes a change writes the new members down, under the version that was read. So everybody
 * shares out for the same members, and a claim carries the version: whoever has missed an agreement
 * is refused, and cannot take what it gave to another. Every member may write, so nobody has to be
 * elected; the first in the order of names does, and the others only if it does not.
 *
 * Each step compares what should be with what is, so no change can be missed by coming at a bad
 * time.
 */
export class ShareCore {
  private readonly terms: ShareTerms;
  private readonly items = new Map<string, ItemState>();
  private record: GroupRecord | null | undefined = undefined;
  private owners: ReadonlyMap<string, string> = new Map();
  private failure: Error | null = null;
  private seen: readonly string[] = [];
  private isJoined = false;
  private isProposing = false;
  private isWaiting = false;
  private isClosing = false;
  private isClosed = false;

  constructor(terms: ShareTerms) {
    this.terms = terms;
    for (const item of terms.definition.items) {
      this.items.set(item, {
        node: 'none',
        work: 'none',
        isLost: false,
        claimedWith: null,
        isStale: false,
      });
    }
  }

  /** The latest agreement; null: there is none for our items, as far as we know. */
  get agreement(): GroupRecord | null {
    const { record } = this;
    return record?.definition === this.terms.definition.fingerprint ? record : null;
  }

  /** Who is to own which item, by the latest agreement; empty without one for our items. */
  get assignment(): ReadonlyMap<string, string> {
    return this.owners;
  }

  /** Why the strategy gives nobody anything, by the latest agreement; null: it does. */
  get problem(): Error | null {
    return this.failure;
  }

  /** Whether members that share out other items are in the way of ours. */
  get isSuperseded(): boolean {
    const { record } = this;
    if (!record || record.definition === this.terms.definition.fingerprint) return false;
    return this.seen.some((node) => memberOf(node)?.definition === record.definition);
  }

  /** Returns what the host must now do, in this order. */
  step(input: ShareInput): readonly ShareOutput[] {
    const before = this.proposal();
    this.take(input);
    const outputs: ShareOutput[] = [];
    for (const [item, state] of this.items) this.reconcile(item, state, outputs);
    this.propose(input, before, outputs);
    this.lookClosed(outputs);
    return outputs;
  }

  private take(input: ShareInput): void {
    switch (input.kind) {
      case 'record':
        this.takeRecord(input.record);
        return;
      case 'members':
        this.seen = [...input.nodes].sort();
        return;
      case 'joined':
        this.isJoined = input.isJoined;
        return;
      case 'proposed':
        this.isProposing = false;
        return;
      case 'waited':
        this.isWaiting = false;
        return;
      case 'close':
        this.isClosing = true;
        return;
      default:
        this.takeOfItem(input);
    }
  }

  private takeRecord(record: GroupRecord | null): void {
    this.record = record;
    const { fingerprint, items, shareOut } = this.terms.definition;
    const isOurs = record?.definition === fingerprint;
    this.owners = new Map<string, string>();
    this.failure = null;
    if (!isOurs) return;
    try {
      // Of its own: it may be anybody's function, which sorts what it is given.
      const owners: unknown = shareOut([...items], [...record.members]);
      if (!(owners instanceof Map)) throw new TypeError('it must return a Map of owners by item');
      this.owners = owners as Map<string, string>;
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  private takeOfItem(input: Extract<ShareInput, { readonly item: string }>): void {
    const state = this.items.get(input.item);
    if (state === undefined) return;
    switch (input.kind) {
      case 'claimed':
        state.node = 'held';
        state.isLost = false;
        state.isStale = false;
        return;
      case 'refused':
        state.node = input.reason === 'taken' ? 'taken' : 'none';
        state.isStale = input.reason === 'stale';
        return;
      case 'freed':
        if (state.node === 'awaited') state.node = 'none';
        return;
      case 'lost':
        state.isLost = true;
        return;
      case 'released':
        state.node = 'none';
        state.isLost = false;
        return;
      case 'ended':
        state.work = 'none';
        return;
      case 'overdue':
        if (state.work === 'stopping') state.work = 'overdue';
        return;
      default:
        return assertNever(input);
    }
  }

  private reconcile(item: string, state: ItemState, outputs: ShareOutput[]): void {
    const isWanted = !this.isClosing && this.owners.get(item) === this.terms.member;
    switch (state.node) {
      case 'none':
        if (isWanted) this.claim(item, state, outputs);
        return;
      case 'taken':
        state.node = isWanted ? 'awaited' : 'none';
        if (isWanted) outputs.push({ kind: 'await', item });
        return;
      case 'awaited':
        if (isWanted) return;
        state.node = 'none';
        outputs.push({ kind: 'forget', item });
        return;
      case 'held':
        this.reconcileHeld(item, state, isWanted && !state.isLost, outputs);
        return;
      case 'claiming':
      case 'releasing':
        return;
    }
  }

  private claim(item: string, state: ItemState, outputs: ShareOutput[]): void {
    const { record } = this;
    if (!record || !this.isJoined) return;
    if (state.isStale && state.claimedWith === record.generation) return;
    state.node = 'claiming';
    state.claimedWith = record.generation;
    outputs.push({ kind: 'claim', item, record });
  }

  private reconcileHeld(
    item: string,
    state: ItemState,
    mayWork: boolean,
    outputs: ShareOutput[],
  ): void {
    switch (state.work) {
      case 'running': {
        if (mayWork) return;
        state.work = 'stopping';
        const reason = state.isLost ? 'lost' : this.isClosing ? 'closed' : 'moved';
        outputs.push({ kind: 'stop', item, reason });
        return;
      }
      case 'stopping':
        return;
      case 'none':
        if (mayWork) {
          state.work = 'running';
          outputs.push({ kind: 'start', item });
          return;
        }
        break;
      case 'overdue':
        break;
    }
    state.work = 'none';
    state.node = 'releasing';
    outputs.push({ kind: 'release', item });
  }

  /** The members as we would write them down; null: there is nothing to write. */
  private proposal(): readonly string[] | null {
    const { record, terms } = this;
    if (!record || !this.isJoined || this.isClosing || this.isSuperseded) return null;
    const { fingerprint } = terms.definition;
    const members = this.seen.flatMap((node) => {
      const named = memberOf(node);
      return named?.definition === fingerprint ? [named.member] : [];
    });
    members.sort();
    if (!members.includes(terms.member)) return null;
    const isSame =
      record.definition === fingerprint && record.members.join('\n') === members.join('\n');
    return isSame ? null : members;
  }

  private propose(
    input: ShareInput,
    before: readonly string[] | null,
    outputs: ShareOutput[],
  ): void {
    const members = this.proposal();
    const { record } = this;
    if (members === null || !record) {
      if (this.isWaiting) outputs.push({ kind: 'wait', waitMs: null });
      this.isWaiting = false;
      return;
    }
    if (this.isProposing) return;
    if (input.kind === 'waited') {
      this.isProposing = true;
      const { fingerprint: definition } = this.terms.definition;
      outputs.push({ kind: 'propose', version: record.version, definition, members });
      return;
    }
    const isNews = before?.join('\n') !== members.join('\n');
    if (this.isWaiting && !isNews) return;
    this.isWaiting = true;
    const rank = Math.min(members.indexOf(this.terms.member), RANK_MAX);
    outputs.push({ kind: 'wait', waitMs: this.terms.settleMs + rank * RANK_MS });
  }

  private lookClosed(outputs: ShareOutput[]): void {
    if (!this.isClosing || this.isClosed) return;
    for (const { node } of this.items.values()) if (node !== 'none') return;
    this.isClosed = true;
    outputs.push({ kind: 'closed' });
  }
}
