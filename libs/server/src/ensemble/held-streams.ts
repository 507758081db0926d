import type { ByteStream, Clock, StreamHandler, Timer } from '@aviary/foundation';

/** Streams that came before anybody could take them, each for a while. */
export class HeldStreams {
  private readonly held = new Map<ByteStream, Timer>();

  constructor(
    private readonly clock: Clock,
    private readonly streamsMax: number,
    private readonly limitMs: number,
  ) {}

  /** Keeps a stream until somebody takes it, or the time is over, or too many have come since. */
  hold(stream: ByteStream): void {
    if (this.held.size >= this.streamsMax) this.dropOldest();
    const timer = this.clock.setTimer(this.limitMs, () => {
      this.held.delete(stream);
      stream.destroy();
    });
    this.held.set(stream, timer);
  }

  /** Nobody has to take the stream any more. */
  forget(stream: ByteStream): void {
    this.held.get(stream)?.cancel();
    this.held.delete(stream);
  }

  private dropOldest(): void {
    const [oldest] = this.held.keys();
    this.forget(oldest);
    oldest.destroy();
  }

  /** Hands over every stream. One that has closed meanwhile says so when it is started. */
  release(take: (stream: ByteStream) => void): void {
    const streams = [...this.held];
    this.held.clear();
    for (const [stream, timer] of streams) {
      timer.cancel();
      take(stream);
    }
  }

  closeAll(): void {
    this.release((stream) => {
      stream.start(noHandler);
      stream.destroy();
    });
  }
}

const noHandler: StreamHandler = { onBytes() {}, onDrained() {}, onClosed() {} };
