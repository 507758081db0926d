import { readInt32, readUint53, writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import { JuteError, type JuteWriter } from '@aviary/jute';
import { TXN_HEADER_BYTES } from '@aviary/protocol';
import type {
  RecoveryTarget,
  SnapshotBodySink,
  SnapshotSections,
  SnapshotSource,
} from '@aviary/storage';

/** A transaction as the tests know it: `tag` is drawn by who submits it and tells what it holds. */
export interface LedgerEntry {
  readonly zxid: Zxid;
  readonly tag: number;
  readonly bodyBytes: number;
}

const TAG_OFFSET = 8;
const ENTRY_BYTES = 16;
const ENTRIES_PER_PIECE = 3;

/** Bodies that are hard on a reader: all zeros, all end marks, whole records, anything. */
function fillBody(bytes: Uint8Array, start: number, length: number, tag: number): void {
  if (tag % 4 === 0) bytes.fill(0, start, start + length);
  else if (tag % 4 === 1) bytes.fill(0x42, start, start + length);
  else for (let i = 0; i < length; i++) bytes[start + i] = (tag >>> (8 * (i & 3))) + i * (tag & 7);
}

/** Appends the payload of a transaction. */
export function writeEntry(writer: JuteWriter, { zxid, tag, bodyBytes }: LedgerEntry): void {
  const at = writer.reserve(TXN_HEADER_BYTES + bodyBytes);
  const { bytes } = writer;
  bytes.fill(0, at, at + TXN_HEADER_BYTES);
  writeInt32(bytes, at + TAG_OFFSET, tag);
  writeUint53(bytes, at + TAG_OFFSET + 4, zxid);
  fillBody(bytes, at + TXN_HEADER_BYTES, bodyBytes, tag);
}

/** Reads the payload of a transaction. @throws {JuteError} It is not one of ours. */
export function readEntry(bytes: Uint8Array, start: number, end: number): LedgerEntry {
  const tag = readInt32(bytes, start + TAG_OFFSET);
  const bodyBytes = end - start - TXN_HEADER_BYTES;
  const expected = new Uint8Array(bodyBytes);
  fillBody(expected, 0, bodyBytes, tag);
  const bodyAt = start + TXN_HEADER_BYTES;
  if (Buffer.compare(expected, bytes.subarray(bodyAt, end)) !== 0) {
    throw new JuteError(`the body is not that of tag ${tag}`);
  }
  return { zxid: readUint53(bytes, start + TAG_OFFSET + 4), tag, bodyBytes };
}

/** The smallest state machine that has snapshots: it remembers every transaction, in order. */
export class Ledger implements RecoveryTarget {
  entries: LedgerEntry[] = [];
  /** What recovery called: for tests that ask in which order. */
  readonly calls: string[] = [];

  beginFresh(): void {
    this.calls.push('fresh');
    this.entries = [];
  }

  beginSnapshot(): SnapshotBodySink {
    this.calls.push('begin');
    this.entries = [];
    return new LedgerBody(this.entries);
  }

  endSnapshot(zxid: Zxid, sections: SnapshotSections): void {
    this.calls.push(`end ${zxid} ${String(sections.lastZxid)}`);
  }

  apply(bytes: Uint8Array, start: number, end: number): void {
    this.entries.push(readEntry(bytes, start, end));
  }

  get lastZxid(): Zxid {
    return this.entries.at(-1)?.zxid ?? 0;
  }

  /** The state of now, in several pieces. */
  snapshot(): SnapshotSource {
    const entries = [...this.entries];
    const pieces = ledgerBody(entries);
    let at = 0;
    return {
      zxid: entries.at(-1)?.zxid ?? 0,
      digest: { high: 0, low: entries.length },
      next: () => pieces[at++] ?? null,
      close: () => (at = pieces.length),
    };
  }
}

function ledgerBody(entries: readonly LedgerEntry[]): Uint8Array[] {
  const count = new Uint8Array(4);
  writeInt32(count, 0, entries.length);
  const pieces = [count];
  for (let from = 0; from < entries.length; from += ENTRIES_PER_PIECE) {
    const group = entries.slice(from, from + ENTRIES_PER_PIECE);
    const piece = new Uint8Array(group.length * ENTRY_BYTES);
    for (const [index, { zxid, tag, bodyBytes }] of group.entries()) {
      writeUint53(piece, index * ENTRY_BYTES, zxid);
      writeInt32(piece, index * ENTRY_BYTES + 8, tag);
      writeInt32(piece, index * ENTRY_BYTES + 12, bodyBytes);
    }
    pieces.push(piece);
  }
  return pieces;
}

class LedgerBody implements SnapshotBodySink {
  private left: number | null = null;

  constructor(private readonly entries: LedgerEntry[]) {}

  get isDone(): boolean {
    return this.left === 0;
  }

  consume(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    if (this.left === null) {
      if (end - at < 4) return at;
      this.left = readInt32(bytes, at);
      if (this.left < 0) throw new JuteError(`a count of ${this.left}`);
      at += 4;
    }
    for (; this.left > 0 && end - at >= ENTRY_BYTES; at += ENTRY_BYTES, this.left--) {
      this.entries.push({
        zxid: readUint53(bytes, at),
        tag: readInt32(bytes, at + 8),
        bodyBytes: readInt32(bytes, at + 12),
      });
    }
    return at;
  }
}
