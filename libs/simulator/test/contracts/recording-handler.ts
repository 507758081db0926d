import type { ByteStream, StreamHandler } from '@aviary/foundation';

/** Starts a stream, keeps all that it tells, and notices calls that nest or come after the last. */
export class RecordingHandler implements StreamHandler {
  length = 0;
  drains = 0;
  isClosed = false;
  reason: Error | null = null;
  /** The deepest nesting of calls; above 1 the stream broke its contract. */
  depthMax = 0;
  /** What the owner does in the middle of a call. */
  onEachBytes: (() => void) | null = null;
  private readonly chunks: Uint8Array[] = [];
  private depth = 0;

  constructor(stream: ByteStream) {
    stream.start(this);
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.chunks));
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.called(() => {
      if (end <= start) throw new Error('onBytes without bytes');
      // Not slice: of a Buffer, which hosts may hand over, that is no copy.
      this.chunks.push(new Uint8Array(bytes.subarray(start, end)));
      this.length += end - start;
      this.onEachBytes?.();
    });
  }

  onDrained(): void {
    this.called(() => this.drains++);
  }

  onClosed(reason: Error | null): void {
    this.called(() => {
      this.isClosed = true;
      this.reason = reason;
    });
  }

  private called(action: () => void): void {
    if (this.isClosed) throw new Error('a call after onClosed');
    this.depthMax = Math.max(this.depthMax, ++this.depth);
    try {
      action();
    } finally {
      this.depth--;
    }
  }
}
