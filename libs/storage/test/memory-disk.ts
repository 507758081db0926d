import { DiskError, type Disk, type DiskFile } from '@aviary/foundation';

/** What a name stands for: it stays the same when it is renamed. */
interface Contents {
  bytes: Uint8Array;
}

/** A file of a {@link MemoryDisk}. */
class MemoryFile implements DiskFile {
  constructor(
    private readonly disk: MemoryDisk,
    readonly path: string,
    private readonly contents: Contents,
  ) {}

  size(): Promise<number> {
    return Promise.resolve(this.contents.bytes.length);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    const part = this.contents.bytes.subarray(position, position + into.length);
    into.set(part);
    return Promise.resolve(part.length);
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.disk.changes.push(`write ${this.path}`);
    const end = position + bytes.length;
    if (end > this.contents.bytes.length) this.resize(end);
    this.contents.bytes.set(bytes, position);
    return Promise.resolve();
  }

  truncate(length: number): Promise<void> {
    this.disk.changes.push(`truncate ${this.path} ${length}`);
    this.resize(length);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    void this.write(bytes, position).then(() => done(null));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Memory grows by doubling: a file may be written in a hundred thousand pieces. */
  private resize(length: number): void {
    const { bytes } = this.contents;
    bytes.fill(0, length);
    let { buffer } = bytes;
    if (length > buffer.byteLength) {
      buffer = new ArrayBuffer(Math.max(length, buffer.byteLength * 2));
      new Uint8Array(buffer).set(bytes);
    }
    this.contents.bytes = new Uint8Array(buffer, 0, length);
  }
}

/** Files in memory, never at fault: for what is about bytes and not about crashes. */
export class MemoryDisk implements Disk {
  private readonly files = new Map<string, Contents>();
  /** What changed files, in order: `remove <path>`, `write <path>`, ... */
  readonly changes: string[] = [];

  /** Puts a copy of `bytes` at `path`. */
  put(path: string, bytes: Uint8Array): void {
    // A Buffer would give a view of itself for a slice.
    this.files.set(path, { bytes: new Uint8Array(bytes) });
  }

  /** The bytes at `path`; changing them changes the file. */
  bytesOf(path: string): Uint8Array {
    return this.contentsOf(path, 'read').bytes;
  }

  /** All paths, sorted. */
  paths(): string[] {
    return [...this.files.keys()].sort();
  }

  list(directory: string): Promise<string[]> {
    const start = `${directory}/`;
    const names = [...this.files.keys()]
      .filter((path) => path.startsWith(start))
      .map((path) => path.slice(start.length).split('/', 1)[0]!);
    return Promise.resolve([...new Set(names)]);
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await Promise.resolve();
    if (mode === 'create') {
      this.changes.push(`create ${path}`);
      this.put(path, new Uint8Array(0));
    }
    return new MemoryFile(this, path, this.contentsOf(path, 'open'));
  }

  async rename(from: string, to: string): Promise<void> {
    await Promise.resolve();
    this.changes.push(`rename ${from}`);
    this.files.set(to, this.contentsOf(from, 'rename'));
    this.files.delete(from);
  }

  async remove(path: string): Promise<void> {
    await Promise.resolve();
    this.contentsOf(path, 'remove');
    this.changes.push(`remove ${path}`);
    this.files.delete(path);
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }

  allocate(length: number): Uint8Array {
    return new Uint8Array(length);
  }

  private contentsOf(path: string, operation: string): Contents {
    const contents = this.files.get(path);
    if (contents === undefined) throw new DiskError('ENOENT', path, operation);
    return contents;
  }
}
