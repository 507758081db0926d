import { assert } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from './quorum-verifier.js';

/** More than half of the voters, each of weight 1. */
export class Majority implements QuorumVerifier {
  readonly voters: readonly ServerId[];
  private readonly members: ReadonlySet<ServerId>;

  constructor(voters: Iterable<ServerId>) {
    this.members = new Set(voters);
    this.voters = [...this.members].sort((a, b) => a - b);
    assert(this.voters.length > 0, 'an ensemble has at least one voter');
  }

  isVoter(id: ServerId): boolean {
    return this.members.has(id);
  }

  weightOf(id: ServerId): number {
    return this.members.has(id) ? 1 : 0;
  }

  isQuorum(acknowledged: ReadonlySet<ServerId>): boolean {
    let count = 0;
    for (const id of this.voters) if (acknowledged.has(id)) count += 1;
    return count * 2 > this.voters.length;
  }
}
