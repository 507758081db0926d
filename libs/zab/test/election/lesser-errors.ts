import { plant, type Mutation } from './mutants.js';

const BALLOT = 'ballot.ts';
const ELECTION = 'election.ts';
const ELECTORATE = 'electorate.ts';
const FINAL_WAIT = 'final-wait.ts';
const LINKS = 'links.ts';
const MANDATE = 'mandate.ts';
const RESEND = 'resend-timer.ts';

/** The rest: what costs time, or other servers' time. */
export const lesserErrors: readonly Mutation[] = [
  plant(
    'strangers are counted',
    ELECTION,
    '} else if (!electorate.isVoter(from)) {',
    '} else if (electorate.voters.length === 0) {',
  ),
  plant(
    'an observer answers who is behind',
    ELECTION,
    'if (this.electorate.isVoter(this.me)) this.tell(from);',
    'this.tell(from);',
  ),
  plant(
    'votes are not sent over new connections',
    ELECTION,
    'if (this.searching && this.electorate.isVoter(peer)) this.tell(peer);',
  ),
  plant(
    'who is behind is not told',
    ELECTION,
    'if (this.electorate.isVoter(this.me)) this.tell(from);\n      return;',
    'return;',
  ),
  plant(
    'in a later round, the vote of the earlier one stays',
    ELECTION,
    'this.propose(this.prefers(vote, own) ? vote : own);',
    'this.propose(this.prefers(vote, this.vote) ? vote : this.vote);',
  ),
  plant(
    'votes of earlier rounds are counted',
    ELECTION,
    'if (this.electorate.isVoter(this.me)) this.tell(from);\n      return;',
    'if (this.electorate.isVoter(this.me)) this.tell(from);\n      if (vote !== null) this.ballots.set(from, { vote, round: this.currentRound, state: said.state, version: 0 });\n      return;',
  ),
  plant(
    'followers of an earlier life make a leader',
    ELECTION,
    'return round === this.currentRound;',
    'return true;',
  ),
  plant('who joins keeps its own round', ELECTION, 'this.currentRound = ballot.round;'),
  plant(
    'zxids of voters need not agree',
    BALLOT,
    'a.vote.zxid === b.vote.zxid && a.round',
    'a.round',
  ),
  plant(
    'epochs of voters need not agree',
    BALLOT,
    ' && a.vote.peerEpoch === b.vote.peerEpoch\n',
    '\n',
  ),
  plant(
    'epochs of followers need not agree',
    BALLOT,
    'return a.vote.peerEpoch === b.vote.peerEpoch;',
    'return true;',
  ),
  plant(
    'old servers are held to their epoch',
    BALLOT,
    'if (a.version > 0 !== b.version > 0) return true;',
  ),
  plant(
    'in one round, followers are held to their epoch',
    ELECTION,
    '{ ...ballot, version: 0 }',
    'ballot',
  ),
  plant(
    'zxids of followers must agree',
    BALLOT,
    'return a.vote.peerEpoch === b.vote.peerEpoch;',
    'return a.vote.peerEpoch === b.vote.peerEpoch && a.vote.zxid === b.vote.zxid;',
  ),
  plant(
    'candidates without a vote are accepted',
    ELECTION,
    'said.vote !== null && this.electorate.isVoter(said.vote.leader) ? said.vote : null',
    'said.vote',
  ),
  plant(
    'an outdated proposal counts',
    ELECTORATE,
    'lastSeen !== null && lastSeen.version > current.version',
    'lastSeen !== null',
  ),
  plant(
    'who may come votes for itself',
    ELECTION,
    'if (!this.electorate.isCandidate(this.me)) return null;',
    'if (!this.electorate.isVoter(this.me)) return null;',
  ),
  plant(
    'votes without a history count',
    ELECTION,
    'if (vote.zxid === ZXID_UNKNOWN) {',
    'if (vote.zxid < ZXID_UNKNOWN) {',
  ),
  plant('votes without a history are waited for', ELECTION, 'this.mute.add(from);'),
  plant(
    'who has no history counts',
    ELECTION,
    'vote === null || (this.own.lastZxid === ZXID_UNKNOWN && this.ownVote() !== null)',
    'vote === null',
  ),
  plant(
    'who has no history counts itself',
    ELECTION,
    'vote !== null && vote.zxid !== ZXID_UNKNOWN && this',
    'vote !== null && this',
  ),
  plant(
    'nobody is ever waited for',
    FINAL_WAIT,
    'if (mayBringBetter(voter, vote, turnout)) {',
    'if (voter < 0) {',
  ),
  plant(
    'who has crashed is waited for',
    FINAL_WAIT,
    'voter === vote.leader || !links.hasCrashed(voter)',
    'voter > 0',
  ),
  plant(
    'a candidate that does not run is elected at once',
    FINAL_WAIT,
    'voter === vote.leader || !links.hasCrashed(voter)',
    '!links.hasCrashed(voter)',
  ),
  plant(
    'who has been heard is waited for',
    FINAL_WAIT,
    'return isBetter(ballot.vote, vote) && electorate.weightOf(ballot.vote.leader) !== 0;',
    'return !isBetter(vote, vote) && ballot.vote.leader !== vote.leader;',
  ),
  plant(
    'who clings to a candidate of weight 0 is waited for',
    FINAL_WAIT,
    ' && electorate.weightOf(ballot.vote.leader) !== 0',
  ),
  plant(
    'the wait does not know the way',
    FINAL_WAIT,
    'const rttMs = unaware.has(voter) ? null : links.rttMs(voter);',
    'const rttMs: number | null = null;',
  ),
  plant(
    'who has yet to notice is waited for as if it had',
    FINAL_WAIT,
    'unaware.has(voter) ? null : links.rttMs(voter)',
    'links.rttMs(voter)',
  ),
  plant(
    'every message begins the wait anew',
    ELECTION,
    'this.finalWaitMs === null || waitMs < this.finalWaitMs',
    'waitMs > 0',
  ),
  plant(
    'evidence does not shorten the wait',
    ELECTION,
    'this.finalWaitMs === null || waitMs < this.finalWaitMs',
    'this.finalWaitMs === null',
  ),
  plant(
    'evidence of a crash outlives the crash',
    LINKS,
    'link.up = true;\n    link.failure = null;',
    'link.up = true;',
  ),
  plant(
    'evidence of a crash comes from an earlier election',
    LINKS,
    'link.failure = null;\n      link.dialled = false;',
    'link.dialled = false;',
  ),
  plant(
    'who has voted and died is elected',
    ELECTION,
    'this.links.isRefused(vote.leader) && this.ballots.has(vote.leader)',
    'this.currentRound < 0',
  ),
  plant(
    'a broken connection is not looked at again',
    ELECTION,
    "if (wasUp && matters && failure !== 'refused') this.dial(peer);",
  ),
  plant(
    'a broken connection is dialled without end',
    LINKS,
    'if (link.up || link.dialled) return false;',
    'if (link.up) return false;',
  ),
  plant('intervals do not grow', RESEND, 'this.intervalMs * 2', 'this.intervalMs'),
  plant(
    'who is not connected is dialled with the votes only',
    RESEND,
    'Math.min(this.intervalMs - this.silentMs, this.intervals.dialMs)',
    'this.intervalMs - this.silentMs',
  ),
  plant(
    'intervals stay long in the next election',
    RESEND,
    'this.intervalMs = this.intervals.minMs;\n    this.silentMs = 0;',
    'this.silentMs = 0;',
  ),
  plant(
    'every question is answered',
    ELECTION,
    'if (this.needsAnswer(from, said)) this.tell(from);',
    'this.tell(from);',
  ),
  plant(
    'repeated questions are not answered',
    ELECTION,
    ' || (last !== undefined && isSameVote(ballot, last))',
  ),
  plant(
    'a better vote is not answered',
    ELECTION,
    'return isBetter(vote, this.vote) || (last',
    'return (last',
  ),
  plant(
    'who was told in another round is taken to know',
    ELECTION,
    'this.told.clear();\n    this.decide(',
    'this.decide(',
  ),
  plant('who lost its connection is taken to know', ELECTION, 'this.told.delete(peer);'),
  plant(
    'who had a leader is not told again',
    ELECTION,
    '} else if (this.unaware.has(from)) {\n      this.tell(from);\n    }',
    '}',
  ),
  plant(
    'who asked during the search is forgotten',
    ELECTION,
    'for (const asker of this.asking) this.tell(asker);',
  ),
  plant(
    'who clings to a candidate of weight 0 is forgotten',
    ELECTION,
    'if (isBetter(vote, this.vote)) this.asking.add(from);',
  ),
  plant(
    'who has no history is forgotten',
    ELECTION,
    'this.mute.add(from);\n      this.asking.add(from);',
    'this.mute.add(from);',
  ),
  plant('every stranger is answered', ELECTION, "if (said.state !== 'looking') return;"),
  plant(
    'a stranger in a later round is answered',
    ELECTION,
    'said.round <= this.currentRound',
    'said.round <= Infinity',
  ),
  plant(
    'what was said between two searches is lost',
    ELECTION,
    'this.held.set(from, said);\n    } else {',
    '\n    } else {',
  ),
  plant(
    'who is behind between two searches is told twice',
    ELECTION,
    'this.searching && said.round >= this.currentRound',
    'this.searching',
  ),
  plant(
    'a role that ends is still spoken of',
    ELECTION,
    "this.serverState = 'looking';\n    this.mandate = null;\n  }",
    'this.mandate = null;\n  }',
  ),
  plant(
    'an observer follows',
    ELECTION,
    "? 'observing' : 'following'",
    "? 'following' : 'following'",
  ),
  plant(
    'the epoch of the leader stays the old one',
    ELECTION,
    'this.vote = { ...this.vote, peerEpoch: epoch };',
  ),
  plant(
    'a newer configuration is passed over',
    ELECTION,
    "isNewer && serverState === 'looking' && this.adoptsNewerConfig",
    'isNewer && this.currentRound < 0',
  ),
  plant(
    'a newer configuration is taken over by all',
    ELECTION,
    "isNewer && serverState === 'looking' && this.adoptsNewerConfig",
    "isNewer && serverState === 'looking'",
  ),
  plant(
    'a new configuration does not begin a round',
    ELECTION,
    'if (this.searching) this.startRound();\n  }\n\n  private abandon',
    '}\n\n  private abandon',
  ),
  plant(
    'a leader does not report who looks',
    ELECTION,
    "if (this.serverState === 'leading') this.outputs.push({ kind: 'sawLooking', peer: from });",
  ),
  plant(
    'a leader that looks elsewhere is waited for',
    MANDATE,
    "if (from === this.leader && this.isElsewhere(said)) return 'leaderElsewhere';",
  ),
  plant(
    'a leader that restarted is waited for',
    MANDATE,
    'if (this.supporters?.has(this.leader) === true) return true;',
  ),
  plant(
    'old words of a leader count',
    MANDATE,
    'if (round !== this.ballot.round) return round > this.ballot.round;',
    'if (round !== this.ballot.round) return true;',
  ),
  plant(
    'a leader that crashed is waited for',
    MANDATE,
    "if (peer === this.leader) return this.leaderWasHeard ? 'leaderCrashed' : null;",
  ),
  plant(
    'supporters that leave are not missed',
    MANDATE,
    "return electorate.isQuorum(supporters) ? null : 'supportersLeft';",
    'return null;',
  ),
  plant('supporters that come late are not counted', MANDATE, 'this.supporters?.add(from);'),
  plant(
    'a confirmed role is still doubted',
    ELECTION,
    "case 'confirmed':\n        this.mandate = null;",
    "case 'confirmed':",
  ),
  plant(
    'a settled role is still doubted',
    ELECTION,
    'this.vote = { ...this.vote, peerEpoch: epoch };\n    this.mandate = null;',
    'this.vote = { ...this.vote, peerEpoch: epoch };',
  ),
];
