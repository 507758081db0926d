import { gunzipSync } from 'node:zlib';
import {
  ZxidRangeError,
  readInt32,
  zxidFromHalves,
  type Disk,
  type DiskFile,
  type Zxid,
} from '@aviary/foundation';
import { JuteError } from '@aviary/jute';
import { ADLER32_START, adler32 } from './adler32.js';
import { StorageError } from './errors.js';
import { SNAPPY_MAGIC, unsnappyStream } from './snappy.js';
import {
  DIGEST_SECTION_BYTES,
  SEAL_BYTES,
  SNAPSHOT_HEADER_BYTES,
  ZXID_SECTION_BYTES,
  endsLikeSnapshot,
  isSnapshotHeader,
  seal,
  type SnapshotDigest,
} from './snapshot-format.js';

const CHUNK_BYTES = 1 << 20;
const TAIL_BYTES = 5;
const GZIP_MAGIC = [0x1f, 0x8b];

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

/** Whether a file could be a whole snapshot, by a look at its end, or, compressed, its start. */
export async function looksWhole(disk: Disk, path: string): Promise<boolean> {
  const file = await disk.open(path, 'read');
  try {
    const magic = magicOf(path);
    if (magic !== null) {
      const head = new Uint8Array(magic.length);
      const length = await file.read(head, 0);
      return length === magic.length && magic.every((byte, i) => head[i] === byte);
    }
    const size = await file.size();
    if (size < 2 * TAIL_BYTES) return false;
    const tail = new Uint8Array(TAIL_BYTES);
    await file.read(tail, size - TAIL_BYTES);
    return endsLikeSnapshot(tail);
  } finally {
    await file.close();
  }
}

/** What a compressed snapshot starts with; null: the file is not compressed. */
function magicOf(path: string): readonly number[] | null {
  if (path.endsWith('.gz')) return GZIP_MAGIC;
  return path.endsWith('.snappy') ? SNAPPY_MAGIC : null;
}

/** The bytes of a snapshot, uncompressed. */
interface SnapshotStream {
  readonly bytes: number;
  readonly read: (into: Uint8Array, position: number) => Promise<number>;
}

/** Room in front of a chunk for what is left of the one before: most items are shorter. */
const HEADROOM_BYTES = 64 * 1024;

/** A chunk that is being read: its bytes come to `bytes` behind the headroom. */
interface ReadAhead {
  readonly bytes: Uint8Array;
  readonly length: Promise<number>;
}

/**
 * A window that moves over the stream, and the checksum of what was taken from it. While a chunk is
 * taken, the disk reads the next one.
 */
class CheckedStream {
  private bytes: Uint8Array = new Uint8Array(0);
  private start = 0;
  private end = 0;
  private position = 0;
  private ahead: ReadAhead | null = null;
  private readonly chunkBytes: number;
  checksum = ADLER32_START;

  constructor(
    private readonly path: string,
    private readonly source: SnapshotStream,
  ) {
    this.chunkBytes = Math.max(Math.min(CHUNK_BYTES, source.bytes), 1);
  }

  /** Bytes that were taken so far. */
  get offset(): number {
    return this.position - (this.end - this.start);
  }

  /** Resolves when nothing is being read any more. */
  async settle(): Promise<void> {
    await this.ahead?.length.catch(() => undefined);
  }

  private read(into: Uint8Array): ReadAhead {
    const length = this.source.read(into.subarray(HEADROOM_BYTES), this.position);
    // Whoever takes the chunk hears of a failure; nobody may ever take it.
    length.catch(() => undefined);
    return { bytes: into, length };
  }

  /** Appends the next chunk to what is there; false at the end of the stream. */
  private async fill(): Promise<boolean> {
    const chunkBytes = HEADROOM_BYTES + this.chunkBytes;
    const { bytes, length } = this.ahead ?? this.read(new Uint8Array(chunkBytes));
    const read = await length;
    this.position += read;
    const spare = this.bytes.length === chunkBytes ? this.bytes : new Uint8Array(chunkBytes);
    this.append(bytes, read);
    this.ahead = this.position < this.source.bytes ? this.read(spare) : null;
    return read > 0;
  }

  private append(chunk: Uint8Array, length: number): void {
    const kept = this.bytes.subarray(this.start, this.end);
    const end = HEADROOM_BYTES + length;
    if (kept.length <= HEADROOM_BYTES) {
      this.start = HEADROOM_BYTES - kept.length;
      this.end = end;
      chunk.set(kept, this.start);
      this.bytes = chunk;
      return;
    }
    const joined = new Uint8Array(kept.length + length);
    joined.set(kept);
    joined.set(chunk.subarray(HEADROOM_BYTES, end), kept.length);
    this.start = 0;
    this.end = joined.length;
    this.bytes = joined;
  }

