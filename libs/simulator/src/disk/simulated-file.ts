import { assert, DiskError, type DiskFile } from '@aviary/foundation';
import { fingerprint } from '../fingerprint.js';
import type { DiskOperationKind } from './disk-model.js';
import type { FileImage } from './file-image.js';
import { normalizedPath } from './names.js';
import { SECTOR_BYTES } from './sector-pool.js';
import type { Effect, SimulatedDisk } from './simulated-disk.js';

/** An open file of a {@link SimulatedDisk}. */
export class SimulatedFile implements DiskFile {
  readonly path: string;
  private readonly disk: SimulatedDisk;
  private readonly where: string;
  private readonly file: FileImage;
  private readonly isWritable: boolean;
  private isClosed = false;
  private commitIsUnderWay = false;

  constructor(disk: SimulatedDisk, path: string, file: FileImage, isWritable: boolean) {
    this.disk = disk;
    this.path = path;
    this.where = normalizedPath(path);
    this.file = file;
    this.isWritable = isWritable;
  }

  size(): Promise<number> {
    return this.ask('size', { run: () => this.file.size });
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.ask('read', { run: () => this.file.read(into, position) });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.ask('write', this.writing('write', bytes, position));
  }

  truncate(length: number): Promise<void> {
    return this.ask('truncate', {
      run: () => {
        const denied = this.denied('truncate');
        if (denied === undefined) this.file.truncate(length);
        return denied;
      },
    });
  }

  sync(): Promise<void> {
    const { file } = this;
    const { random } = this.disk.drive;
    const covered = file.lastChange;
    return this.ask('sync', {
      run: () => undefined,
      settle: () => file.sync(covered),
      // The power goes while the sectors are on their way: the draw of the power cut decides.
      tear: () => undefined,
      spoil: () => file.giveUp(covered, random, 'drawn'),
    });
  }

  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    assert(!this.commitIsUnderWay, `two commits at once on ${this.path}`);
    const { file } = this;
    const { random } = this.disk.drive;
    const writing = this.writing('commit', bytes, position);
    const effect: Effect<undefined> = {
      run: () => writing.run(),
      settle: () => file.sync(file.lastChange),
      tear: () => writing.tear?.(),
      spoil: () => {
        if (random.chance(0.5)) {
          writing.spoil?.();
        } else {
          writing.run();
          file.giveUp(file.lastChange, random, 'drawn');
        }
      },
    };
    this.commitIsUnderWay = true;
    this.submit('commit', effect, (outcome) => {
      this.commitIsUnderWay = false;
      done(outcome instanceof DiskError ? outcome : null);
    });
  }

  async close(): Promise<void> {
    if (this.commitIsUnderWay) this.disk.misuse(`${this.path} was closed during a commit`);
    const closing = this.ask('close', { run: () => undefined });
    this.isClosed = true;
    await closing;
  }

  /** The two ways that bytes go to the file are one until the sync. */
  private writing(
    operation: string,
    bytes: Uint8Array,
    position: number,
  ): Effect<undefined> & {
    readonly run: () => undefined | DiskError;
  } {
    const { file } = this;
    const { random } = this.disk.drive;
    const before = fingerprint(bytes);
    this.disk.noteContents(before);
    return {
      run: () => {
        if (fingerprint(bytes) !== before) {
          this.disk.misuse(`a buffer was changed while it was written to ${this.path}`);
        }
        const denied = this.denied(operation);
        if (denied !== undefined) return denied;
        const fitting = this.fittingBytes(bytes.length, position);
        file.write(fitting < bytes.length ? bytes.subarray(0, fitting) : bytes, position);
        return fitting < bytes.length ? new DiskError('ENOSPC', this.path, operation) : undefined;
      },
      tear: () => {
        if (this.isWritable) file.tear(bytes, position, random);
      },
      spoil: () => {
        if (this.isWritable)
          file.write(bytes.subarray(0, random.below(bytes.length + 1)), position);
      },
    };
  }

  /** How many of `length` bytes at `position` the drive has room for. */
  private fittingBytes(length: number, position: number): number {
    const { image, model } = this.disk.drive;
    if (model.capacityBytes === Infinity) return length;
    let room = Math.floor((model.capacityBytes - image.usedBytes()) / SECTOR_BYTES);
    let end = position;
    while (end < position + length) {
      const next = Math.min(position + length, (Math.floor(end / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      room -= this.file.newSectors(end, next - end);
      if (room < 0) break;
      end = next;
    }
    return end - position;
  }

  private denied(operation: string): DiskError | undefined {
    return this.isWritable ? undefined : new DiskError('EBADF', this.path, operation);
  }

  private ask<T>(kind: DiskOperationKind, effect: Effect<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.submit(kind, effect, (outcome) => {
        if (outcome instanceof DiskError) reject(outcome);
        else resolve(outcome);
      });
    });
  }

  private submit<T>(
    kind: DiskOperationKind,
    effect: Effect<T>,
    done: (outcome: T | DiskError) => void,
  ): void {
    if (!this.isClosed) {
      this.disk.submit(kind, this.where, effect, done);
      return;
    }
    this.disk.misuse(`${kind} on ${this.path}, which is closed`);
    const closed = { run: () => new DiskError('EBADF', this.path, kind) };
    this.disk.submit<T>(kind, this.where, closed, done);
  }
}
