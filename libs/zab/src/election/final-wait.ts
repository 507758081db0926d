import type { ServerId } from '../quorum/quorum-verifier.js';
import { isBetter, type Ballots } from './ballot.js';
import type { Electorate } from './electorate.js';
import type { Links } from './links.js';
import type { Vote } from './notification.js';

/** Who is not connected, or was never measured, is waited for this long; nobody for longer. */
const WAIT_MAX_MS = 20;
/** A pause of a process is longer than a round trip in a local network. */
const WAIT_MIN_MS = 5;
const ROUND_TRIPS = 2;

/** What is known of the voters in this round. */
export interface Turnout {
  readonly me: ServerId;
  readonly electorate: Electorate;
  readonly ballots: Ballots;
  /** Those who vote without a history: they are not counted, and bring nothing better. */
  readonly mute: ReadonlySet<ServerId>;
  /** Those who had a leader when our vote reached them. */
  readonly unaware: ReadonlySet<ServerId>;
  readonly links: Links;
}

/**
 * How long to wait for a better vote when a quorum agrees on `vote`, in milliseconds; 0: decide now.
 *
 * Nobody is waited for who has been heard in this round, or has crashed. A voter's vote is never
 * worse than its own history, and changes only to votes that come from voters; so if nobody has
 * a better one than ours, nobody will find one, and who still has a worse one comes round by itself.
 * What this leaves to chance is who starts, or comes back, a moment later; as does any wait.
 *
 * Others are waited for as long as an answer takes, up to a limit. That one of them may have had the
 * better vote is no danger: see {@link Election}.
 *
 * @param fixedMs Wait this long instead.
 */
export function finalWaitMs(vote: Vote, turnout: Turnout, fixedMs: number | null): number {
  let waitMs = 0;
  for (const voter of turnout.electorate.voters) {
    if (mayBringBetter(voter, vote, turnout)) {
      waitMs = Math.max(waitMs, fixedMs ?? answerMs(voter, turnout));
    }
  }
  return waitMs;
}

function mayBringBetter(voter: ServerId, vote: Vote, turnout: Turnout): boolean {
  const { me, electorate, ballots, mute, links } = turnout;
  if (voter === me || mute.has(voter)) return false;
  const ballot = ballots.get(voter);
  if (ballot !== undefined) {
    return isBetter(ballot.vote, vote) && electorate.isElectable(ballot.vote);
  }
  // To elect a candidate that does not seem to run, on hearsay, is not urgent.
  return voter === vote.leader || !links.hasCrashed(voter);
}

/** Who is connected hears us and answers in a round trip, unless it has to notice something first. */
function answerMs(voter: ServerId, { links, unaware }: Turnout): number {
  const rttMs = unaware.has(voter) ? null : links.rttMs(voter);
  if (rttMs === null) return WAIT_MAX_MS;
  return Math.min(WAIT_MAX_MS, Math.max(WAIT_MIN_MS, Math.ceil(rttMs * ROUND_TRIPS)));
}