  private taken(upTo: number): void {
    this.checksum = adler32(this.checksum, this.bytes, this.start, upTo);
    this.start = upTo;
  }

  /** How many of the next `length` bytes there are. */
  async available(length: number): Promise<number> {
    while (this.end - this.start < length) if (!(await this.fill())) break;
    return Math.min(this.end - this.start, length);
  }

  /** The next `length` bytes, or null if the stream ends before. */
  async take(length: number): Promise<Uint8Array | null> {
    if ((await this.available(length)) < length) return null;
    const at = this.start;
    this.taken(at + length);
    return this.bytes.subarray(at, at + length);
  }

  async takeBody(sink: SnapshotBodySink): Promise<void> {
    for (;;) {
      try {
        this.taken(sink.consume(this.bytes, this.start, this.end));
      } catch (cause) {
        if (!(cause instanceof JuteError || cause instanceof ZxidRangeError)) throw cause;
        throw new StorageError(this.path, this.offset, `not a snapshot: ${cause.message}`, {
          cause,
        });
      }
      if (sink.isDone) return;
      if (!(await this.fill())) {
        throw this.damaged('the snapshot ends in the middle of its tree');
      }
    }
  }

  async takeSeal(): Promise<void> {
    const expected = seal(this.checksum);
    const bytes = await this.take(SEAL_BYTES);
    if (bytes === null || !expected.every((byte, i) => bytes[i] === byte)) {
      throw this.damaged('the checksum of the snapshot does not match');
    }
  }

  damaged(problem: string): StorageError {
    return new StorageError(this.path, this.offset, problem);
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
  let stream: CheckedStream | null = null;
  try {
    stream = new CheckedStream(path, await streamOf(file, path));
    const header = await stream.take(SNAPSHOT_HEADER_BYTES);
    if (header === null || !isSnapshotHeader(header)) {
      throw new StorageError(path, 0, 'is no snapshot: the first bytes are not "ZKSN"');
    }
    await stream.takeBody(sink);
    await stream.takeSeal();
    return await readSections(stream);
  } finally {
    await stream?.settle();
    await file.close();
  }
}

/**
 * The sections behind the body. A section is there as a whole or not at all; a server that keeps no
 * digest writes the zxid alone. What a later version may write behind them is not ours to read.
 */
async function readSections(stream: CheckedStream): Promise<SnapshotSections> {
  const left = await stream.available(ZXID_SECTION_BYTES + SEAL_BYTES + 1);
  if (left === 0) return { digest: null, lastZxid: null };
  if (left === ZXID_SECTION_BYTES + SEAL_BYTES) {
    const [lastZxid] = await takeSection(stream, ZXID_SECTION_BYTES);
    return { digest: null, lastZxid };
  }
  const [zxid, section] = await takeSection(stream, DIGEST_SECTION_BYTES);
  const digest: SnapshotDigest = {
    zxid,
    version: readInt32(section, 8),
    high: readInt32(section, 12),
    low: readInt32(section, 16),
  };
  if ((await stream.available(1)) === 0) return { digest, lastZxid: null };
  const [lastZxid] = await takeSection(stream, ZXID_SECTION_BYTES);
  return { digest, lastZxid };
}

/** A section that starts with a zxid, verified by the seal behind it. */
async function takeSection(stream: CheckedStream, bytes: number): Promise<[Zxid, Uint8Array]> {
  const taken = await stream.take(bytes);
  if (taken === null) throw stream.damaged('the snapshot ends in the middle of a section');
  // The bytes are good until more is read.
  const section = taken.slice();
  await stream.takeSeal();
  try {
    return [zxidFromHalves(readInt32(section, 0), readInt32(section, 4)), section];
  } catch (cause) {
    if (!(cause instanceof ZxidRangeError)) throw cause;
    throw stream.damaged(cause.message);
  }
}

/** Compressed snapshots are undone in memory: ours are never compressed, a migration's may be. */
async function streamOf(file: DiskFile, path: string): Promise<SnapshotStream> {
  const bytes = await file.size();
  const isGzip = path.endsWith('.gz');
  if (!isGzip && !path.endsWith('.snappy')) {
    return { bytes, read: (into, position) => file.read(into, position) };
  }
  const packed = new Uint8Array(bytes);
  await file.read(packed, 0);
  let plain: Uint8Array;
  try {
    plain = isGzip ? gunzipSync(packed) : unsnappyStream(packed);
  } catch (cause) {
    throw new StorageError(path, null, 'the compressed snapshot cannot be unpacked', { cause });
  }
  const read = (into: Uint8Array, position: number): Promise<number> => {
    const part = plain.subarray(position, position + into.length);
    into.set(part);
    return Promise.resolve(part.length);
  };
  return { bytes: plain.length, read };
}
