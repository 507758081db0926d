import type { ByteStream } from '@aviary/foundation';

/** Why a socket is not being read. */
export const PauseReason = {
  /** Too many of its requests wait for an answer. */
  outstanding: 1,
  /** The client does not read what it is sent. */
  output: 2,
  /** The handshake is not answered yet. */
  opening: 4,
  /** The client has ended its session. */
  closing: 8,
  /** The server stops. */
  stopping: 16,
  /** Too many writes of all connections wait. */
  room: 32,
  /** The server looks for a leader. */
  looking: 64,
} as const;

/** Stops reading from a stream while there is any reason to. */
export class ReadPause {
  private reasons = 0;
  /** Bytes that the client had not taken when that was last looked at. */
  private untaken = 0;

  constructor(private readonly stream: ByteStream) {}

  has(reason: number): boolean {
    return (this.reasons & reason) !== 0;
  }

  add(reason: number): void {
    if (this.reasons === 0) this.stream.pause();
    if (reason === PauseReason.output && !this.has(reason)) this.untaken = this.stream.queuedBytes;
    this.reasons |= reason;
  }

  /**
   * Whether the client may well have spoken, and it is the server that does not listen. One that
   * takes nothing of what it is sent is not held up: it has itself to blame.
   */
  isHeldUp(): boolean {
    if (this.reasons === 0 || this.has(PauseReason.closing)) return false;
    if (this.reasons !== PauseReason.output) return true;
    const untaken = this.stream.queuedBytes;
    const hasTaken = untaken < this.untaken;
    this.untaken = untaken;
    return hasTaken;
  }

  /** Goes on reading if no other reason is left. */
  remove(reason: number): void {
    if (!this.has(reason)) return;
    this.reasons &= ~reason;
    if (this.reasons === 0) this.stream.resume();
  }
}
