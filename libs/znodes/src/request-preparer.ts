import { writeInt32, writeUint53, type Zxid } from '@aviary/foundation';
import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import {
  DIGEST_VERSION,
  ErrorCode,
  OpCode,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
} from '@aviary/protocol';
import type { Principal } from './acl-rules.js';
import type { DataTree } from './data-tree.js';
import { NodePreparer } from './node-preparer.js';
import { NodeKind } from './node-record.js';
import type { OutstandingChanges } from './outstanding-changes.js';
import type { PendingNode } from './pending-node.js';
import type { QuotaKeeper } from './quota.js';
import { countMulti, skipOperation } from './request-parts.js';

/** Switches of what requests may do. */
export interface PreparerOptions {
  /** `zookeeper.extendedTypesEnabled`: whether nodes with a time to live can be made. */
  readonly extendedTypesEnabled: boolean;
  /** `enforceQuota`: whether hard limits are kept. */
  readonly enforceQuota: boolean;
  /** `digest.enabled`: whether transactions carry the digest of the tree. */
  readonly digestEnabled: boolean;
  /** The longest transaction that is made, in bytes: what every reader of logs takes. */
  readonly transactionBytesMax: number;
  /** `znode.container.maxNeverUsedIntervalMs`: how long a container waits for its first child. */
  readonly containerNeverUsedMs?: number;
}

/** Whoever writes: the session, its request number and the ids it holds. */
export interface RequestOrigin {
  sessionHigh: number;
  sessionLow: number;
  xid: number;
  who: Principal;
}

/** A part of a multi that failed or was not tried: type, length and code. */
const ERROR_PART_BYTES = 12;

/** The operations that a multi may hold; anything else in one is a marshalling error. */
const MULTI_TYPES: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.setData,
  OpCode.check,
]);

/**
 * Makes transactions of write requests.
 *
 * A request is checked, in the reference's order, against the tree and the outstanding changes, and
 * becomes one transaction with the next zxid; one that fails becomes an error transaction, so that
 * its answer keeps its place among the others. What is made here can be applied by
 * {@link TransactionApplier}: nothing that it could not decode is ever written.
 */
export class RequestPreparer {
  private readonly nodes: NodePreparer;

  constructor(
    private readonly tree: DataTree,
    private readonly changes: OutstandingChanges,
    quotas: QuotaKeeper,
    private readonly options: PreparerOptions,
  ) {
    this.nodes = new NodePreparer(tree, changes, quotas, options);
  }

  /**
   * Appends the transaction of a request to `writer`.
   *
   * @param type Opcode of a write, createSession or closeSession.
   * @param body At the start of the request's record.
   * @param timeMs Wall clock, ms since 1970.
   * @returns The error code of the answer; of a failed multi it is 0, as on the wire.
   */
  prepare(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    zxid: Zxid,
    timeMs: number,
    writer: JuteWriter,
  ): number {
    const headerAt = writer.reserve(TXN_HEADER_BYTES);
    const error = this.prepareRecord(type, body, origin, zxid, timeMs, writer);
    if (error !== ErrorCode.ok) {
      this.writeError(writer, headerAt, origin, zxid, timeMs, error);
      return error;
    }
    writeHeader(writer, headerAt, origin, zxid, timeMs, type);
    if (this.options.digestEnabled) this.writeDigest(writer);
    return ErrorCode.ok;
  }

  /** Appends the transaction of a request that failed before it came here. */
  prepareError(
    error: number,
    origin: RequestOrigin,
    zxid: Zxid,
    timeMs: number,
    writer: JuteWriter,
  ): void {
    const headerAt = writer.reserve(TXN_HEADER_BYTES);
    this.writeError(writer, headerAt, origin, zxid, timeMs, error);
  }

  private writeError(
    writer: JuteWriter,
    headerAt: number,
    origin: RequestOrigin,
    zxid: Zxid,
    timeMs: number,
    error: number,
  ): void {
    writer.position = headerAt + TXN_HEADER_BYTES;
    writeHeader(writer, headerAt, origin, zxid, timeMs, OpCode.error);
    writer.int(error);
  }

  private writeDigest(writer: JuteWriter): void {
    const at = writer.reserve(TXN_DIGEST_BYTES);
    const { digest } = this.changes;
    writeInt32(writer.bytes, at, DIGEST_VERSION);
    writeInt32(writer.bytes, at + 4, digest.high);
    writeInt32(writer.bytes, at + 8, digest.low);
  }

