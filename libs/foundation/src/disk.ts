/** What a disk operation can fail with, named as the operating system names it. */
export class DiskError extends Error {
  /** `ENOENT`, `EIO`, `ENOSPC`, ... */
  readonly code: string;
  /** The file or directory that the operation was about. */
  readonly path: string;

  constructor(code: string, path: string, operation: string, options?: ErrorOptions) {
    super(`${operation} ${path}: ${code}`, options);
    this.name = new.target.name;
    this.code = code;
    this.path = path;
  }
}

/** Whether `error` says that a file or directory does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof DiskError && error.code === 'ENOENT';
}

/** An open file. Positions and sizes are in bytes. Every method fails with {@link DiskError}. */
export interface DiskFile {
  readonly path: string;

  /** Bytes in the file, holes included. */
  size(): Promise<number>;

  /** Reads into all of `into` unless the file ends first; resolves to the bytes read. */
  read(into: Uint8Array, position: number): Promise<number>;

  /** Writes all of `bytes`. They may be lost at a crash until `sync` has resolved. */
  write(bytes: Uint8Array, position: number): Promise<void>;

  /** Cuts or extends (with zeros) the file to `length` bytes. */
  truncate(length: number): Promise<void>;

  /** Makes what was written durable (fdatasync). After a failure nothing is known of it. */
  sync(): Promise<void>;

  /**
   * Writes all of `bytes` and makes them durable, in one trip: the log's way to the disk.
   *
   * `bytes` must not change before `done` is called. Only one commit per file at a time. After an
   * error nothing is known of the bytes, and the caller must stop: a second sync that succeeds
   * proves nothing about pages that the first one gave up.
   */
  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void;

  /** Closes the file; what was not synced stays undurable. */
  close(): Promise<void>;
}

/**
 * Files, as a port. A new, renamed or removed name is durable only after {@link syncDirectory};
 * written bytes only after `sync` or `commit`.
 */
export interface Disk {
  /** Names in `directory`, in no particular order. */
  list(directory: string): Promise<string[]>;

  /** Creates `directory` and the directories above it where they are missing. */
  makeDirectory(directory: string): Promise<void>;

  /** `read`: must exist. `write`: must exist, may be written. `create`: emptied if it exists. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>;

  /** Renames a file, over an existing one if there is one, atomically. */
  rename(from: string, to: string): Promise<void>;

  remove(path: string): Promise<void>;

  /** Makes the names in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;

  /**
   * A buffer of `length` zeros that `commit` can take without a copy. Ordinary buffers work too;
   * this one is cheaper. The disk may keep its memory for as long as it lives: allocate few, and
   * use them again.
   */
  allocate(length: number): Uint8Array;
}
