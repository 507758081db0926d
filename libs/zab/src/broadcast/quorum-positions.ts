import { assert } from '@aviary/foundation';
import { Majority } from '../quorum/majority.js';
import type { QuorumVerifier, ServerId } from '../quorum/quorum-verifier.js';

/**
 * How far each voter has come along something that only grows, and how far quorums have.
 *
 * A voter that has come to a position has passed all before it. So one number for each voter says as
 * much as a set of acknowledgements for each proposal, and counting costs a few comparisons.
 */
export class QuorumPositions {
  private readonly slots = new Map<ServerId, number>();
  private readonly ids: ServerId[] = [];
  private readonly positions: Float64Array;
  private readonly counts: readonly ((positions: Float64Array) => number)[];
  private agreedPosition = 0;

  /** A position counts as reached when it is for a quorum of each of `verifiers`. */
  constructor(verifiers: readonly QuorumVerifier[]) {
    assert(verifiers.length > 0, 'somebody decides what is a quorum');
    for (const { voters } of verifiers) {
      for (const id of voters) {
        if (this.slots.has(id)) continue;
        this.slots.set(id, this.ids.length);
        this.ids.push(id);
      }
    }
    this.positions = new Float64Array(this.ids.length);
    this.counts = verifiers.map((verifier) =>
      verifier instanceof Majority ? this.majorityOf(verifier) : this.quorumOf(verifier),
    );
  }

  /** The highest position that quorums have reached; never goes back. 0 at first. */
  get agreed(): number {
    return this.agreedPosition;
  }

  /** `id` has come to `position`. Those who do not vote change nothing. Returns {@link agreed}. */
  advance(id: ServerId, position: number): number {
    const slot = this.slots.get(id);
    if (slot === undefined || position <= this.positions[slot]) return this.agreedPosition;
    this.positions[slot] = position;
    if (position <= this.agreedPosition) return this.agreedPosition;
    let reached = Infinity;
    for (const count of this.counts) reached = Math.min(reached, count(this.positions));
    if (reached > this.agreedPosition) this.agreedPosition = reached;
    return this.agreedPosition;
  }

  /** What `id` has said counts no longer, as far as no quorum has come yet. */
  forget(id: ServerId): void {
    const slot = this.slots.get(id);
    if (slot !== undefined) this.positions[slot] = 0;
  }

  private majorityOf({ voters }: Majority): (positions: Float64Array) => number {
    const slots = voters.map((id) => this.slots.get(id) ?? 0);
    const needed = Math.floor(slots.length / 2) + 1;
    return (positions) => {
      let reached = 0;
      for (const slot of slots) {
        const candidate = positions[slot];
        if (candidate <= reached) continue;
        let count = 0;
        for (const other of slots) if (positions[other] >= candidate) count++;
        if (count >= needed) reached = candidate;
      }
      return reached;
    };
  }

  private quorumOf(verifier: QuorumVerifier): (positions: Float64Array) => number {
    const there = new Set<ServerId>();
    return (positions) => {
      let reached = 0;
      for (const candidate of positions) {
        if (candidate <= reached) continue;
        there.clear();
        for (const [slot, id] of this.ids.entries())
          if (positions[slot] >= candidate) there.add(id);
        if (verifier.isQuorum(there)) reached = candidate;
      }
      return reached;
    };
  }
}
