import { plant, type Mutation } from './mutants.js';

const BALLOT = 'ballot.ts';
const ELECTION = 'election.ts';
const ELECTORATE = 'electorate.ts';

/** What decides who is elected, and whether anybody is. Random ensembles alone have to find these. */
export const graveErrors: readonly Mutation[] = [
  plant(
    'weight is ignored',
    ELECTORATE,
    'return this.weightOf(vote.leader) !== 0;',
    'return true;',
  ),
  plant(
    'zxids come before epochs',
    BALLOT,
    'if (vote.peerEpoch !== other.peerEpoch) return vote.peerEpoch > other.peerEpoch;\n  if (vote.zxid !== other.zxid) return vote.zxid > other.zxid;',
    'if (vote.zxid % 2 ** 32 !== other.zxid % 2 ** 32) return vote.zxid % 2 ** 32 > other.zxid % 2 ** 32;',
  ),
  plant(
    'histories are not compared',
    BALLOT,
    'if (vote.zxid !== other.zxid) return vote.zxid > other.zxid;',
  ),
  plant(
    'the worse vote wins',
    BALLOT,
    'return vote.leader > other.leader;',
    'return vote.leader < other.leader && vote.leader > 1;',
  ),
  plant(
    'a quorum is not needed',
    ELECTION,
    'vote === null || !this.electorate.isQuorum(supporters)',
    'vote === null',
  ),
  plant(
    'votes of other candidates are counted',
    BALLOT,
    'if (isSameVote(ballot, other)) supporters.add(id);',
    'supporters.add(id);',
  ),
  plant(
    'only the configuration in force counts',
    ELECTORATE,
    'this.current.isQuorum(supporters) && this.next?.isQuorum(supporters) !== false',
    'this.current.isQuorum(supporters)',
  ),
  plant(
    'only the proposed configuration counts',
    ELECTORATE,
    'this.current.isQuorum(supporters) && this.next?.isQuorum(supporters) !== false',
    '(this.next ?? this.current).isQuorum(supporters)',
  ),
  plant(
    'a leader need not say that it leads',
    ELECTION,
    "return ballots.get(vote.leader)?.state === 'leading';",
    'return true;',
  ),
  plant(
    'the own vote is not counted',
    ELECTION,
    'this.ballots.set(this.me, this.ballotFor(vote));',
  ),
  plant(
    'votes of earlier rounds stay',
    ELECTION,
    'this.currentRound = round;\n    this.ballots.clear();',
    'this.currentRound = round;',
  ),
  plant(
    'rounds never rise',
    ELECTION,
    'if (round > this.currentRound) {',
    'if (round > this.currentRound && this.currentRound < 0) {',
  ),
  plant(
    'a better vote is kept to oneself',
    ELECTION,
    'this.finalWaitMs = null;\n    if (vote !== null',
    'this.finalWaitMs = null;\n    if (this.ballots.size > 0) { this.vote = vote; this.ballots.set(this.me, this.ballotFor(vote as Vote)); return; }\n    if (vote !== null',
  ),
  plant(
    'who looks is not answered',
    ELECTION,
    'if (this.needsAnswer(from, said)) this.tell(from);',
  ),
  plant(
    'votes are never sent again',
    ELECTION,
    'if (this.resendTimer.elapsed()) this.tellAll();\n    else this.dialAll();',
    'this.dialAll();',
  ),
  plant(
    'nobody is dialled again',
    ELECTION,
    'this.links.allowDials();\n    if (this.resend',
    'if (this.resend',
  ),
  plant(
    'refusals put off what is to be said',
    ELECTION,
    'if (this.links.hasCrashed(peer)) this.conclude(false);',
    'this.resendTimer.heard(); if (this.links.hasCrashed(peer)) this.conclude(true);',
  ),
  plant(
    'everybody votes for itself, and stays with it',
    ELECTORATE,
    'return other === null || !this.isElectable(other) || isBetter(vote, other);',
    'return other === null;',
  ),
];
