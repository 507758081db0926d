import type { Zxid } from '@aviary/foundation';
import { JuteWriter } from '@aviary/jute';
import { RECORD_PREFIX_BYTES, RECORD_SUFFIX_BYTES, frameRecord } from './log-format.js';

const INITIAL_RECORDS = 256;

/**
 * Transactions that go to the disk together: their records one behind the other, as they will stand
 * in the file. The payloads stay readable until the batch is cleared, so that a transaction is
 * applied from the very bytes that were logged.
 */
export class LogBatch {
  readonly writer: JuteWriter;
  private readonly memory: Uint8Array;
  private starts = new Int32Array(INITIAL_RECORDS);
  private ends = new Int32Array(INITIAL_RECORDS);
  private records = 0;
  /** Bytes of the records that are closed. */
  private filled = 0;
  private first: Zxid = 0;

  /** @param memory Where records are written while they fit. */
  constructor(memory: Uint8Array) {
    this.memory = memory;
    this.writer = new JuteWriter(0);
    this.writer.bytes = memory;
  }

  /** Transactions in the batch. */
  get count(): number {
    return this.records;
  }

  /** The zxid of the first transaction; only while there is one. */
  get firstZxid(): Zxid {
    return this.first;
  }

  /** All records that are closed. The view is good until something is added. */
  get bytes(): Uint8Array {
    return this.writer.bytes.subarray(0, this.filled);
  }

  get byteLength(): number {
    return this.filled;
  }

  /** Where the payload of a transaction starts in `writer.bytes`. */
  startOf(index: number): number {
    return this.starts[index];
  }

  endOf(index: number): number {
    return this.ends[index];
  }

  /** Opens a record; the payload is then appended to `writer`. One that was not closed is dropped. */
  begin(): void {
    this.writer.position = this.filled;
    this.writer.reserve(RECORD_PREFIX_BYTES);
    if (this.records === this.starts.length) this.growIndex();
    this.starts[this.records] = this.writer.position;
  }

  /** Closes the record of the transaction `zxid`. */
  end(zxid: Zxid): void {
    const end = this.writer.position;
    this.writer.reserve(RECORD_SUFFIX_BYTES);
    frameRecord(this.writer.bytes, this.starts[this.records], end);
    this.ends[this.records] = end;
    this.filled = this.writer.position;
    if (this.records === 0) this.first = zxid;
    this.records++;
  }

  /** Empties the batch, and lets go of memory that an unusual one had taken. */
  clear(): void {
    this.records = 0;
    this.filled = 0;
    this.writer.clear();
    this.writer.bytes = this.memory;
    if (this.starts.length > INITIAL_RECORDS * 64) {
      this.starts = new Int32Array(INITIAL_RECORDS);
      this.ends = new Int32Array(INITIAL_RECORDS);
    }
  }

  private growIndex(): void {
    const starts = new Int32Array(this.starts.length * 2);
    const ends = new Int32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}
