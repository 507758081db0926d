import { zxidEpoch, type Zxid } from '@aviary/foundation';
import { ZXID_UNKNOWN } from '../election/notification.js';
import { firstIndexFrom, type CommittedWindow } from './committed-log.js';
import { isEpochStart } from './succession.js';

/**
 * What the transaction logs on the leader's disk say about the place where a learner's history ends.
 * Only transactions up to the first one of the committed window are looked at.
 */
export interface LogSection {
  /** The last logged transaction that is not after the learner's; null: the log starts later. */
  readonly floor: Zxid | null;
  /** The first logged transaction after the learner's; null: there is none. */
  readonly next: Zxid | null;
  /** The last logged transaction of the section. */
  readonly last: Zxid;
  /** Size of the files from the one that holds `floor` on. */
  readonly bytes: number;
}

/** What a leader has to bring a learner up to date with. */
export interface SyncSources {
  /** The last transaction in the leader's tree; the start of its epoch before the first one of it. */
  readonly lastProcessed: Zxid;
  readonly committed: CommittedWindow;
  /** The logs on disk; null: not to be used; undefined: not looked at yet. */
  readonly log: LogSection | null | undefined;
  /**
   * How many bytes of logs may be sent instead of a snapshot; negative: none; 0: any number.
   * ZooKeeper takes `zookeeper.snapshotSizeFactor` (0.33) of the newest snapshot.
   */
  readonly logBytesMax: number;
  /** Send a snapshot whatever the learner has (`zookeeper.forceSnapshotSync`). */
  readonly snapshotForced?: boolean;
}

/**
 * What a learner is sent before NEWLEADER. `diff` and `trunc`: a packet with `zxid`, then every
 * committed transaction after `after` up to `through`, each as PROPOSAL and COMMIT.
 */
export type SyncPlan =
  | { readonly kind: 'diff'; readonly zxid: Zxid; readonly after: Zxid; readonly through: Zxid }
  /** The learner cuts its log behind `zxid` first. */
  | { readonly kind: 'trunc'; readonly zxid: Zxid; readonly after: Zxid; readonly through: Zxid }
  | { readonly kind: 'snap' }
  /** Look at the log around the learner's zxid up to `through`, then plan again. */
  | { readonly kind: 'needsLog'; readonly through: Zxid };

const SNAP: SyncPlan = { kind: 'snap' };

/**
 * Decides how a learner whose history ends with `peer` gets the leader's (ZooKeeper's
 * `LearnerHandler.syncFollower`): the missing transactions from memory, from disk and memory, after
 * cutting what the leader does not have, or a snapshot.
 *
 * `peer` may be the start of an epoch: a former leader, or somebody that loaded its snapshot, before
 * the first transaction of that epoch. Such a server has nothing to cut. {@link ZXID_UNKNOWN}: it
 * does not know what it has.
 */
export function planSync(peer: Zxid, sources: SyncSources): SyncPlan {
  const { committed, lastProcessed } = sources;
  const { length } = committed;
  const min = length > 0 ? committed.zxidAt(0) : lastProcessed;
  const max = length > 0 ? committed.zxidAt(length - 1) : lastProcessed;
  if (sources.snapshotForced === true || peer === ZXID_UNKNOWN) return SNAP;
  if (peer === lastProcessed) return { kind: 'diff', zxid: peer, after: peer, through: peer };
  if (peer > max) {
    return isEpochStart(peer) ? SNAP : { kind: 'trunc', zxid: max, after: max, through: max };
  }
  if (peer >= min) return planFromWindow(peer, committed, max);
  return planFromLog(peer, sources, min, max);
}

/** `peer` lies between the first and the last entry, both included. */
function planFromWindow(peer: Zxid, committed: CommittedWindow, max: Zxid): SyncPlan {
  if (committed.length === 0) return SNAP;
  const place = firstIndexFrom(committed, peer);
  const next = committed.zxidAt(place);
  if (next === peer) return diff(peer, max);
  return planAtHole(peer, committed.zxidAt(place - 1), next, max);
}

function planFromLog(peer: Zxid, sources: SyncSources, min: Zxid, max: Zxid): SyncPlan {
  const { log, logBytesMax } = sources;
  if (logBytesMax < 0 || log === null) return SNAP;
  if (log === undefined) return { kind: 'needsLog', through: min };
  if (log.floor === null || log.next === null || log.last < min) return SNAP;
  if (logBytesMax > 0 && log.bytes > logBytesMax) return SNAP;
  if (log.floor === peer) return diff(peer, max);
  return planAtHole(peer, log.floor, log.next, max);
}

/** The leader has the transactions before and after `peer`, and not `peer`. */
function planAtHole(peer: Zxid, before: Zxid, next: Zxid, max: Zxid): SyncPlan {
  if (isEpochStart(peer)) return diff(peer, max);
  // A log cannot be cut back into another epoch: ZooKeeper's learners stop when asked to.
  if (zxidEpoch(next) !== zxidEpoch(peer)) return SNAP;
  return { kind: 'trunc', zxid: before, after: before, through: max };
}

function diff(after: Zxid, max: Zxid): SyncPlan {
  return { kind: 'diff', zxid: max, after, through: max };
}
