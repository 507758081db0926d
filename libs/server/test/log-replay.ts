import { DiskError, type Disk, type DiskFile } from '@aviary/foundation';
import { JuteReader } from '@aviary/jute';
import { readTransaction, type Transaction } from '@aviary/protocol';
import type { Drive } from '@aviary/simulator';
import { scanLog } from '@aviary/storage';
import { DataTree, QuotaKeeper, TransactionApplier } from '@aviary/znodes';
import { VERSION_DIRECTORY, type ServerWorld } from './server-world.js';

/** What the running system sees on a drive, for reading beside the server. */
function readerOf(drive: Drive): Disk {
  const refuse = (path: string) => Promise.reject(new DiskError('EROFS', path, 'open'));
  const open = (path: string): Promise<DiskFile> => {
    const contents = drive.contentsOf(path);
    if (contents === null) return Promise.reject(new DiskError('ENOENT', path, 'open'));
    return Promise.resolve(fileOf(path, contents));
  };
  return {
    open,
    list: () => Promise.resolve([]),
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    allocate: (length) => new Uint8Array(length),
  };
}

function fileOf(path: string, contents: Uint8Array): DiskFile {
  const refuse = () => Promise.reject(new DiskError('EROFS', path, 'write'));
  return {
    path,
    size: () => Promise.resolve(contents.length),
    read: (into, position) => {
      const part = contents.subarray(position, position + into.length);
      into.set(part);
      return Promise.resolve(part.length);
    },
    write: refuse,
    truncate: refuse,
    sync: refuse,
    commit: (_bytes, _position, done) => done(new DiskError('EROFS', path, 'write')),
    close: () => Promise.resolve(),
  };
}

/** The names of the log files, oldest first. */
export function logNames(drive: Drive): string[] {
  const zxidOf = (path: string) => parseInt(path.slice(path.lastIndexOf('.') + 1), 16);
  return drive
    .paths()
    .filter((path) => path.startsWith(`${VERSION_DIRECTORY}/log.`))
    .sort((a, b) => zxidOf(a) - zxidOf(b));
}

/** Every transaction in the logs, decoded; one that cannot be decoded whole is an error. */
export async function loggedTransactions(drive: Drive): Promise<Transaction[]> {
  const transactions: Transaction[] = [];
  for (const path of logNames(drive)) {
    await scanLog(readerOf(drive), path, (bytes, start, end, zxid) => {
      const reader = new JuteReader(bytes, start, end);
      const transaction = readTransaction(reader);
      const rest = reader.remaining;
      if (rest > 0) throw new Error(`${path}: ${rest} bytes behind transaction ${zxid}`);
      transactions.push(transaction);
    });
  }
  return transactions;
}

/** What a fresh tree becomes when the logs are applied to it. */
export interface Replayed {
  readonly tree: DataTree;
  readonly transactions: number;
  /** Transactions after which the tree had another digest than the log says. */
  readonly digestMismatches: number;
}

/** Replays all logs on a fresh tree. */
export async function replayLogs(drive: Drive): Promise<Replayed> {
  const tree = DataTree.fresh({ seed: 7 });
  const applier = new TransactionApplier(tree, new QuotaKeeper(tree));
  let transactions = 0;
  for (const path of logNames(drive)) {
    await scanLog(readerOf(drive), path, (bytes, start, end) => {
      applier.apply(bytes, start, end, 'verify');
      transactions++;
    });
  }
  return { tree, transactions, digestMismatches: applier.digestMismatches };
}

/** What {@link checkLogs} found; all is well when the first three are equal to the rest. */
export interface LogCheck {
  readonly decoded: number;
  readonly replayed: number;
  readonly logged: number;
  readonly mismatches: number;
  readonly sameDigest: boolean;
  /** Whether the digest that is kept is the one that the nodes have. */
  readonly digestIsRight: boolean;
  readonly sameNodes: boolean;
  readonly sameSessions: boolean;
}

/** What {@link checkLogs} must find for a server that has logged `count` transactions. */
export const soundLogs = (count: number): LogCheck => ({
  decoded: count,
  replayed: count,
  logged: count,
  mismatches: 0,
  sameDigest: true,
  digestIsRight: true,
  sameNodes: true,
  sameSessions: true,
});

/**
 * Decodes every logged transaction, applies all to a fresh tree and compares it with the server's.
 * For a server that began with an empty directory and has purged nothing.
 */
export async function checkLogs(world: ServerWorld): Promise<LogCheck> {
  await world.reach(() => world.port.writes.outstanding === 0);
  const { drive } = world.host;
  const served = world.port.tree;
  const { tree, transactions, digestMismatches } = await replayLogs(drive);
  const { high, low } = tree.digest;
  return {
    decoded: (await loggedTransactions(drive)).length,
    replayed: transactions,
    logged: served.lastZxid,
    mismatches: digestMismatches,
    sameDigest: served.digest.equals(high, low),
    digestIsRight: tree.recomputeDigest(),
    sameNodes: served.nodes.size === tree.nodes.size,
    sameSessions: served.sessions.size === tree.sessions.size,
  };
}
