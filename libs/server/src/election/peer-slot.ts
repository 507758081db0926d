import type { Timer } from '@aviary/foundation';
import type { HostPort } from '@aviary/protocol';
import type { ServerId } from '@aviary/zab';
import type { Dial } from './dial.js';
import type { PeerLink } from './peer-link.js';

/** What was last said to a peer. */
export interface LastMessage {
  readonly frame: Uint8Array;
  readonly saidAtMs: number;
  /** Of when; see Connections.changeTopic. */
  readonly topic: number;
}

/** All that is kept of one peer. */
export class PeerSlot {
  link: PeerLink | null = null;
  /** The attempt to connect that is under way. */
  dial: Dial | null = null;
  last: LastMessage | null = null;
  /** How long the last connection that we began took to be there, in milliseconds. */
  rttMs: number | null = null;
  /** When we asked a peer with a larger id to connect; null once it has. */
  askedAtMs: number | null = null;
  /** When we last asked, if it has not yet closed a connection for it. */
  disturbedAtMs: number | null = null;
  /** Where a peer with a smaller id asked to be called, while we thought that we had done so. */
  unanswered: readonly HostPort[] | null = null;
  /** Runs while a connection that has ended is probably about to be replaced. */
  hold: Timer | null = null;

  constructor(readonly id: ServerId) {}

  /** Whether nothing is going on with the peer. */
  get isIdle(): boolean {
    return this.link === null && this.dial === null && this.hold === null;
  }

  /** Ends everything that is going on, without a word to anybody. */
  drop(): void {
    this.dial?.cancel();
    this.hold?.cancel();
    this.link?.drop();
    this.dial = null;
    this.hold = null;
    this.link = null;
  }
}
