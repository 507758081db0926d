import type { PresenceState, StandingNode, TimeLimits } from '@aviary/coordination';
import type { Observable } from 'rxjs';

/**
 * That this process is a member of a group, from `join` to `leave`. It says what this process knows of
 * itself; who is a member, the servers say: `Group.members$`.
 */
export class Membership<P = unknown> implements AsyncDisposable {
  readonly id: string;
  /** Its node. */
  readonly path: string;
  private readonly presence: StandingNode;
  private readonly encode: (payload: P) => Uint8Array;

  /** @internal Use `Group.join`. */
  constructor(id: string, presence: StandingNode, encode: (payload: P) => Uint8Array) {
    this.id = id;
    this.path = presence.path;
    this.presence = presence;
    this.encode = encode;
  }

  /**
   * `joining`, `joined`, `suspended` (no connection; others still see it), `lost` (others do not, or
   * soon will not; it joins again by itself), `conflict` (another session has this id; it waits), `left`.
   */
  get state(): PresenceState {
    return this.presence.state;
  }

  /** The state now, and every change. Hot; never errors; completes after `left`. */
  get state$(): Observable<PresenceState> {
    return this.presence.state$;
  }

  /** Waits until the others see it. @throws as `Presence.whenJoined`; it goes on trying all the same. */
  async whenJoined(limits?: TimeLimits): Promise<this> {
    await this.presence.whenJoined(limits);
    return this;
  }

  /** Replaces the payload. @throws {PayloadError} It cannot be written, and as `Presence.update`. */
  async update(payload: P, limits?: TimeLimits): Promise<void> {
    await this.presence.update(this.encode(payload), limits);
  }

  /**
   * Leaves the group. Never rejects. Without a connection it resolves at once, and the others see it go as
   * soon as there is one, or when the session ends.
   */
  leave(): Promise<void> {
    return this.presence.leave();
  }

  /** As {@link leave}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }
}
