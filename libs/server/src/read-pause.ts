import type { ByteStream } from '@aviary/foundation';

/** Why a socket is not being read. */
export const PauseReason = {
  /** Too many requests wait for an answer. */
  outstanding: 1,
  /** The client does not read what it is sent. */
  output: 2,
  /** The handshake is not answered yet. */
  opening: 4,
  /** The client has ended its session. */
  closing: 8,
} as const;

/** Stops reading from a stream while there is any reason to. */
export class ReadPause {
  private reasons = 0;

  constructor(private readonly stream: ByteStream) {}

  has(reason: number): boolean {
    return (this.reasons & reason) !== 0;
  }

  add(reason: number): void {
    if (this.reasons === 0) this.stream.pause();
    this.reasons |= reason;
  }

  /** Goes on reading if no other reason is left. */
  remove(reason: number): void {
    if (!this.has(reason)) return;
    this.reasons &= ~reason;
    if (this.reasons === 0) this.stream.resume();
  }
}
