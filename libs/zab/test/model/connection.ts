import type { LeaderPacket, LearnerPacket, ServerId } from '../../src/index.js';
import type { Zxid } from '@aviary/foundation';
import type { State, Txn } from './model-disk.js';
import type { Ensemble } from './ensemble.js';
import type { ModelServer } from './model-server.js';

/** What a leader sends: packets, and the stream behind SNAP. */
export type FromLeader =
  LeaderPacket<Txn> | { readonly type: 'stream'; readonly zxid: Zxid; readonly state: State };

/** Who is at an end of a connection. */
export interface End<Message> {
  received(message: Message): void;
  closed(): void;
}

const DELAY_MS_MAX = 12;
const SLOW_DELAY_MS_MAX = 120;

/** One direction: what is sent arrives in order, until the connection breaks. */
class Direction<Message> {
  private lastMs = 0;
  end: End<Message> | null = null;
  private readonly server: ModelServer;
  /** Of the process at this end; the next one has nothing to do with the connection. */
  private readonly life: number;

  constructor(
    private readonly ensemble: Ensemble,
    to: ServerId,
    private readonly connection: Connection,
  ) {
    this.server = ensemble.server(to);
    this.life = this.server.life;
  }

  send(message: Message): void {
    const { timeline, prng, chaotic } = this.ensemble;
    const slow = chaotic && prng.chance(0.03);
    const delayMs = prng.between(1, slow ? SLOW_DELAY_MS_MAX : DELAY_MS_MAX);
    this.lastMs = Math.max(timeline.nowMs + delayMs, this.lastMs);
    timeline.at(this.lastMs, () => {
      if (this.connection.isCut) return;
      this.server.run(this.life, () => this.end?.received(message));
    });
  }

  close(): void {
    const { timeline, prng } = this.ensemble;
    timeline.after(prng.between(0, DELAY_MS_MAX), () => {
      this.server.run(this.life, () => {
        const { end } = this;
        this.end = null;
        end?.closed();
      });
    });
  }
}

/** A connection from a learner to a leader. */
export class Connection {
  readonly toLeader: Direction<LearnerPacket>;
  readonly toLearner: Direction<FromLeader>;
  /** Nothing arrives any more. */
  isCut = false;

  constructor(
    ensemble: Ensemble,
    readonly id: number,
    readonly learner: ServerId,
    readonly leader: ServerId,
  ) {
    this.toLeader = new Direction(ensemble, leader, this);
    this.toLearner = new Direction(ensemble, learner, this);
  }

  /** Ends the connection; both ends hear of it, `who` excepted. */
  close(who: ServerId | null): void {
    this.isCut = true;
    if (who !== this.leader) this.toLeader.close();
    if (who !== this.learner) this.toLearner.close();
    if (who === this.leader) this.toLeader.end = null;
    if (who === this.learner) this.toLearner.end = null;
  }

  /** Nothing arrives any more, and nobody hears why. */
  cut(): void {
    this.isCut = true;
  }
}
