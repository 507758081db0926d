import { DiskError, silentLog, type Clock, type Disk } from '@aviary/foundation';
import {
  DataDirectory,
  type LogBatch,
  type LogListener,
  type Recovered,
  type TransactionLog,
} from '@aviary/storage';
import { Ledger, readEntry, writeEntry } from '../ledger.js';
import type { History } from './history.js';

/** How a {@link LedgerServer} uses its storage. */
export interface LedgerServerOptions {
  readonly preAllocBytes: number;
  readonly forceSync: boolean;
  readonly dataDir: string;
  readonly dataLogDir?: string;
}

/** A server reduced to what storage sees of one: it recovers, appends, takes snapshots and purges. */
export class LedgerServer implements LogListener {
  readonly ledger = new Ledger();
  recovered: Recovered | null = null;
  private failure: DiskError | null = null;
  private log: TransactionLog | null = null;
  private lastMade = 0;
  private waiting: { upTo: number; done: () => void; failed: (error: unknown) => void }[] = [];

  private constructor(
    private readonly directory: DataDirectory,
    private readonly history: History,
    private readonly drawTag: () => number,
  ) {}

  /** @throws {StorageError} Recovery refuses. @throws {DiskError} The disk does not work. */
  static async start(
    disk: Disk,
    clock: Clock,
    history: History,
    drawTag: () => number,
    options: LedgerServerOptions,
  ): Promise<LedgerServer> {
    const directory = new DataDirectory(disk, clock, options);
    const server = new LedgerServer(directory, history, drawTag);
    server.recovered = await directory.recover(server.ledger, silentLog);
    history.recovered(server.ledger.entries);
    server.lastMade = server.recovered.lastZxid;
    if (server.recovered.snapshotZxid === null) {
      await directory.writeSnapshot(server.ledger.snapshot());
    }
    server.log = await directory.openLog(options, server);
    return server;
  }

  /** Appends transactions of these body sizes together; resolves when all are acknowledged. */
  append(...bodySizes: number[]): Promise<void> {
    const log = this.openedLog();
    for (const bodyBytes of bodySizes) {
      const entry = { zxid: this.lastMade + 1, tag: this.drawTag(), bodyBytes };
      this.history.submitted(entry);
      writeEntry(log.begin(), entry);
      log.end(entry.zxid);
      this.lastMade = entry.zxid;
    }
    log.flush();
    const { lastMade: upTo } = this;
    const appended = new Promise<void>((done, failed) => {
      if (this.failure === null) this.waiting.push({ upTo, done, failed });
      else failed(this.failure);
    });
    // Who appends several waits for the first that fails: the others fail unheard.
    appended.catch(() => undefined);
    return appended;
  }

  roll(): void {
    this.openedLog().roll();
  }

  /** As in a server, a snapshot that fails costs nothing but time. */
  async snapshot(): Promise<void> {
    await softly(this.directory.writeSnapshot(this.ledger.snapshot()));
  }

  async purge(): Promise<void> {
    await softly(this.directory.purge(3));
  }

  close(): Promise<void> {
    return this.openedLog().close();
  }

  onDurable(batch: LogBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const entry = readEntry(batch.writer.bytes, batch.startOf(i), batch.endOf(i));
      this.history.acknowledged(entry);
      this.ledger.entries.push(entry);
    }
    const last = this.ledger.lastZxid;
    const served = this.waiting.filter(({ upTo }) => upTo <= last);
    this.waiting = this.waiting.filter(({ upTo }) => upTo > last);
    for (const { done } of served) done();
  }

  onFailure(error: DiskError): void {
    this.history.logFailed();
    this.failure = error;
    for (const { failed } of this.waiting) failed(error);
    this.waiting = [];
  }

  private openedLog(): TransactionLog {
    if (this.log === null) throw new Error('the log is not open yet');
    return this.log;
  }
}

async function softly(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
