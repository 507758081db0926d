import type { Disk, DiskError, DiskFile } from '@aviary/foundation';

/** A disk that hands everything on; tests override what they want to be otherwise. */
export class PassingDisk implements Disk {
  constructor(protected readonly inner: Disk) {}

  list(directory: string): Promise<string[]> {
    return this.inner.list(directory);
  }

  makeDirectory(directory: string): Promise<void> {
    return this.inner.makeDirectory(directory);
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return this.wrapFile(await this.inner.open(path, mode));
  }

  rename(from: string, to: string): Promise<void> {
    return this.inner.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.inner.remove(path);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.inner.syncDirectory(directory);
  }

  allocate(length: number): Uint8Array {
    return this.inner.allocate(length);
  }

  protected wrapFile(file: DiskFile): DiskFile {
    return file;
  }
}

/** A file that hands everything on. */
export class PassingFile implements DiskFile {
  constructor(protected readonly inner: DiskFile) {}

  get path(): string {
    return this.inner.path;
  }

  size(): Promise<number> {
    return this.inner.size();
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.inner.read(into, position);
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.inner.write(bytes, position);
  }

  truncate(length: number): Promise<void> {
    return this.inner.truncate(length);
  }

  sync(): Promise<void> {
    return this.inner.sync();
  }

  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    this.inner.commit(bytes, position, done);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/**
 * Gives every life the same buffers: the one before is dead, and thousands of lives would else be
 * busy with nothing but new memory.
 */
export class ReusingDisk extends PassingDisk {
  private static readonly buffers: Uint8Array[] = [];
  private given = 0;

  override allocate(length: number): Uint8Array {
    const { buffers } = ReusingDisk;
    const index = this.given++;
    const known = buffers[index];
    if (known?.length === length) return known;
    return (buffers[index] = this.inner.allocate(length));
  }
}
