const NOTHING = new Uint8Array(0);
/** From so many entries on, what has been taken out is cleared away when it is half of all. */
const COMPACTED_FROM = 256;

/** The writes that a write needs which waits itself: it is due as soon as it is the first. */
export const DUE_WHEN_FIRST = -1;

/** Requests that wait for earlier requests of their session, in the order in which they came. */
export class DeferredFrames {
  private readonly frames: Uint8Array[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly writes: number[] = [];
  private head = 0;
  private held = 0;
  /** The chunk at hand, and its copy once a request in it has to wait. */
  private chunk: Uint8Array | null = null;
  private chunkEnd = 0;
  private copy: Uint8Array | null = null;
  private copyBase = 0;

  /** The frames that come now lie in `chunk`, which belongs to the host and will change. */
  beginChunk(chunk: Uint8Array, end: number): void {
    this.chunk = chunk;
    this.chunkEnd = end;
  }

  endChunk(): void {
    this.chunk = null;
    this.copy = null;
  }

  get length(): number {
    return this.frames.length - this.head;
  }

  /** Bytes of memory that the waiting requests keep: more than their own, a chunk is kept whole. */
  get heldBytes(): number {
    return this.held;
  }

  /** Adds `bytes[start..end)`, to run once `writesDone` writes of the connection are done. */
  push(bytes: Uint8Array, start: number, end: number, writesDone: number): void {
    let kept = bytes;
    let base = 0;
    if (bytes === this.chunk) {
      // What waits is copied, once for all of the chunk that waits.
      if (this.copy === null) {
        this.copy = bytes.slice(start, this.chunkEnd);
        this.copyBase = start;
      }
      kept = this.copy;
      base = this.copyBase;
    }
    if (this.length === 0 || this.frames[this.frames.length - 1] !== kept) this.held += kept.length;
    this.frames.push(kept);
    this.starts.push(start - base);
    this.ends.push(end - base);
    this.writes.push(writesDone);
  }

  // The first one:

  get bytes(): Uint8Array {
    return this.frames[this.head];
  }

  get start(): number {
    return this.starts[this.head];
  }

  get end(): number {
    return this.ends[this.head];
  }

  /** Whether it is a write. */
  get isWrite(): boolean {
    return this.writes[this.head] === DUE_WHEN_FIRST;
  }

  get writesNeeded(): number {
    return this.writes[this.head];
  }

  shift(): void {
    const { frames, head } = this;
    const taken = frames[head];
    frames[head] = NOTHING;
    this.head++;
    if (this.head === frames.length) {
      this.clear();
      return;
    }
    if (frames[this.head] !== taken) this.held -= taken.length;
    if (this.head >= COMPACTED_FROM && this.head * 2 >= frames.length) this.compact();
  }

  clear(): void {
    this.head = this.frames.length;
    this.compact();
    this.held = 0;
  }

  /** A client that always has something waiting never empties the lists: its past is let go here. */
  private compact(): void {
    this.frames.splice(0, this.head);
    this.starts.splice(0, this.head);
    this.ends.splice(0, this.head);
    this.writes.splice(0, this.head);
    this.head = 0;
  }
}
