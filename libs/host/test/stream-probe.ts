import type { ByteStream, StreamHandler } from '@aviary/foundation';

/** Starts a stream, keeps what it says, and waits for conditions on it. */
export class StreamProbe implements StreamHandler {
  readonly stream: ByteStream;
  receivedBytes = 0;
  reads = 0;
  /** Every memory that it was read into. */
  readonly buffers = new Set<ArrayBufferLike>();
  drains = 0;
  isClosed = false;
  reason: Error | null = null;
  /** Called within `onBytes`, with a copy of what came. */
  onChunk: ((chunk: Buffer) => void) | null = null;
  private readonly chunks: Buffer[] = [];
  private waiting: { isMet: () => boolean; resolve: () => void }[] = [];

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.start(this);
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Resolves once the condition holds; looks again at every event of the stream. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ isMet, resolve }));
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.isClosed);
  }

  untilReceived(bytes: number): Promise<void> {
    return this.until(() => this.receivedBytes >= bytes);
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    // As readers of the port do; a Buffer would give them a view.
    const copy = bytes.slice(start, end);
    if (copy.buffer === bytes.buffer) throw new Error('slice is not a copy');
    this.buffers.add(bytes.buffer);
    const chunk = Buffer.from(copy);
    this.chunks.push(chunk);
    this.receivedBytes += chunk.length;
    this.reads++;
    this.onChunk?.(chunk);
    this.look();
  }

  onDrained(): void {
    this.drains++;
    this.look();
  }

  onClosed(reason: Error | null): void {
    if (this.isClosed) throw new Error('onClosed came twice');
    this.isClosed = true;
    this.reason = reason;
    this.look();
  }

  private look(): void {
    const met = this.waiting.filter(({ isMet }) => isMet());
    this.waiting = this.waiting.filter((each) => !met.includes(each));
    for (const { resolve } of met) resolve();
  }
}
