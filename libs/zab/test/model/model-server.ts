import type { Zxid } from '@aviary/foundation';
import { CommittedLog, type ServerId } from '../../src/index.js';
import type { Connection } from './connection.js';
import type { Ensemble } from './ensemble.js';
import { EarlyLeaderHost } from './early-leader-host.js';
import { LeaderHost } from './leader-host.js';
import { LearnerHost } from './learner-host.js';
import { ModelDisk, type Txn } from './model-disk.js';

const WRITE_MS_MIN = 1;
const WRITE_MS_MAX = 20;
const SLOW_WRITE_MS_MAX = 150;
/** So few that learners need the log on disk and snapshots too. */
const WINDOW = 6;

export type ServerState = 'down' | 'looking' | 'leading' | 'learning' | 'ending';

/** A server of the model: a disk, memory, and the role that it is in. */
export class ModelServer {
  readonly disk: ModelDisk;
  memory: Txn[] = [];
  /** The last transaction in memory, or the snapshot's or epoch's start behind it. */
  lastProcessed: Zxid = 0;
  readonly window = new CommittedLog<Txn>({ entriesMax: WINDOW, bytesMax: 1e9 });
  state: ServerState = 'down';
  role: LeaderHost | LearnerHost | null = null;
  /** Grows with each start: what was for an earlier one is gone. */
  life = 0;
  private readonly slowWrites: number;
  private pausedUntilMs = 0;
  private inbox: (() => void)[] = [];
  private writing = 0;
  private lastLogMs = 0;
  private lastFileMs = 0;

  constructor(
    readonly ensemble: Ensemble,
    readonly sid: ServerId,
    readonly kind: 'voter' | 'nonVoter' | 'observer',
  ) {
    this.disk = new ModelDisk(ensemble.snapshotsKept);
    this.slowWrites = ensemble.prng.chance(0.2) ? 0.5 : 0.03;
  }

  /** Whether it takes part in elections. */
  get votes(): boolean {
    return this.kind === 'voter' && !this.disk.isRejoining;
  }

  get isUp(): boolean {
    return this.state !== 'down';
  }

  get isPaused(): boolean {
    return this.ensemble.timeline.nowMs < this.pausedUntilMs;
  }

  start(): void {
    this.life++;
    this.disk.start();
    this.reload();
    this.look();
  }

  crash(): void {
    this.life++;
    this.state = 'down';
    this.disk.crash(this.ensemble.prng);
    this.inbox = [];
    this.pausedUntilMs = 0;
    this.writing = 0;
    this.role = null;
  }

  /** What happens to the process meanwhile happens when it goes on. */
  pause(forMs: number): void {
    if (!this.isUp) return;
    const { timeline } = this.ensemble;
    const { life } = this;
    this.pausedUntilMs = timeline.nowMs + forMs;
    timeline.at(this.pausedUntilMs, () => {
      if (life !== this.life) return;
      const { inbox } = this;
      this.inbox = [];
      for (const run of inbox) if (life === this.life) run();
    });
  }

  /** Runs in the process of `life`, once that runs. */
  run(life: number, work: () => void): void {
    if (life !== this.life || !this.isUp) return;
    if (this.isPaused) this.inbox.push(() => this.run(life, work));
    else work();
  }

  /** As {@link run}, but ahead of what waits: sockets are not read in the order of arrival. */
  runFirst(work: () => void): void {
    if (!this.isUp) return;
    if (this.isPaused) this.inbox.unshift(work);
    else work();
  }

  later(delayMs: number, work: () => void): void {
    const { life } = this;
    this.ensemble.timeline.after(delayMs, () => this.run(life, work));
  }

  /** Writes one file after the other. `perform` changes the disk, unless the process dies before. */
  writeFile(perform: () => void, done: () => void): void {
    this.lastFileMs = this.write(this.lastFileMs, perform, done);
  }

  /** Makes durable what is in the log now. */
  syncLog(done: () => void): void {
    const length = this.disk.logLength;
    this.changeLog(() => this.disk.noteSynced(length), done);
  }

