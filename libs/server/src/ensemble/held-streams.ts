import type { ByteStream, Clock, StreamHandler, Timer } from '@aviary/foundation';

/** Streams that came before anybody could take them, for a while. */
export class HeldStreams {
  private readonly held = new Map<ByteStream, Timer>();

  constructor(
    private readonly clock: Clock,
    private readonly streamsMax: number,
    private readonly limitMs: number,
  ) {}

  /** Keeps a stream unread until somebody takes it, or the time is over. */
  hold(stream: ByteStream): void {
    if (this.held.size >= this.streamsMax) {
      stream.destroy();
      return;
    }
    const timer = this.clock.setTimer(this.limitMs, () => {
      this.held.delete(stream);
      stream.destroy();
    });
    this.held.set(stream, timer);
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
