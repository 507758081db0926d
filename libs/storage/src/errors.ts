import { DiskError } from '@aviary/foundation';

/**
 * What is wrong, as far as the remedy depends on it.
 *
 * - `damage`: bytes are damaged or missing that were there. The other members of an ensemble have
 *   them.
 * - `foreign`: what stands there was written by a server of another kind or version.
 * - `misplaced`: files of several servers, places or moments are mixed.
 * - `promise`: it is not known any more which leader this server has promised to follow.
 */
export type StorageProblem = 'damage' | 'foreign' | 'misplaced' | 'promise';

/**
 * The data on the disk cannot be trusted or understood, and this process must not go on with it.
 * The message is one sentence that names the file and what to do; nothing was changed or deleted.
 */
export class StorageError extends Error {
  /** The file or directory. */
  readonly path: string;
  /** Where in the file, in bytes; null when it is about the whole file. */
  readonly offset: number | null;
  readonly problem: StorageProblem;

  /** @param options.problem Default: `damage`. */
  constructor(
    path: string,
    offset: number | null,
    sentence: string,
    options: ErrorOptions & { readonly problem?: StorageProblem } = {},
  ) {
    const { problem = 'damage', ...rest } = options;
    super(`${path}${offset === null ? '' : ` at byte ${offset}`}: ${sentence}`, rest);
    this.name = new.target.name;
    this.path = path;
    this.offset = offset;
    this.problem = problem;
  }
}

/**
 * The history on this disk cannot be cut back to where a leader wants it: the place is not in it, or
 * nothing is left from which it could be recovered. Nothing was changed. A snapshot of the leader
 * helps.
 */
export class TruncationError extends StorageError {}

/**
 * Whether a member of an ensemble that failed to recover with `error` can put its data aside and
 * learn everything from the others: its own are damaged, missing or cannot be read from the disk.
 */
export function isRepairable(error: unknown): boolean {
  if (error instanceof StorageError) return error.problem === 'damage';
  return error instanceof DiskError && error.code === 'EIO';
}
