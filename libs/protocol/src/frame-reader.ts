/** What a {@link FrameReader} hands frames to. */
export interface FrameSink {
  /**
   * One whole frame, without its length: `bytes[start..end)`. The bytes are good for this call
   * only. Returns false to stop: the rest of the chunk, from `stoppedAt` on, is then not looked at.
   */
  onFrame(bytes: Uint8Array, start: number, end: number): boolean;
}

/** A length in front of a frame that is negative or over the limit; the stream is of no use now. */
export interface FrameFault {
  readonly announcedBytes: number;
}

const LENGTH_BYTES = 4;
const HELD_BYTES_MIN = 512;

/**
 * Cuts a stream of bytes into frames: a length of four bytes, then that many bytes.
 *
 * Whole frames inside a chunk are handed over in place. The part of a frame at the end of a chunk
 * is copied, into a buffer that grows as its bytes arrive and never ahead of them, so that an
 * announced length costs nothing. Between frames nothing is held.
 */
export class FrameReader {
  /** A started frame with its length, valid up to `heldLength`; null between frames. */
  private held: Uint8Array | null = null;
  private heldLength = 0;

  /** The longest frame that is taken, without its length. */
  frameBytesMax: number;

  /** Up to where the last chunk was used when the sink stopped; else its end. */
  stoppedAt = 0;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  /** Bytes of a frame that has started and is not yet whole. */
  get heldBytes(): number {
    return this.heldLength;
  }

  /**
   * Takes `chunk[start..end)` and hands every frame that it completes to `sink`, in order.
   *
   * @returns null, or the fault that ends the stream: frames before it were handed over.
   */
  push(chunk: Uint8Array, start: number, end: number, sink: FrameSink): FrameFault | null {
    let at = start;
    if (this.held !== null) {
      at = this.completeHeld(chunk, start, end);
      const held = this.held;
      const length = this.heldFrameLength();
      if (length !== null && this.isFault(length)) return { announcedBytes: length };
      if (length === null || this.heldLength < LENGTH_BYTES + length) return this.stopAt(end);
      this.held = null;
      this.heldLength = 0;
      if (!sink.onFrame(held, LENGTH_BYTES, LENGTH_BYTES + length)) return this.stopAt(at);
    }
    while (end - at >= LENGTH_BYTES) {
      const length =
        (chunk[at] << 24) | (chunk[at + 1] << 16) | (chunk[at + 2] << 8) | chunk[at + 3];
      if (this.isFault(length)) return { announcedBytes: length };
      const frameStart = at + LENGTH_BYTES;
      if (end - frameStart < length) break;
      at = frameStart + length;
      if (!sink.onFrame(chunk, frameStart, at)) return this.stopAt(at);
    }
    if (at < end) this.hold(chunk, at, end);
    return this.stopAt(end);
  }

  private stopAt(at: number): null {
    this.stoppedAt = at;
    return null;
  }

  private isFault(length: number): boolean {
    return length < 0 || length > this.frameBytesMax;
  }

  private heldFrameLength(): number | null {
    if (this.held === null || this.heldLength < LENGTH_BYTES) return null;
    return new DataView(this.held.buffer, this.held.byteOffset).getInt32(0);
  }

  /** Moves bytes of `chunk` to the held frame until it is whole; returns where the rest starts. */
  private completeHeld(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    if (this.heldLength < LENGTH_BYTES) {
      const taken = Math.min(LENGTH_BYTES - this.heldLength, end - at);
      this.hold(chunk, at, at + taken);
      at += taken;
    }
    const length = this.heldFrameLength();
    if (length === null || this.isFault(length)) return at;
    const taken = Math.min(LENGTH_BYTES + length - this.heldLength, end - at);
    this.hold(chunk, at, at + taken);
    return at + taken;
  }

  private hold(chunk: Uint8Array, start: number, end: number): void {
    const needed = this.heldLength + end - start;
    if (this.held === null || this.held.length < needed) {
      const grown = new Uint8Array(Math.max(needed, HELD_BYTES_MIN, this.heldLength * 2));
      if (this.held !== null) grown.set(this.held.subarray(0, this.heldLength));
      this.held = grown;
    }
    this.held.set(chunk.subarray(start, end), this.heldLength);
    this.heldLength = needed;
  }
}
