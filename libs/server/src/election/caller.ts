import type { ByteStream, Clock, StreamHandler, Timer } from '@aviary/foundation';
import { InitialMessageReader, PeerWireError, type InitialMessage } from '@aviary/protocol';

/** What a {@link Caller} tells of. */
export interface CallerOwner {
  /**
   * It has said who it is.
   *
   * @returns Who takes the connection from here on; null: it was closed.
   */
  onIntroduced(caller: Caller, message: InitialMessage): StreamHandler | null;
  /** It will not say who it is, and was closed. `reason`: null if it just went away. */
  onDismissed(caller: Caller, reason: string | null): void;
}

/** An accepted connection that has yet to say whose it is; then it forwards to who takes it. */
export class Caller implements StreamHandler {
  private readonly reader = new InitialMessageReader();
  private readonly timer: Timer;
  private taker: StreamHandler | null = null;
  private isOver = false;

  /** `timeoutMs`: for the whole message, from now on. */
  constructor(
    readonly stream: ByteStream,
    clock: Clock,
    private readonly timeoutMs: number,
    private readonly owner: CallerOwner,
  ) {
    this.timer = clock.setTimer(timeoutMs, () => {
      this.dismiss(`It said nothing for ${this.timeoutMs} ms.`);
    });
  }

  /** Closes the connection; the owner is told nothing more. */
  drop(): void {
    this.isOver = true;
    this.timer.cancel();
    this.stream.destroy();
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.taker !== null) {
      this.taker.onBytes(bytes, start, end);
      return;
    }
    if (this.isOver) return;
    let message: InitialMessage | null;
    try {
      message = this.reader.push(bytes, start, end);
    } catch (error) {
      if (!(error instanceof PeerWireError)) throw error;
      this.dismiss(error.message);
      return;
    }
    if (message === null) return;
    this.isOver = true;
    this.timer.cancel();
    this.taker = this.owner.onIntroduced(this, message);
    if (this.reader.stoppedAt < end) this.taker?.onBytes(bytes, this.reader.stoppedAt, end);
  }

  onDrained(): void {
    this.taker?.onDrained();
  }

  onClosed(reason: Error | null): void {
    if (this.taker !== null) {
      this.taker.onClosed(reason);
      return;
    }
    this.timer.cancel();
    if (this.isOver) return;
    this.isOver = true;
    this.owner.onDismissed(this, null);
  }

  private dismiss(reason: string): void {
    this.drop();
    this.owner.onDismissed(this, reason);
  }
}
