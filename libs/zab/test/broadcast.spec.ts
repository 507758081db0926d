import { describe, expect, it } from '@jest/globals';
import { AssertionError, zxidOf } from '@aviary/foundation';
import fc from 'fast-check';
import { Broadcast, Hierarchy, Majority, type QuorumVerifier } from '../src/index.js';

const EPOCH = 3;
const z = (counter: number) => zxidOf(EPOCH, counter);

function leaderOf(verifiers: readonly QuorumVerifier[], proposals: number): Broadcast {
  const broadcast = new Broadcast(EPOCH, 1, verifiers);
  for (let counter = 1; counter <= proposals; counter++) broadcast.propose(z(counter));
  return broadcast;
}

describe('a broadcast', () => {
  it('commits in order what a majority has, its own log being one vote', () => {
    const broadcast = leaderOf([new Majority([1, 2, 3])], 3);
    expect(broadcast.acknowledge(2, z(1))).toBe(0);
    expect(broadcast.logged(z(2))).toBe(z(1));
    expect(broadcast.acknowledge(3, z(3))).toBe(z(2));
    expect(broadcast.committed).toBe(z(2));
    expect(broadcast.acknowledge(2, z(3))).toBe(z(3));
  });

  it('commits without the leader\u2019s log, and applies only with it', () => {
    const broadcast = leaderOf([new Majority([1, 2, 3])], 2);
    broadcast.acknowledge(2, z(2));
    expect(broadcast.acknowledge(3, z(2))).toBe(z(2));
    expect(broadcast.applicable).toBe(z(0));
    expect(broadcast.logged(z(1))).toBe(0);
    expect(broadcast.applicable).toBe(z(1));
    expect(broadcast.logged(z(2))).toBe(0);
    expect(broadcast.applicable).toBe(z(2));
  });

  it('commits a group at once', () => {
    const broadcast = leaderOf([new Majority([1, 2, 3])], 50);
    expect(broadcast.logged(z(50))).toBe(0);
    expect(broadcast.acknowledge(3, z(40))).toBe(z(40));
  });

  it('is alone where the ensemble is one server', () => {
    expect(leaderOf([new Majority([1])], 2).logged(z(2))).toBe(z(2));
  });

  it('counts nobody without a vote, nothing of other epochs, nothing that was not proposed', () => {
    const broadcast = leaderOf([new Majority([1, 2, 3])], 2);
    broadcast.logged(z(2));
    expect(broadcast.acknowledge(7, z(2))).toBe(0);
    expect(broadcast.acknowledge(2, zxidOf(EPOCH, 0))).toBe(0);
    expect(broadcast.acknowledge(2, zxidOf(EPOCH - 1, 9))).toBe(0);
    expect(broadcast.acknowledge(2, z(3))).toBe(0);
    broadcast.propose(z(3));
    expect(broadcast.committed).toBe(z(0));
    expect(broadcast.acknowledge(2, z(2))).toBe(z(2));
  });

  it('forgets what was acknowledged on a connection that has ended', () => {
    const broadcast = leaderOf([new Majority([1, 2, 3])], 2);
    broadcast.acknowledge(2, z(2));
    broadcast.forget(2);
    expect(broadcast.logged(z(2))).toBe(0);
    expect(broadcast.acknowledge(2, z(1))).toBe(z(1));
    broadcast.forget(2);
    expect(broadcast.committed).toBe(z(1));
  });

  it('keeps proposals without holes, and ends before the counter does', () => {
    const broadcast = leaderOf([new Majority([1])], 1);
    expect(() => broadcast.propose(z(3))).toThrow(AssertionError);
    expect(() => broadcast.propose(z(1))).toThrow(AssertionError);
    Object.assign(broadcast, { lastProposedZxid: z(0xffff_fffd) });
    expect(broadcast.nextZxid).toBe(z(0xffff_fffe));
    broadcast.propose(z(0xffff_fffe));
    expect(broadcast.nextZxid).toBe(0);
    expect(() => broadcast.propose(z(0xffff_ffff))).toThrow(AssertionError);
  });

  it('asks for each proposal those who were asked when it was made', () => {
    const old = new Majority([1, 2, 3]);
    const next = new Majority([1, 4, 5]);
    const broadcast = leaderOf([old], 1);
    broadcast.changeVerifiers([old, next]);
    broadcast.propose(z(2));
    broadcast.logged(z(2));
    expect(broadcast.acknowledge(4, z(2))).toBe(0);
    expect(broadcast.acknowledge(2, z(1))).toBe(z(1));
    expect(broadcast.acknowledge(2, z(2))).toBe(z(2));
    broadcast.changeVerifiers([next]);
    broadcast.propose(z(3));
    broadcast.logged(z(3));
    expect(broadcast.acknowledge(3, z(3))).toBe(0);
    expect(broadcast.acknowledge(5, z(3))).toBe(z(3));
  });

  it('does not commit a later proposal before one that needs more', () => {
    const old = new Majority([1, 2, 3]);
    const next = new Majority([1]);
    const broadcast = leaderOf([old], 1);
    broadcast.changeVerifiers([next]);
    broadcast.propose(z(2));
    expect(broadcast.logged(z(2))).toBe(0);
    expect(broadcast.acknowledge(3, z(1))).toBe(z(2));
  });
});

/** The rule as it is written down: a set of acknowledgements for each proposal, committed in order. */
class NaiveLeader {
  private readonly proposals: Set<number>[] = [];
  committed = 0;

  constructor(private readonly verifiers: readonly QuorumVerifier[]) {}

  propose(): void {
    this.proposals.push(new Set());
  }

  acknowledge(id: number, from: number, through: number): void {
    for (let counter = from; counter <= through; counter++) this.proposals[counter - 1]?.add(id);
    while (this.isCommitted(this.committed + 1)) this.committed++;
  }

  private isCommitted(counter: number): boolean {
    const acks = this.proposals[counter - 1];
    return acks !== undefined && this.verifiers.every((verifier) => verifier.isQuorum(acks));
  }
}

const group = (...ids: number[]) => ({ weights: new Map(ids.map((id) => [id, id % 3])) });

it.each([
  ['a majority', [new Majority([1, 2, 3, 4, 5])]],
  ['a majority of two', [new Majority([1, 2])]],
  ['a hierarchy', [new Hierarchy([group(1, 2), group(4, 5), group(7, 8)])]],
  ['two ensembles at once', [new Majority([1, 2, 3]), new Majority([3, 4, 5, 6])]],
  ['a majority and a hierarchy', [new Majority([1, 2, 3]), new Hierarchy([group(1, 2, 4)])]],
])('commits what %s has acknowledged, and returns it once', (_, verifiers) => {
  const step = fc.oneof(
    fc.constant({ id: 0, by: 0 }),
    fc.record({ id: fc.integer({ min: 1, max: 9 }), by: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const broadcast = new Broadcast(EPOCH, 1, verifiers);
      const naive = new NaiveLeader(verifiers);
      const acked = new Map<number, number>();
      let proposed = 0;
      for (const { id, by } of steps) {
        if (id === 0) {
          broadcast.propose(z(++proposed));
          naive.propose();
          continue;
        }
        const from = acked.get(id) ?? 0;
        const through = Math.min(from + by, proposed);
        if (through === from) continue;
        acked.set(id, through);
        const before = naive.committed;
        naive.acknowledge(id, from + 1, through);
        const newly =
          id === 1 ? broadcast.logged(z(through)) : broadcast.acknowledge(id, z(through));
        expect(newly).toBe(naive.committed > before ? z(naive.committed) : 0);
        expect(broadcast.committed).toBe(z(naive.committed));
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});
