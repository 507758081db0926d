import type { Notification, ServerId, Vote } from '../../src/index.js';
import { isBetter } from '../../src/election/ballot.js';
import type { Electorate } from '../../src/election/electorate.js';
import type { Member, Outcome } from './member.js';

/**
 * Holds what an election promises against all that was ever said.
 *
 * It does not promise that there is one leader: votes are not promises, so two servers may be elected
 * in one round, one of them in vain. That a leader acts alone is the business of the epochs that
 * follow. It promises that who is elected was wanted by a quorum, and that nobody in it knew more.
 */
export class Referee {
  readonly violations: string[] = [];
  private readonly own = new Map<ServerId, Vote | null>();
  /** Who has voted so in a round. */
  private readonly cast = new Map<string, Set<ServerId>>();
  /** Who has said to have this leader: in a round, and in an epoch. */
  private readonly claims = new Map<string, Set<ServerId>>();
  /** Who has ever said that it leads: some may have kept that for long. */
  private readonly leading = new Set<ServerId>();

  constructor(private readonly electorate: Electorate) {}

  looks({ id, history }: Member): void {
    const { lastZxid, currentEpoch } = history;
    const isCandidate = this.electorate.isCandidate(id);
    const vote = isCandidate ? { leader: id, zxid: lastZxid, peerEpoch: currentEpoch } : null;
    this.own.set(id, vote);
  }

  said(from: ServerId, to: ServerId, { state, vote, round }: Notification): void {
    if (vote === null || !this.electorate.isVoter(from)) return;
    // In one round, who has the leader already counts as a voter for it.
    if (state !== 'observing') note(this.cast, keyOf(vote, round), from);
    if (state !== 'looking') {
      if (state === 'observing') return;
      for (const claim of claimsFor(vote, round)) {
        note(this.claims, claim, from);
      }
      if (state === 'leading') this.leading.add(from);
      return;
    }
    // What ZooKeeper's voters tell those without a vote may be the outcome of an earlier election.
    if (!this.electorate.isVoter(to)) return;
    const own = this.own.get(from) ?? null;
    if (own !== null && this.electorate.weightOf(from) > 0 && isBetter(own, vote)) {
      this.violations.push(`${from} votes for ${vote.leader}, which knows less than itself`);
    }
  }

  decided(member: Member, { vote, round, state }: Outcome): void {
    const { electorate } = this;
    const { leader } = vote;
    const name = `${member.id} has ${leader} elected in round ${round}`;
    if (!electorate.isVoter(leader)) this.violations.push(`${name}, which has no vote`);
    if (electorate.weightOf(leader) === 0) this.violations.push(`${name}, which has no weight`);
    if ((state === 'leading') !== (leader === member.id))
      this.violations.push(`${name} is ${state}`);
    const voters = new Set(this.cast.get(keyOf(vote, round)));
    if (electorate.isVoter(member.id)) voters.add(member.id);
    const claims = claimsFor(vote, round);
    const claimed = claims.flatMap((claim) => [...(this.claims.get(claim) ?? [])]);
    const all = new Set([...voters, ...claimed]);
    if (electorate.isQuorum(voters)) return;
    if (!electorate.isQuorum(all)) {
      this.violations.push(`${name} without a quorum: only ${[...all].join(' ')} want it`);
    } else if (leader !== member.id && !this.leading.has(leader)) {
      this.violations.push(`${name}, which has never said that it leads`);
    }
  }
}

function note(map: Map<string, Set<ServerId>>, key: string, id: ServerId): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([id]));
  else known.add(id);
}

function claimsFor({ leader, peerEpoch }: Vote, round: number): string[] {
  return [`${leader} round ${round}`, `${leader} epoch ${peerEpoch}`];
}

function keyOf({ leader, zxid, peerEpoch }: Vote, round: number): string {
  return `${leader} ${zxid} ${peerEpoch} ${round}`;
}
