/**
 * The data on the disk cannot be trusted or understood, and this process must not go on with it.
 * The message is one sentence that names the file and what to do; nothing was changed or deleted.
 */
export class StorageError extends Error {
  /** The file or directory. */
  readonly path: string;
  /** Where in the file, in bytes; null when it is about the whole file. */
  readonly offset: number | null;

  constructor(path: string, offset: number | null, problem: string, options?: ErrorOptions) {
    super(`${path}${offset === null ? '' : ` at byte ${offset}`}: ${problem}`, options);
    this.name = new.target.name;
    this.path = path;
    this.offset = offset;
  }
}
