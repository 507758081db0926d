import { ZxidRangeError } from '@aviary/foundation';
import { JuteWriter, JuteError } from '@aviary/jute';
import { SNAPSHOT_STREAM_SIGNATURE } from '@aviary/protocol';
import type { SnapshotBodySink } from '@aviary/storage';

/** What stands behind the snapshot, so that a reader knows that it was whole. */
export function snapshotStreamEnd(): Uint8Array {
  const writer = new JuteWriter(32);
  writer.ustring(SNAPSHOT_STREAM_SIGNATURE);
  return writer.take();
}

/** Takes a snapshot that a leader streams between two packets, however its bytes come. */
export class SnapshotStream {
  private held = new Uint8Array(0);
  private readonly signature = snapshotStreamEnd();
  private hasBody = false;
  private matched = 0;

  /** @param entryBytesMax More than that no node and no list takes up: what says so is damaged. */
  constructor(
    private readonly sink: SnapshotBodySink,
    private readonly entryBytesMax: number,
  ) {}

  /** Whether the snapshot is there, to its last byte. */
  get isDone(): boolean {
    return this.matched === this.signature.length;
  }

  /**
   * Takes of `bytes[start..end)` what belongs to the snapshot and returns where the rest starts.
   *
   * @throws {JuteError} The bytes are no snapshot.
   */
  push(bytes: Uint8Array, start: number, end: number): number {
    if (this.hasBody) return this.match(bytes, start, end);
    const joined = this.held.length === 0 ? bytes.slice(start, end) : this.join(bytes, start, end);
    const at = this.consume(joined);
    this.hasBody = this.sink.isDone;
    if (!this.hasBody) {
      this.held = joined.slice(at);
      if (this.held.length > this.entryBytesMax) {
        throw new JuteError(`an entry is longer than ${this.entryBytesMax} bytes`);
      }
      return end;
    }
    const heldBefore = joined.length - (end - start);
    this.held = new Uint8Array(0);
    return this.match(bytes, start + Math.max(at - heldBefore, 0), end);
  }

  private consume(bytes: Uint8Array): number {
    try {
      return this.sink.consume(bytes, 0, bytes.length);
    } catch (error) {
      if (error instanceof ZxidRangeError) throw new JuteError(error.message);
      throw error;
    }
  }

  private join(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const joined = new Uint8Array(this.held.length + end - start);
    joined.set(this.held);
    joined.set(bytes.subarray(start, end), this.held.length);
    return joined;
  }

  private match(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.isDone) {
      if (bytes[at] !== this.signature[this.matched]) {
        throw new JuteError('the snapshot of the leader does not end as one does');
      }
      at++;
      this.matched++;
    }
    return at;
  }
}
