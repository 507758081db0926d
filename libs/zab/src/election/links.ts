import type { ServerId } from '../quorum/quorum-verifier.js';

/**
 * Why there is no election connection to a peer. `refused`: its host answered that nobody listens;
 * `reset`: an established connection was reset; `lost`: anything else (closed, silence, no route).
 */
export type LinkFailure = 'refused' | 'reset' | 'lost';

interface Link {
  up: boolean;
  /** How the last connection, or attempt, of this election ended; null: not at all so far. */
  failure: LinkFailure | null;
  /** Whether a connection was asked for since {@link Links.allowDials}. */
  dialled: boolean;
  rttMs: number | null;
}

/** What is known of the connections to the other servers. */
export class Links {
  private readonly links = new Map<ServerId, Link>();

  /** Forgets failures: evidence of a crash counts in the election in which it was seen. */
  startElection(): void {
    for (const link of this.links.values()) {
      link.failure = null;
      link.dialled = false;
    }
  }

  /** Lets {@link mayDial} agree to one more attempt for each peer. */
  allowDials(): void {
    for (const link of this.links.values()) link.dialled = false;
  }

  /** Whether to connect to `peer` now; true at most once per peer until {@link allowDials}. */
  mayDial(peer: ServerId): boolean {
    const link = this.of(peer);
    if (link.up || link.dialled) return false;
    link.dialled = true;
    return true;
  }

  goesUp(peer: ServerId, rttMs: number | null): void {
    const link = this.of(peer);
    link.up = true;
    link.failure = null;
    link.rttMs = rttMs ?? link.rttMs;
  }

  goesDown(peer: ServerId, failure: LinkFailure): void {
    const link = this.of(peer);
    link.up = false;
    link.failure = failure;
  }

  /** Drops what is known of a server that has no say. */
  forget(peer: ServerId): void {
    this.links.delete(peer);
  }

  isUp(peer: ServerId): boolean {
    return this.links.get(peer)?.up === true;
  }

  /** Whether its host says that the peer does not run. */
  isRefused(peer: ServerId): boolean {
    return this.links.get(peer)?.failure === 'refused';
  }

  /** Whether there is evidence that the peer has crashed: it does not only keep silent. */
  hasCrashed(peer: ServerId): boolean {
    const failure = this.links.get(peer)?.failure;
    return failure === 'refused' || failure === 'reset';
  }

  /** Milliseconds to the peer and back; null: no connection, or never measured. */
  rttMs(peer: ServerId): number | null {
    const link = this.links.get(peer);
    return link?.up === true ? link.rttMs : null;
  }

  private of(peer: ServerId): Link {
    let link = this.links.get(peer);
    if (link === undefined) {
      link = { up: false, failure: null, dialled: false, rttMs: null };
      this.links.set(peer, link);
    }
    return link;
  }
}
