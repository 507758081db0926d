import { assert } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from './quorum-verifier.js';

/** A group of voters, who have more to say the heavier they are. */
export interface WeightedGroup {
  /** Weight by voter: whole numbers from 0. */
  readonly weights: ReadonlyMap<ServerId, number>;
}

interface CountedGroup {
  readonly weights: ReadonlyMap<ServerId, number>;
  readonly total: number;
}

/**
 * More than half of the weight in more than half of the groups. Groups whose whole weight is 0 do not
 * count at all.
 */
export class Hierarchy implements QuorumVerifier {
  readonly voters: readonly ServerId[];
  private readonly groups: readonly CountedGroup[];
  private readonly weights = new Map<ServerId, number>();

  constructor(groups: Iterable<WeightedGroup>) {
    const counted: CountedGroup[] = [];
    for (const { weights } of groups) {
      let total = 0;
      for (const [id, weight] of weights) {
        assert(!this.weights.has(id), `server ${id} is in one group only`);
        assert(Number.isSafeInteger(weight) && weight >= 0, `server ${id} has a whole weight`);
        this.weights.set(id, weight);
        total += weight;
      }
      if (total > 0) counted.push({ weights, total });
    }
    assert(counted.length > 0, 'an ensemble has at least one group with weight');
    this.groups = counted;
    this.voters = [...this.weights.keys()].sort((a, b) => a - b);
  }

  isVoter(id: ServerId): boolean {
    return this.weights.has(id);
  }

  weightOf(id: ServerId): number {
    return this.weights.get(id) ?? 0;
  }

  isQuorum(acknowledged: ReadonlySet<ServerId>): boolean {
    let won = 0;
    for (const group of this.groups) if (isWon(group, acknowledged)) won += 1;
    return won * 2 > this.groups.length;
  }
}

function isWon(group: CountedGroup, acknowledged: ReadonlySet<ServerId>): boolean {
  let weight = 0;
  for (const [id, own] of group.weights) if (acknowledged.has(id)) weight += own;
  return weight * 2 > group.total;
}
