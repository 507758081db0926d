import { zxidCounter, zxidEpoch, type Zxid } from '@aviary/foundation';
import type { QuorumVerifier, ServerId } from '../../src/index.js';
import type { ModelDisk, State, Txn } from './model-disk.js';

/** A promise is broken. */
export class Violation extends Error {}

export const shown = (zxid: Zxid) => `${zxidEpoch(zxid)}.${zxidCounter(zxid)}`;

function demand(condition: boolean, what: () => string): void {
  if (!condition) throw new Violation(what());
}

/** A server, as far as the checks look into it. */
export interface Checked {
  readonly sid: ServerId;
  readonly disk: ModelDisk;
  readonly memory: State;
}

/**
 * What must hold at every moment, whatever fails: Zab's promises, and those of this implementation
 * about memory and disk.
 */
export class Checks {
  /** Everything that was ever committed, in order. */
  readonly committed: Txn[] = [];
  private readonly leaders = new Map<number, ServerId>();
  private readonly initialHistories = new Map<number, State>();

  constructor(
    private readonly verifier: QuorumVerifier,
    private readonly disks: ReadonlyMap<ServerId, ModelDisk>,
  ) {}

  /** A leader writes that it holds the history of `epoch`. */
  historyChosen(epoch: number, history: State): void {
    this.initialHistories.set(epoch, [...history]);
  }

  /**
   * One leader in an epoch, and it has everything that was committed in epochs before. It may learn
   * late that a quorum agrees, when that has gone on to a later epoch; then its history is committed
   * already.
   */
  epochBegun(epoch: number, leader: ServerId, history: State): void {
    const other = this.leaders.get(epoch);
    demand(other === undefined, () => `epoch ${epoch} has two leaders: ${other!} and ${leader}`);
    this.leaders.set(epoch, leader);
    for (const [index, txn] of this.committed.entries()) {
      if (index >= history.length && zxidEpoch(txn.zxid) > epoch) break;
      const has = history[index]?.id === txn.id;
      demand(has, () => `leader ${leader} of epoch ${epoch} lacks ${shown(txn.zxid)}`);
    }
    for (let index = this.committed.length; index < history.length; index++) {
      this.committed.push(history[index]!);
    }
  }

  /** What is committed is durable at a quorum that holds the epoch, and is no other history. */
  commit(epoch: number, leader: ServerId, txn: Txn, index: number): void {
    const durable = new Set<ServerId>();
    for (const [sid, disk] of this.disks) {
      const isThere = disk.isDurable(txn, index) && disk.currentEpoch >= epoch;
      if (isThere || disk.hasLost(txn, epoch)) durable.add(sid);
    }
    demand(
      this.verifier.isQuorum(durable),
      () => `${leader} commits ${shown(txn.zxid)}, which only ${[...durable].join()} have`,
    );
    if (index === this.committed.length) this.committed.push(txn);
    this.demandCommitted(`leader ${leader}`, txn, index);
  }

  /** What a server applies as committed is, in this order, and its own disk has it. */
  apply({ sid, disk }: Checked, txn: Txn, index: number): void {
    this.demandCommitted(`server ${sid}`, txn, index);
    demand(
      disk.isDurable(txn, index),
      () => `server ${sid} applies ${shown(txn.zxid)} before its log has it`,
    );
  }

  /** A server that serves has a beginning of the committed history. */
  serve({ sid, memory }: Checked): void {
    demand(memory.length <= this.committed.length, () => `server ${sid} serves too much`);
    for (const [index, txn] of memory.entries()) this.demandCommitted(`server ${sid}`, txn, index);
  }

  /** A server that holds an epoch has the history that it began with. */
  epochHeld({ sid, disk }: Checked, epoch: number): void {
    const initial = this.initialHistories.get(epoch);
    if (initial === undefined) return;
    const durable = disk.durable();
    for (const [index, txn] of initial.entries()) {
      demand(
        durable[index]?.id === txn.id,
        () => `server ${sid} holds epoch ${epoch} without ${shown(txn.zxid)}`,
      );
    }
  }

  /** Memory is what is read from disk. */
  memoryIsDisk({ sid, disk, memory }: Checked): void {
    const { state } = disk.recover();
    demand(
      state.length === memory.length && state.every((txn, index) => txn.id === memory[index]!.id),
      () => `server ${sid} has in memory what it does not have on disk`,
    );
  }

  /** A sync that was asked for when so much was committed is answered with at least that. */
  syncAnswered({ sid, memory }: Checked, committedThen: number): void {
    demand(
      memory.length >= committedThen,
      () => `leader ${sid} answers a sync with ${memory.length} of ${committedThen} transactions`,
    );
  }

  private demandCommitted(who: string, txn: Txn, index: number): void {
    demand(
      this.committed[index]?.id === txn.id,
      () => `${who} has ${shown(txn.zxid)} where others have another transaction`,
    );
  }
}
