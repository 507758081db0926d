import {
  ZXID_EPOCH_LIMIT,
  ZxidRangeError,
  assert,
  formatZxid,
  zxidEpoch,
  type Disk,
  type Log,
  type Zxid,
} from '@aviary/foundation';
import { decimalBytes, readDecimal } from './decimal-file.js';
import { StorageError } from './errors.js';
import { joinPath } from './file-names.js';
import { replaceFile } from './whole-file.js';

/** The last leader whom this server has promised to follow. */
export const ACCEPTED_EPOCH_NAME = 'acceptedEpoch';
/** The last leader whose history this server has taken over. */
export const CURRENT_EPOCH_NAME = 'currentEpoch';
/** What ZooKeeper's AtomicFileOutputStream puts behind the name of a file until it is whole. */
export const ATOMIC_SUFFIX = '.tmp';
/** Stands while ZooKeeper 3.4 goes from one current epoch to the next. */
export const UPDATING_EPOCH_NAME = 'updatingEpoch';

/**
 * The two epochs that a member of an ensemble must not forget, in ZooKeeper's files and form.
 *
 * A value is read here only once it is durable, so that nobody can act on a promise that a power cut
 * takes back (ZOOKEEPER-2307). Invariant: current <= accepted.
 *
 * The first write that fails ends it: every later one fails with the same error, and the process
 * must end, too. What stands in the files is then for the next start to find out.
 */
export class EpochFiles {
  /** All writes, one behind the other; rejected for ever once one has failed. */
  private writes: Promise<void> = Promise.resolve();

  private constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private acceptedEpoch: number,
    private currentEpoch: number,
  ) {}

  /** `acceptedEpoch`: this server follows no leader of an earlier one. */
  get accepted(): number {
    return this.acceptedEpoch;
  }

  /** `currentEpoch`: this server has the history with which the leader of that epoch began. */
  get current(): number {
    return this.currentEpoch;
  }

  /**
   * Promises to follow no leader of an epoch before `epoch`; resolves when the promise is durable.
   * The epoch never goes back.
   */
  setAccepted(epoch: number): Promise<void> {
    return this.write(async () => {
      assert(epoch >= this.acceptedEpoch, 'a promised epoch is never taken back');
      if (epoch === this.acceptedEpoch) return;
      await writeEpoch(this.disk, this.directory, ACCEPTED_EPOCH_NAME, epoch);
      this.acceptedEpoch = epoch;
    });
  }

  /**
   * Notes that the history of the leader of `epoch` is on this disk; resolves when that is durable.
   * The history must be durable before: an epoch that stands for less lets what was committed be
   * cut off (ZOOKEEPER-4643).
   */
  setCurrent(epoch: number): Promise<void> {
    return this.write(async () => {
      assert(epoch >= this.currentEpoch, 'the current epoch never goes back');
      assert(epoch <= this.acceptedEpoch, 'an epoch is accepted before its history comes');
      if (epoch === this.currentEpoch) return;
      await writeEpoch(this.disk, this.directory, CURRENT_EPOCH_NAME, epoch);
      this.currentEpoch = epoch;
    });
  }

  private write(work: () => Promise<void>): Promise<void> {
    this.writes = this.writes.then(work);
    return this.writes;
  }

  /**
   * Reads the files in `directory`; what is missing is written (QuorumPeer.loadDataBase).
   *
   * A crash may come between a history of a new epoch and its `currentEpoch`. When the epoch was
   * accepted, and stands in the last transaction, the history with which it began is there, too:
   * logs have no holes. ZooKeeper goes on only if it finds `currentEpoch.tmp` or, up to 3.4,
   * `updatingEpoch`; here those tell the same of data without an `acceptedEpoch`.
   *
   * @param lastZxid Of the last transaction that was recovered.
   * @throws {StorageError} A file is damaged, or what they say cannot be. Nothing was changed.
   */
  static async open(disk: Disk, directory: string, lastZxid: Zxid, log: Log): Promise<EpochFiles> {
    const names = await disk.list(directory);
    // Who wrote what is read here may have lost its power before the names were durable.
    await disk.syncDirectory(directory);
    const found = {
      accepted: await readEpoch(disk, directory, ACCEPTED_EPOCH_NAME),
      current: await readEpoch(disk, directory, CURRENT_EPOCH_NAME),
      wasUpdating:
        names.includes(UPDATING_EPOCH_NAME) || names.includes(CURRENT_EPOCH_NAME + ATOMIC_SUFFIX),
    };
    const { accepted, current } = judgeEpochs(directory, found, lastZxid);
    if (accepted !== found.accepted) {
      await writeEpoch(disk, directory, ACCEPTED_EPOCH_NAME, accepted);
      log.info(`There was no ${ACCEPTED_EPOCH_NAME}; it is ${accepted} now.`);
    }
    if (current !== found.current) {
      await writeEpoch(disk, directory, CURRENT_EPOCH_NAME, current);
      log.info(`${CURRENT_EPOCH_NAME} was ${found.current ?? 'missing'}; it is ${current} now.`);
    }
    for (const name of [
      UPDATING_EPOCH_NAME,
      ACCEPTED_EPOCH_NAME + ATOMIC_SUFFIX,
      CURRENT_EPOCH_NAME + ATOMIC_SUFFIX,
    ]) {
      if (names.includes(name)) await disk.remove(joinPath(directory, name)).catch(() => undefined);
    }
    return new EpochFiles(disk, directory, accepted, current);
  }
}