  /** Changes the log otherwise, behind what was asked for before. */
  changeLog(perform: () => void, done: () => void): void {
    this.lastLogMs = this.write(this.lastLogMs, perform, done);
  }

  private write(afterMs: number, perform: () => void, done: () => void): number {
    const { timeline, prng, chaotic } = this.ensemble;
    const isSlow = chaotic && prng.chance(this.slowWrites);
    const delayMs = prng.between(WRITE_MS_MIN, isSlow ? SLOW_WRITE_MS_MAX : WRITE_MS_MAX);
    const atMs = Math.max(timeline.nowMs + delayMs, afterMs);
    const { life } = this;
    this.writing++;
    timeline.at(atMs, () => {
      if (life !== this.life) return;
      perform();
      this.run(life, () => {
        this.writing--;
        done();
      });
    });
    return atMs;
  }

  reload(): void {
    const { state, lastZxid } = this.disk.recover();
    this.replaceMemory(state, lastZxid);
    for (const txn of state) if (txn.zxid > lastZxid - WINDOW) this.window.add(txn.zxid, txn, 1);
  }

  replaceMemory(state: readonly Txn[], lastZxid: Zxid): void {
    this.memory = [...state];
    this.lastProcessed = lastZxid;
    this.window.clear();
  }

  /** Applies a transaction that the log has. */
  apply(txn: Txn): void {
    this.memory.push(txn);
    this.lastProcessed = txn.zxid;
    this.window.add(txn.zxid, txn, 1);
  }

  lead(): void {
    this.state = 'leading';
    this.role = this.leaderHost();
    this.role.start();
  }

  protected leaderHost(): LeaderHost {
    return this.ensemble.sendsEarly ? new EarlyLeaderHost(this) : new LeaderHost(this);
  }

  learnFrom(leader: ServerId, needsSnapshot = false): void {
    this.state = 'learning';
    this.role = this.learnerHost(leader, needsSnapshot);
    this.role.start();
  }

  protected learnerHost(leader: ServerId, needsSnapshot: boolean): LearnerHost {
    return new LearnerHost(this, leader, needsSnapshot);
  }

  /**
   * The role is over. What it wrote is waited for, memory comes to the end of the log. `again`: the
   * leader to ask for a snapshot next.
   */
  endRole(memory: 'valid' | 'invalid', again: ServerId | null): void {
    this.role = null;
    this.state = 'ending';
    const { life } = this;
    // What is in the log and was not synced yet belongs to what the vote names.
    this.syncLog(() => undefined);
    const finish = (): void => {
      if (this.writing > 0) return this.later(2, finish);
      this.makeMemoryWhole(memory);
      this.ensemble.checks.memoryIsDisk(this);
      // A snapshot may contain what was never committed, too (ZOOKEEPER-1549).
      if (this.ensemble.prng.chance(0.4)) this.disk.compact(this.lastProcessed, [...this.memory]);
      if (again === null) this.look();
      else this.learnFrom(again, true);
    };
    this.run(life, finish);
  }

  protected makeMemoryWhole(memory: 'valid' | 'invalid'): void {
    if (memory === 'invalid') return this.reload();
    for (const txn of this.disk.logThrough(Infinity)) {
      if (txn.zxid > this.lastProcessed) this.apply(txn);
    }
  }

  look(): void {
    this.state = 'looking';
    const { life } = this;
    const attempt = (): void => {
      if (life !== this.life || this.state !== 'looking') return;
      this.ensemble.elect(this);
      this.later(this.ensemble.prng.between(10, 60), attempt);
    };
    this.later(this.ensemble.prng.between(1, 30), attempt);
  }

  /** Takes a snapshot of its own, as servers do from time to time. */
  compact(): void {
    if (this.state !== 'leading' && this.state !== 'learning') return;
    if (this.role?.isServing === true) this.disk.compact(this.lastProcessed, [...this.memory]);
  }

  connected(connection: Connection): void {
    if (this.role instanceof LeaderHost) this.role.connected(connection);
    else connection.close(this.sid);
  }
}
