import type { Clock, Timer, Zxid } from '@aviary/foundation';
import type { DataTree } from '@aviary/znodes';
import type { ClientPort } from '../client-port.js';
import type { LearnerWrites } from './learner-writes.js';

/**
 * A new leader is found in a fraction of that. Who has not found one by then may be cut off from it,
 * and its clients had better go to another server.
 */
const WAIT_MS = 500;

/** The clients of a learner whose role is over. */
export interface LeftClients {
  readonly port: ClientPort;
  /** What they have asked for. */
  readonly writes: LearnerWrites;
  /** The epoch in which they were served. */
  readonly epoch: number;
}

/**
 * The clients of a member whose leader is gone. Where ZooKeeper cuts them off, these wait for the next
 * leader for a moment, and notice nothing but that.
 *
 * Until then nothing is sent to them: what the member applies of its own log meanwhile stands only if
 * the next leader has it, too. If it does, and the member did not have to take another tree, then
 * whatever is in its history by the time that a new epoch begins was done, and what is not never will
 * be: the first is answered, the rest is asked for again.
 */
export class WaitingClients {
  private left: LeftClients | null = null;
  private timer: Timer | null = null;

  constructor(private readonly clock: Clock) {}

  /** Lets clients wait; their port is suspended. */
  keep(left: LeftClients): void {
    this.drop();
    this.left = left;
    this.timer = this.clock.setTimer(WAIT_MS, () => this.drop());
  }

  /** Applies what is pending up to `through` and notes its answers; false: nobody waits. */
  applyThrough(through: Zxid): boolean {
    if (this.left === null) return false;
    this.left.writes.applyThrough(through);
    return true;
  }

  /**
   * The port of those who wait, or null: nobody does. They are cut off if no new epoch has begun (then
   * what they have asked for may still be done) or if `tree` is another one than they have seen.
   */
  portFor(epoch: number, tree: DataTree): ClientPort | null {
    const { left } = this;
    if (left === null) return null;
    if (epoch > left.epoch && tree === left.port.tree) return left.port;
    this.drop();
    return null;
  }

  /** They go on in the new role, which their port has taken. */
  goOn(): void {
    const { left } = this;
    if (left === null) return;
    this.forget();
    left.writes.handOver(left.port.role);
    left.port.resume();
  }

  /** Cuts them off. */
  drop(): void {
    const { left } = this;
    this.forget();
    left?.port.abandonConnections();
  }

  private forget(): void {
    this.timer?.cancel();
    this.timer = null;
    this.left = null;
  }
}
