import { fdatasync, write } from 'node:fs';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DiskError, type Disk, type DiskFile } from '@aviary/foundation';
import { makeDirectories } from './make-directories.js';
import { SyncThread } from './sync-thread.js';

/** Runs `action`; what it fails with becomes a {@link DiskError}. */
async function guarded<T>(operation: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'UNKNOWN';
    throw new DiskError(code, path, operation, { cause });
  }
}

class NodeDiskFile implements DiskFile {
  readonly path: string;
  private readonly handle: FileHandle;
  private readonly thread: () => SyncThread | null;

  constructor(path: string, handle: FileHandle, thread: () => SyncThread | null) {
    this.path = path;
    this.handle = handle;
    this.thread = thread;
  }

  size(): Promise<number> {
    return guarded('stat', this.path, async () => (await this.handle.stat()).size);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return guarded('read', this.path, async () => {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await this.handle.read(
          into,
          filled,
          into.length - filled,
          position + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return guarded('write', this.path, async () => {
      let written = 0;
      while (written < bytes.length) {
        const left = bytes.length - written;
        const result = await this.handle.write(bytes, written, left, position + written);
        written += result.bytesWritten;
      }
    });
  }

  truncate(length: number): Promise<void> {
    return guarded('truncate', this.path, () => this.handle.truncate(length));
  }

  sync(): Promise<void> {
    return guarded('fdatasync', this.path, () => this.handle.datasync());
  }

  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    if (this.handle.fd < 0) {
      queueMicrotask(() => done(new DiskError('EBADF', this.path, 'write and fdatasync')));
      return;
    }
    const thread = this.thread();
    if (thread?.canTake(bytes) !== true) {
      this.commitThroughPool(bytes, position, done);
      return;
    }
    thread.commit(this.handle.fd, bytes, position, (code, cause) =>
      done(code === null ? null : new DiskError(code, this.path, 'write and fdatasync', { cause })),
    );
  }

  close(): Promise<void> {
    return guarded('close', this.path, () => this.handle.close());
  }

  private commitThroughPool(
    bytes: Uint8Array,
    position: number,
    done: (error: DiskError | null) => void,
  ): void {
    const fail = (cause: NodeJS.ErrnoException, operation: string) =>
      done(new DiskError(cause.code ?? 'UNKNOWN', this.path, operation, { cause }));
    const writeFrom = (offset: number): void => {
      const left = bytes.length - offset;
      write(this.handle.fd, bytes, offset, left, position + offset, (error, written) => {
        if (error) fail(error, 'write');
        else if (written < left) writeFrom(offset + written);
        else
          fdatasync(this.handle.fd, (problem) =>
            problem ? fail(problem, 'fdatasync') : done(null),
          );
      });
    };
    writeFrom(0);
  }
}

const OPEN_FLAGS = { read: 'r', write: 'r+', create: 'w+' } as const;

/** The files of the machine. */
export class NodeDisk implements Disk {
  private syncThread: SyncThread | null = null;

  list(directory: string): Promise<string[]> {
    return guarded('list', directory, () => readdir(directory));
  }

  async makeDirectory(directory: string): Promise<void> {
    await guarded('mkdir', directory, () => makeDirectories(resolve(directory)));
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return guarded('open', path, async () => {
      const handle = await open(path, OPEN_FLAGS[mode]);
      return new NodeDiskFile(path, handle, () => this.syncThread);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return guarded('rename', from, () => rename(from, to));
  }

  remove(path: string): Promise<void> {
    return guarded('remove', path, () => rm(path));
  }

  syncDirectory(directory: string): Promise<void> {
    return guarded('fsync of directory', directory, async () => {
      const handle = await open(directory, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  allocate(length: number): Uint8Array {
    this.syncThread ??= new SyncThread();
    return this.syncThread.allocate(length);
  }

  /**
   * Ends the thread that syncs, once the commit that is under way is done, and lets go of the
   * memory of {@link allocate}. Files stay open; their commits take the longer way from now on.
   */
  close(): void {
    this.syncThread?.stop();
    this.syncThread = null;
  }
}
