import { gunzipSync } from 'node:zlib';
import { readInt32, zxidFromHalves, type Disk, type DiskFile } from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import { ADLER32_START, adler32 } from './adler32.js';
import { StorageError } from './errors.js';
import { unsnappyStream } from './snappy.js';
import {
  DIGEST_SECTION_BYTES,
  SEAL_BYTES,
  SNAPSHOT_HEADER_BYTES,
  ZXID_SECTION_BYTES,
  endsLikeSnapshot,
  isSnapshotHeader,
  type SnapshotDigest,
} from './snapshot-format.js';

const CHUNK_BYTES = 1 << 20;
const TAIL_BYTES = 5;

/** Takes the body of a snapshot, piece by piece. */
export interface SnapshotBodySink {
  /** Whether the end mark of the body was read. */
  readonly isDone: boolean;
  /**
   * Takes as much of `bytes[start..end)` as makes whole items and returns where the rest starts.
   * @throws {JuteError} The bytes are no body of a snapshot.
   */
  consume(bytes: Uint8Array, start: number, end: number): number;
}

/** What stands in a snapshot beside its body. */
export interface SnapshotSections {
  readonly digest: SnapshotDigest | null;
  /** What the zxid section says; null if there is none. */
  readonly lastZxid: number | null;
}

/** Whether a file could be a whole snapshot, by a look at its end, or its suffix. */
export async function looksWhole(disk: Disk, path: string): Promise<boolean> {
  const file = await disk.open(path, 'read');
  try {
    const size = await file.size();
    if (path.endsWith('.gz') || path.endsWith('.snappy')) return size > TAIL_BYTES;
    if (size < 2 * TAIL_BYTES) return false;
    const tail = new Uint8Array(TAIL_BYTES);
    await file.read(tail, size - TAIL_BYTES);
    return endsLikeSnapshot(tail);
  } finally {
    await file.close();
  }
}

/** A growing window over the stream, and the checksum of what was taken from it. */
class CheckedStream {
  private bytes: Uint8Array = new Uint8Array(CHUNK_BYTES);
  private start = 0;
  private end = 0;
  private position = 0;
  checksum = ADLER32_START;

  constructor(
    private readonly path: string,
    private readonly read: (into: Uint8Array, position: number) => Promise<number>,
  ) {}

  /** Bytes that were taken so far. */
  get offset(): number {
    return this.position - (this.end - this.start);
  }

  /** Reads more behind what is there; false at the end of the stream. */
  private async fill(): Promise<boolean> {
    const kept = this.end - this.start;
    const needed = Math.max(CHUNK_BYTES, kept * 2);
    const next = needed > this.bytes.length ? new Uint8Array(needed) : this.bytes;
    next.set(this.bytes.subarray(this.start, this.end));
    this.bytes = next;
    this.start = 0;
    this.end = kept;
    const read = await this.read(next.subarray(kept), this.position);
    this.position += read;
    this.end += read;
    return read > 0;
  }

  private taken(upTo: number): void {
    this.checksum = adler32(this.checksum, this.bytes, this.start, upTo);
    this.start = upTo;
  }

  /** The next `length` bytes, or null if the stream ends before. */
  async take(length: number): Promise<Uint8Array | null> {
    while (this.end - this.start < length) if (!(await this.fill())) return null;
    const at = this.start;
    this.taken(at + length);
    return this.bytes.subarray(at, at + length);
  }

  async takeBody(sink: SnapshotBodySink): Promise<void> {
    for (;;) {
      try {
        this.taken(sink.consume(this.bytes, this.start, this.end));
      } catch (cause) {
        if (!(cause instanceof JuteError)) throw cause;
        throw new StorageError(this.path, this.offset, `not a snapshot: ${cause.message}`, {
          cause,
        });
      }
      if (sink.isDone) return;
      if (!(await this.fill())) {
        throw new StorageError(
          this.path,
          this.offset,
          'the snapshot ends in the middle of its tree',
        );
      }
    }
  }

  async takeSeal(): Promise<void> {
    const before = this.checksum;
    const bytes = await this.take(SEAL_BYTES);
    const isRight =
      bytes !== null && readInt32(bytes, 4) >>> 0 === before && readInt32(bytes, 0) === 0;
    if (!isRight) {
      throw new StorageError(this.path, this.offset, 'the checksum of the snapshot does not match');
    }
  }
}

/**
 * Reads a snapshot into `sink` and verifies every seal.
 *
 * @throws {StorageError} The file is no whole snapshot; what the sink has is of no use.
 */
export async function readSnapshot(
  disk: Disk,
  path: string,
  sink: SnapshotBodySink,
): Promise<SnapshotSections> {
  const file = await disk.open(path, 'read');
  try {
    const stream = new CheckedStream(path, await streamOf(file, path));
    const header = await stream.take(SNAPSHOT_HEADER_BYTES);
    if (header === null || !isSnapshotHeader(header)) {
      throw new StorageError(path, 0, 'is no snapshot: the first bytes are not "ZKSN"');
    }
    await stream.takeBody(sink);
    await stream.takeSeal();
    return await readSections(stream);
  } finally {
    await file.close();
  }
}

async function readSections(stream: CheckedStream): Promise<SnapshotSections> {
  const section = await stream.take(DIGEST_SECTION_BYTES);
  if (section === null) return { digest: null, lastZxid: null };
  const digest: SnapshotDigest = {
    zxid: zxidFromHalves(readInt32(section, 0), readInt32(section, 4)),
    version: readInt32(section, 8),
    high: readInt32(section, 12),
    low: readInt32(section, 16),
  };
  await stream.takeSeal();
  const zxid = await stream.take(ZXID_SECTION_BYTES);
  if (zxid === null) return { digest, lastZxid: null };
  const lastZxid = zxidFromHalves(readInt32(zxid, 0), readInt32(zxid, 4));
  await stream.takeSeal();
  return { digest, lastZxid };
}

/** Compressed snapshots are undone in memory: ours are never compressed, a migration's may be. */
async function streamOf(
  file: DiskFile,
  path: string,
): Promise<(into: Uint8Array, position: number) => Promise<number>> {
  const isGzip = path.endsWith('.gz');
  if (!isGzip && !path.endsWith('.snappy')) return (into, position) => file.read(into, position);
  const packed = new Uint8Array(await file.size());
  await file.read(packed, 0);
  let plain: Uint8Array;
  try {
    plain = isGzip ? gunzipSync(packed) : unsnappyStream(packed);
  } catch (cause) {
    throw new StorageError(path, null, 'the compressed snapshot cannot be unpacked', { cause });
  }
  return (into, position) => {
    const part = plain.subarray(position, position + into.length);
    into.set(part);
    return Promise.resolve(part.length);
  };
}
