import type { Log } from '@aviary/foundation';
import { DataDirectory, StorageError, type Recovered, type RecoveryTarget } from '@aviary/storage';
import { Ledger } from './ledger.js';
import { ManualClock } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

export const DATA_DIR = '/data';
export const DIRECTORY = '/data/version-2';

/** A data directory in memory, to be filled with files and recovered. */
export class RecoveryFixture {
  readonly disk = new MemoryDisk();
  readonly warnings: string[] = [];
  ledger = new Ledger();
  readonly directory: DataDirectory;

  constructor(dataLogDir?: string) {
    const places = { dataDir: DATA_DIR, ...(dataLogDir === undefined ? {} : { dataLogDir }) };
    this.directory = new DataDirectory(this.disk, new ManualClock(), places);
  }

  put(name: string, bytes: Uint8Array): this {
    this.disk.put(`${DIRECTORY}/${name}`, bytes);
    return this;
  }

  bytesOf(name: string): Uint8Array {
    return this.disk.bytesOf(`${DIRECTORY}/${name}`);
  }

  /** Names in the directory, sorted. */
  names(): string[] {
    return this.disk.paths().map((path) => path.slice(path.lastIndexOf('/') + 1));
  }

  readonly log: Log = {
    info: () => undefined,
    warn: (message) => this.warnings.push(message),
    error: () => undefined,
  };

  recover(target: RecoveryTarget = (this.ledger = new Ledger())): Promise<Recovered> {
    return this.directory.recover(target, this.log);
  }

  /** The sentence with which recovery refuses; nothing may have been changed then. */
  async refusal(target?: RecoveryTarget): Promise<string> {
    return (await this.errorOf(() => this.recover(target))).message;
  }

  /** The error with which `work` refuses; nothing may have been changed then. */
  async errorOf(work: () => Promise<unknown>): Promise<StorageError> {
    const before = new Map(
      this.disk.paths().map((path) => [path, this.disk.bytesOf(path).slice()]),
    );
    const changed = this.disk.changes.length;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const now = new Map(this.disk.paths().map((path) => [path, this.disk.bytesOf(path)]));
      if (this.disk.changes.length > changed || !isSame(before, now)) {
        throw new Error(`refused, and changed: ${this.disk.changes.join(', ')}`);
      }
      return error;
    }
    throw new Error('it did not refuse');
  }

  /** The zxids that the last recovery brought back. */
  get zxids(): number[] {
    return this.ledger.entries.map(({ zxid }) => zxid);
  }
}

function isSame(one: Map<string, Uint8Array>, other: Map<string, Uint8Array>): boolean {
  return (
    one.size === other.size &&
    [...one].every(([path, bytes]) => Buffer.compare(bytes, other.get(path) ?? Buffer.of()) === 0)
  );
}
