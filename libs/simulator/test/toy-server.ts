import { isMissing, type ByteStream, type DiskFile, type StreamHandler } from '@aviary/foundation';
import type { SimulatedProcess } from '@aviary/simulator';

// One durable register behind a socket: the smallest server that all faults of the world can hit.

export const TOY_PORT = 2181;
export const REQUEST_BYTES = 9; // operation, request, value
export const REPLY_BYTES = 12; // request, version, value
export const WRITE = 1;
export const READ = 2;

const RECORD_BYTES = 16; // version, value, and their complement: a record is whole or not
const JOURNAL = '/data/journal';

/** What the server does wrong, for the tests that must notice. */
export type ToyBug = 'none' | 'replyBeforeCommit' | 'readsUncommitted' | 'forgetsDirectorySync';

interface Waiting {
  readonly value: number;
  readonly done: (version: number) => void;
}

export class ToyServer {
  private readonly waiting: Waiting[] = [];
  private isCommitting = false;
  /** What was given out, and what of it is durable. */
  private latest = { version: 0, value: 0 };
  private committed = { version: 0, value: 0 };

  private constructor(
    private readonly journal: DiskFile,
    private readonly bug: ToyBug,
  ) {}

  /** Recovers and listens. */
  static async start({ disk, network }: SimulatedProcess, bug: ToyBug): Promise<void> {
    let journal: DiskFile;
    try {
      journal = await disk.open(JOURNAL, 'write');
    } catch (error) {
      if (!isMissing(error)) throw error;
      journal = await disk.open(JOURNAL, 'create');
    }
    if (bug !== 'forgetsDirectorySync') await disk.syncDirectory('/data');
    const server = new ToyServer(journal, bug);
    await server.recover();
    await network.listen({ address: null, port: TOY_PORT }, (stream) => {
      stream.start(new ToyConnection(stream, server));
    });
  }

  write(value: number, done: (version: number) => void): void {
    this.waiting.push({ value, done });
    if (!this.isCommitting) this.commitNext();
  }

  read(): { version: number; value: number } {
    return this.bug === 'readsUncommitted' ? this.latest : this.committed;
  }

  private async recover(): Promise<void> {
    const record = new Uint8Array(RECORD_BYTES);
    const view = new DataView(record.buffer);
    for (let version = 1; ; version++) {
      const length = await this.journal.read(record, (version - 1) * RECORD_BYTES);
      const value = view.getUint32(4);
      const isWhole = view.getInt32(8) === ~version && view.getInt32(12) === ~value;
      if (length < RECORD_BYTES || view.getUint32(0) !== version || !isWhole) break;
      this.latest = this.committed = { version, value };
    }
    // What was read may be in the page cache only; who reads it next must find it again.
    await this.journal.sync();
  }

  private commitNext(): void {
    const next = this.waiting.shift();
    this.isCommitting = next !== undefined;
    if (next === undefined) return;
    const { value } = next;
    const version = this.latest.version + 1;
    this.latest = { version, value };
    const record = new Uint8Array(RECORD_BYTES);
    const view = new DataView(record.buffer);
    [version, value, ~version, ~value].forEach((word, at) => view.setInt32(4 * at, word));
    if (this.bug === 'replyBeforeCommit') next.done(version);
    this.journal.commit(record, (version - 1) * RECORD_BYTES, (error) => {
      if (error !== null) throw error;
      this.committed = { version, value };
      if (this.bug !== 'replyBeforeCommit') next.done(version);
      this.commitNext();
    });
  }
}

class ToyConnection implements StreamHandler {
  private readonly request = new Uint8Array(REQUEST_BYTES);
  private filled = 0;

  constructor(
    private readonly stream: ByteStream,
    private readonly server: ToyServer,
  ) {}

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      this.request[this.filled++] = bytes[at]!;
      if (this.filled === REQUEST_BYTES) this.handle();
    }
  }

  onDrained(): void {}

  onClosed(): void {}

  private handle(): void {
    this.filled = 0;
    const view = new DataView(this.request.buffer);
    const request = view.getUint32(1);
    const value = view.getUint32(5);
    if (view.getUint8(0) === WRITE) {
      this.server.write(value, (version) => this.reply(request, version, value));
    } else {
      const state = this.server.read();
      this.reply(request, state.version, state.value);
    }
  }

  private reply(...words: [request: number, version: number, value: number]): void {
    const bytes = new Uint8Array(REPLY_BYTES);
    const view = new DataView(bytes.buffer);
    words.forEach((word, at) => view.setUint32(4 * at, word));
    this.stream.write(bytes);
  }
}
