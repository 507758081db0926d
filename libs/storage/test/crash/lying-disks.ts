import type { DiskError, DiskFile } from '@aviary/foundation';
import { PassingDisk, PassingFile } from './passing-disk.js';

// Storage that leaves a step out looks, from below, like one whose disk does not do that step.

/** No directory is ever synced. */
export class NoDirectorySync extends PassingDisk {
  override syncDirectory(): Promise<void> {
    return Promise.resolve();
  }
}

/** No file is ever synced, but by a commit. */
export class NoFileSync extends PassingDisk {
  protected override wrapFile(file: DiskFile): DiskFile {
    return new UnsyncedFile(file);
  }
}

class UnsyncedFile extends PassingFile {
  override sync(): Promise<void> {
    return Promise.resolve();
  }
}

/** A commit writes, and waits for no sync. */
export class CommitWithoutSync extends PassingDisk {
  protected override wrapFile(file: DiskFile): DiskFile {
    return new UncommittedFile(file);
  }
}

class UncommittedFile extends PassingFile {
  override commit(
    bytes: Uint8Array,
    position: number,
    done: (error: DiskError | null) => void,
  ): void {
    this.inner.write(bytes, position).then(
      () => done(null),
      (error: unknown) => done(error as DiskError),
    );
  }
}

/** A commit that fails is reported as one that succeeds. */
export class DeafToErrors extends PassingDisk {
  protected override wrapFile(file: DiskFile): DiskFile {
    return new DeafFile(file);
  }
}

class DeafFile extends PassingFile {
  override commit(
    bytes: Uint8Array,
    position: number,
    done: (error: DiskError | null) => void,
  ): void {
    this.inner.commit(bytes, position, () => done(null));
  }
}