/** What stands in the files; null: the file is missing. */
interface FoundEpochs {
  readonly accepted: number | null;
  readonly current: number | null;
  /** Whether a current epoch was about to be written. */
  readonly wasUpdating: boolean;
}

function judgeEpochs(
  directory: string,
  found: FoundEpochs,
  lastZxid: Zxid,
): { accepted: number; current: number } {
  const logged = zxidEpoch(lastZxid);
  const current = Math.max(found.current ?? 0, logged);
  const accepted = found.accepted ?? current;
  const acceptedPath = joinPath(directory, ACCEPTED_EPOCH_NAME);
  const remedy =
    'put back all files of this directory from one moment, or start with an empty one and let ' +
    'this server learn everything from the others';
  if (accepted < current) {
    const other =
      current === found.current
        ? `${CURRENT_EPOCH_NAME} beside it says ${current}`
        : `the last transaction is 0x${formatZxid(lastZxid)}, of epoch ${logged}`;
    throw new StorageError(
      acceptedPath,
      null,
      `says ${accepted}, but ${other}: no server has the history of an epoch that it did not ` +
        `accept; ${remedy}`,
      { problem: 'misplaced' },
    );
  }
  const isBehind = found.current !== null && found.current < logged;
  if (isBehind && found.accepted === null && !found.wasUpdating) {
    throw new StorageError(
      joinPath(directory, CURRENT_EPOCH_NAME),
      null,
      `says ${found.current}, but the last transaction is 0x${formatZxid(lastZxid)}, of epoch ` +
        `${logged}, and there is no ${ACCEPTED_EPOCH_NAME} that explains it; ${remedy}`,
      { problem: 'misplaced' },
    );
  }
  return { accepted, current };
}

/**
 * The epoch that this server has promised to follow no earlier leader than; null: it has promised
 * nothing, or there is no telling.
 *
 * @throws {StorageError} The file is damaged.
 */
export function readAcceptedEpoch(disk: Disk, directory: string): Promise<number | null> {
  return readEpoch(disk, directory, ACCEPTED_EPOCH_NAME);
}

async function readEpoch(disk: Disk, directory: string, name: string): Promise<number | null> {
  const path = joinPath(directory, name);
  const found = await readDecimal(disk, path);
  if (found === null) return null;
  const { line, value } = found;
  // ZooKeeper writes -1 when it starts without data and without leave to take that for a new start.
  if (value === null || value < -1) {
    const isPromise = name === ACCEPTED_EPOCH_NAME;
    const remedy = isPromise
      ? 'or write the greatest epoch of all members of the ensemble into it'
      : 'or start with an empty directory and let this server learn everything from the others';
    throw new StorageError(
      path,
      null,
      `says ${JSON.stringify(line)}, which is no epoch; restore the file, ${remedy}`,
      { problem: isPromise ? 'promise' : 'damage' },
    );
  }
  if (value >= ZXID_EPOCH_LIMIT) {
    throw new StorageError(path, null, new ZxidRangeError(value).message, { problem: 'foreign' });
  }
  return Math.max(value, 0);
}

function writeEpoch(disk: Disk, directory: string, name: string, epoch: number): Promise<void> {
  assert(epoch < ZXID_EPOCH_LIMIT, 'an epoch that comes from outside is checked there');
  return replaceFile(disk, directory, name, name + ATOMIC_SUFFIX, decimalBytes(epoch));
}
