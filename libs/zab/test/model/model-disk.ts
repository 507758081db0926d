import type { Zxid } from '@aviary/foundation';
import type { Prng } from './prng.js';

/** A transaction: `id` tells apart what two leaders might have called the same. */
export interface Txn {
  readonly zxid: Zxid;
  readonly id: number;
}

/** The state of a server is the list of what it has applied. */
export type State = readonly Txn[];

interface Snapshot {
  readonly zxid: Zxid;
  readonly state: State;
}

const EMPTY: Snapshot = { zxid: 0, state: [] };

/** What is on the disk of a server: what a sync has not covered may be lost in a crash. */
export class ModelDisk {
  acceptedEpoch = 0;
  currentEpoch = 0;
  /** The history was lost: the server must not vote. Outlives crashes. */
  isRejoining = false;
  /** What was durable here and is lost, with the epoch that was held: nobody forgets that it was. */
  private readonly lost = new Map<number, number>();
  private log: Txn[] = [];
  private synced = 0;
  private snapshots: Snapshot[] = [EMPTY];

  constructor(private readonly snapshotsKept: number) {}

  get logLength(): number {
    return this.log.length;
  }

  append(txn: Txn): void {
    this.log.push(txn);
  }

  /** The first `length` records of the log are durable. */
  noteSynced(length: number): void {
    this.synced = Math.max(this.synced, Math.min(length, this.log.length));
  }

  /** What a process finds: after a start all of it is durable. */
  recover(): { state: Txn[]; lastZxid: Zxid } {
    const { zxid, state } = this.snapshots.at(-1)!;
    const rest = this.log.filter((txn) => txn.zxid > zxid);
    return { state: [...state, ...rest], lastZxid: rest.at(-1)?.zxid ?? zxid };
  }

  start(): void {
    this.synced = this.log.length;
  }

  /** Whether a power cut now leaves `txn` at `index` of the history. */
  isDurable(txn: Txn, index: number): boolean {
    const { zxid, state } = this.snapshots.at(-1)!;
    if (txn.zxid <= zxid) return state[index]?.id === txn.id;
    for (let at = this.synced - 1; at >= 0; at--) if (this.log[at]!.id === txn.id) return true;
    return false;
  }

  /** Whether `txn` was acknowledged here in `epoch`, or might have been, and is gone. */
  hasLost(txn: Txn, epoch: number): boolean {
    return (this.lost.get(txn.id) ?? -1) >= epoch;
  }

  /** Everything is damaged but for the epoch that was agreed to: it is put aside. */
  lose(): void {
    for (const { id } of this.durable()) {
      this.lost.set(id, Math.max(this.currentEpoch, this.lost.get(id) ?? 0));
    }
    this.isRejoining = true;
    this.currentEpoch = 0;
    this.install(0, []);
  }

  /** What is durable of the history. */
  durable(): Txn[] {
    const { zxid, state } = this.snapshots.at(-1)!;
    return [...state, ...this.log.slice(0, this.synced).filter((txn) => txn.zxid > zxid)];
  }

  /** The log as a leader reads it for a learner: everything behind the oldest snapshot. */
  logThrough(zxid: Zxid): Txn[] {
    return this.log.filter((txn) => txn.zxid <= zxid);
  }

  /** Whether something is left that ends with `zxid`. */
  canTruncate(zxid: Zxid): boolean {
    if (zxid === 0) return true;
    const base = this.snapshots.findLast((snapshot) => snapshot.zxid <= zxid);
    if (base === undefined) return false;
    const last = this.log.findLast((txn) => txn.zxid <= zxid && txn.zxid > base.zxid);
    const end = last?.zxid ?? base.zxid;
    return end === zxid || (zxid % 0x1_0000_0000 === 0 && end < zxid);
  }

  deleteSnapshotsBeyond(zxid: Zxid): void {
    this.snapshots = this.snapshots.filter((snapshot) => snapshot.zxid <= zxid);
    if (this.snapshots.length === 0) this.snapshots.push(EMPTY);
  }

  cutLog(zxid: Zxid): void {
    this.log = this.log.filter((txn) => txn.zxid <= zxid);
    this.synced = this.log.length;
  }

  /** A snapshot of the leader's takes the place of everything. */
  install(zxid: Zxid, state: State): void {
    this.snapshots = [{ zxid, state }];
    this.log = [];
    this.synced = 0;
  }

  /** A snapshot of the server's own; the log before the oldest one that is kept goes. */
  compact(zxid: Zxid, state: State): void {
    if (zxid <= this.snapshots.at(-1)!.zxid) return;
    this.snapshots.push({ zxid, state });
    this.snapshots.splice(0, Math.max(0, this.snapshots.length - this.snapshotsKept));
    const before = this.log.length;
    this.log = this.log.filter((txn) => txn.zxid > this.snapshots[0]!.zxid);
    this.synced = Math.max(0, this.synced - (before - this.log.length));
  }

  /** Of what was not synced, the beginning may be there. */
  crash(prng: Prng): void {
    this.log.length = this.synced + prng.below(this.log.length - this.synced + 1);
  }
}