  private prepareRecord(
    type: number,
    body: JuteReader,
    origin: RequestOrigin,
    zxid: Zxid,
    timeMs: number,
    writer: JuteWriter,
  ): number {
    this.nodes.begin(origin, zxid, timeMs, writer);
    try {
      switch (type) {
        case OpCode.multi:
          return this.prepareMulti(body, writer);
        case OpCode.createSession:
          writer.int(body.int());
          return ErrorCode.ok;
        case OpCode.closeSession:
          return this.prepareCloseSession(origin, zxid, writer);
        case OpCode.check:
          // Only inside a multi: no log may hold one by itself.
          return ErrorCode.unimplemented;
        case OpCode.deleteContainer:
          return this.nodes.deleteContainer(body);
        case OpCode.setACL:
          return this.nodes.setAcl(body);
        default:
          return this.prepareOne(type, body, false);
      }
    } catch (error) {
      if (!(error instanceof JuteError)) throw error;
      this.changes.rollBack();
      return ErrorCode.marshallingError;
    }
  }

  private prepareOne(type: number, body: JuteReader, isInMulti: boolean): number {
    this.nodes.recordType = type;
    switch (type) {
      case OpCode.create:
      case OpCode.create2:
      case OpCode.createContainer:
      case OpCode.createTTL:
        return this.nodes.create(type, body, isInMulti);
      case OpCode.delete:
        return this.nodes.delete(body);
      case OpCode.setData:
        return this.nodes.setData(body);
      case OpCode.check:
        return this.nodes.check(body);
      default:
        return ErrorCode.unimplemented;
    }
  }

  /** All or nothing: the first failure takes back what the operations before it changed. */
  private prepareMulti(body: JuteReader, writer: JuteWriter): number {
    const start = body.position;
    const count = countMulti(body, MULTI_TYPES);
    body.position = start;
    writer.int(count);
    // Every part may at least become an error.
    if (!this.nodes.hasRoom(count * ERROR_PART_BYTES)) return ErrorCode.badArguments;
    this.nodes.giveRoom(-count * ERROR_PART_BYTES);
    this.changes.beginMulti();
    let failed: number = ErrorCode.ok;
    for (let i = 0; i < count; i++) {
      const type = body.int();
      body.skip(5);
      const partAt = writer.reserve(8);
      const operationAt = body.position;
      this.nodes.giveRoom(ERROR_PART_BYTES);
      if (failed === ErrorCode.ok) {
        failed = this.prepareOne(type, body, true);
        if (failed !== ErrorCode.ok) this.changes.rollBack();
        skipOperation(type, body, operationAt);
        const { recordType } = this.nodes;
        this.finishPart(
          writer,
          partAt,
          failed === ErrorCode.ok ? recordType : OpCode.error,
          failed,
        );
      } else {
        skipOperation(type, body, operationAt);
        this.finishPart(writer, partAt, OpCode.error, ErrorCode.runtimeInconsistency);
      }
    }
    this.changes.commitMulti();
    return ErrorCode.ok;
  }

  private finishPart(writer: JuteWriter, partAt: number, type: number, error: number): void {
    if (type === OpCode.error) {
      writer.position = partAt + 8;
      writer.int(error);
    }
    writer.intAt(partAt, type);
    writer.intAt(partAt + 4, writer.position - partAt - 8);
  }

  /** Lists what the session owns, with what is outstanding, and marks it deleted. */
  private prepareCloseSession(origin: RequestOrigin, zxid: Zxid, writer: JuteWriter): number {
    const { sessionHigh, sessionLow } = origin;
    const countAt = writer.reserve(4);
    let count = 0;
    const list = (pending: PendingNode) => {
      if (this.nodes.deleteOwned(pending)) count++;
    };
    for (const node of this.tree.ephemerals.get(sessionHigh, sessionLow) ?? []) {
      const pending = this.changes.pendingOf(node);
      // What is outstanding decides below; here only nodes that nothing is outstanding for.
      if (pending === undefined) list(this.nodes.pendingOfNode(node));
    }
    const created: PendingNode[] = [];
    this.changes.forEach((pending) => {
      const isOwned =
        pending.exists &&
        pending.zxid < zxid &&
        pending.kind === NodeKind.ephemeral &&
        this.nodes.isOwnedBy(pending, sessionHigh, sessionLow);
      if (isOwned) created.push(pending);
    });
    created.forEach(list);
    writer.intAt(countAt, count);
    return ErrorCode.ok;
  }
}

function writeHeader(
  writer: JuteWriter,
  at: number,
  origin: RequestOrigin,
  zxid: Zxid,
  timeMs: number,
  type: number,
): void {
  const { bytes } = writer;
  writeInt32(bytes, at, origin.sessionHigh);
  writeInt32(bytes, at + 4, origin.sessionLow);
  writeInt32(bytes, at + 8, origin.xid);
  writeUint53(bytes, at + 12, zxid);
  writeUint53(bytes, at + 20, timeMs);
  writeInt32(bytes, at + 28, type);
}
