import { parentPath } from '@aviary/foundation';
import {
  BadVersionError,
  ConnectionLossError,
  NoNodeError,
  NodeExistsError,
  TransactionFailedError,
  type Acl,
  type ZooKeeper,
} from '@aviary/client';
import { decodeRecord, encodeRecord, type CronRecord, type StoredRecord } from './cron-record.js';
import type { LeaderTerm } from './leader-term.js';

/** Keeps the record of one job in a node, which only the leader writes. */
export class CronStore {
  readonly path: string;
  private readonly zk: ZooKeeper;
  private readonly acl: readonly Acl[] | undefined;

  constructor(zk: ZooKeeper, path: string, acl: readonly Acl[] | undefined) {
    this.zk = zk;
    this.path = path;
    this.acl = acl;
  }

  /** null: there is none yet. @throws {SyntaxError} What stands there is no record. */
  async read(signal?: AbortSignal): Promise<StoredRecord | null> {
    try {
      const { data, stat } = await this.zk.get(this.path, { signal, deadlineMs: Infinity });
      return { record: decodeRecord(data), version: stat.version };
    } catch (error) {
      if (error instanceof NoNodeError) return null;
      throw error;
    }
  }

  /** As {@link read}, and not older than what was written before it was called. */
  async readNewest(signal: AbortSignal): Promise<StoredRecord | null> {
    await this.zk.sync(this.path, { signal, deadlineMs: Infinity });
    return this.read(signal);
  }

  /**
   * Writes a record, if it has not been written since it was read and the term is held: the servers
   * look at both in the same transaction.
   *
   * @param version That of the record read; null: there was none.
   * @returns false: it was written since, or the answer was lost: read again.
   * @throws {LeaseLostError} The term is over.
   */
  async write(term: LeaderTerm, record: CronRecord, version: number | null): Promise<boolean> {
    const data = encodeRecord(record);
    const { path, acl } = this;
    const guarded = term.transaction();
    try {
      if (version === null) await guarded.create(path, data, { acl }).commit();
      else await guarded.set(path, data, { version }).commit();
      return true;
    } catch (error) {
      if (error instanceof ConnectionLossError) return false;
      if (!(error instanceof TransactionFailedError)) throw error;
      const { cause } = error;
      if (cause instanceof BadVersionError || cause instanceof NodeExistsError) return false;
      if (!(cause instanceof NoNodeError)) throw error;
    }
    await this.zk.ensurePath(parentPath(path) ?? '/', {
      acl,
      deadlineMs: Infinity,
      signal: term.signal,
    });
    return false;
  }
}
