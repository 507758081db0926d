import {
  copyBytes,
  isValidPathBytes,
  readInt32,
  readUint53,
  writeInt32,
  writeUint53,
} from '@aviary/foundation';
import type { Zxid } from '@aviary/foundation';
import { JuteReader, type JuteWriter } from '@aviary/jute';
import {
  CONTAINER_OWNER_HIGH,
  ErrorCode,
  OpCode,
  Permission,
  TTL_MS_MAX,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
  isEphemeral,
  isSequential,
  isTtl,
} from '@aviary/protocol';
import { isPermitted, storedAcl } from './acl-rules.js';
import { aclList, aclListOf, isWireFormOf, type AclList } from './acl-table.js';
import type { DataTree } from './data-tree.js';
import { STAT_IMAGE_BYTES, StatImageOffset, ttlIn, ttlOwnerHigh } from './node-digest.js';
import { NodeKind, PATH_BYTES_MAX } from './node-record.js';
import type { OutstandingChanges } from './outstanding-changes.js';
import type { PendingNode } from './pending-node.js';
import type { QuotaKeeper } from './quota.js';
import type { PreparerOptions, RequestOrigin } from './request-preparer.js';
import {
  createTypeInMulti,
  createdKind,
  isCreateMode,
  isUndeletable,
  lastSlash,
  missingError,
  parentEnd,
  readCreateRequest,
  writeSequence,
  type CreateRequestParts,
} from './request-parts.js';
import { skipAcls, skipBuffer, skipString } from './transaction-parts.js';

const ANY_VERSION = -1;
/** What a record has at most around path, data and list: lengths, versions, a sequence number. */
const RECORD_OVERHEAD_BYTES = 32;

const utf8 = new TextDecoder();

/** The version after `version`; -1 would match any and is left out. */
function nextVersion(version: number): number {
  const next = (version + 1) | 0;
  return next === ANY_VERSION ? 0 : next;
}

/**
 * Checks the operations on nodes and writes their records; see RequestPreparer. Every method reads
 * the operation's record from `body`, appends the transaction's to the writer and returns an error
 * code; when that is not 0, no change was made, and what was written is to be thrown away.
 */
export class NodePreparer {
  private origin!: RequestOrigin;
  private zxid: Zxid = 0;
  private timeMs = 0;
  private writer!: JuteWriter;
  /** The last list of a create that named nobody by `auth`, as sent and as stored. */
  private latestSent: AclList | null = null;
  private latestStored: AclList | null = null;
  private readonly aclReader = new JuteReader(new Uint8Array(0));
  /** How far the transaction under way may reach in the writer, without its digest. */
  private positionMax = 0;
  /** The type under which the record that was written last stands in a transaction. */
  recordType = 0;

  constructor(
    private readonly tree: DataTree,
    private readonly changes: OutstandingChanges,
    private readonly quotas: QuotaKeeper,
    private readonly options: PreparerOptions,
  ) {}

  /** What the next operations belong to. The header of their transaction is written already. */
  begin(origin: RequestOrigin, zxid: Zxid, timeMs: number, writer: JuteWriter): void {
    this.origin = origin;
    this.zxid = zxid;
    this.timeMs = timeMs;
    this.writer = writer;
    const aroundBytes = TXN_HEADER_BYTES + TXN_DIGEST_BYTES;
    this.positionMax = writer.position + this.options.transactionBytesMax - aroundBytes;
  }

  /** Whether so many bytes more still fit into the transaction. */
  hasRoom(bytes: number): boolean {
    return this.writer.position + bytes <= this.positionMax;
  }

  /** Keeps so many bytes fewer free behind the records that come now. */
  giveRoom(bytes: number): void {
    this.positionMax += bytes;
  }

  create(opcode: number, body: JuteReader, isInMulti: boolean): number {
    const request = readCreateRequest(body, opcode);
    const type = isInMulti ? createTypeInMulti(opcode, request.mode) : opcode;
    this.recordType = type;
    const modeError = this.modeError(type, request.mode, request.ttlMs);
    if (modeError !== ErrorCode.ok) return modeError;
    const { bytes } = body;
    const { pathStart, pathEnd } = request;
    const slash = lastSlash(bytes, pathStart, pathEnd);
    if (slash < 0) return ErrorCode.badArguments;
    const acl = this.aclFor(bytes, request.aclStart, request.aclEnd);
    if (acl === null) return ErrorCode.invalidAcl;
    const contentBytes = request.dataLength + acl.bytes.length;
    if (!this.fits(pathEnd - pathStart, contentBytes)) return ErrorCode.badArguments;
    const parent = this.changes.find(bytes, pathStart, parentEnd(pathStart, slash));
    if (parent === null) return ErrorCode.noNode;
    if (!this.isAllowed(parent, Permission.create)) return ErrorCode.noAuth;

    const { writer } = this;
    const lengthAt = writer.reserve(4);
    const pathAt = this.writePath(bytes, pathStart, pathEnd, request.mode, parent);
    const end = writer.position;
    writer.intAt(lengthAt, end - pathAt);
    if (!isValidPathBytes(writer.bytes, pathAt, end)) return ErrorCode.badArguments;
    const place = this.changes.place(writer.bytes, pathAt, end);
    const error = this.placeError(place, parent, pathAt, request.dataLength);
    if (error !== ErrorCode.ok) return error;
    this.writeCreateRecord(type, body, request, acl, (parent.childrenCreated + 1) | 0);
    this.recordCreation(type, request, acl, parent, place, pathAt, end, body.bytes);
    this.noteUsage(writer.bytes, pathAt, end, 1, Math.max(request.dataLength, 0));
    return ErrorCode.ok;
  }

  delete(body: JuteReader): number {
    const length = skipString(body);
    const { bytes } = body;
    const end = body.position;
    const start = end - length;
    const version = body.int();
    const slash = lastSlash(bytes, start, end);
    if (slash < 0 || isUndeletable(bytes, start, end)) return ErrorCode.badArguments;
    const parent = this.changes.find(bytes, start, parentEnd(start, slash));
    if (parent === null) return ErrorCode.noNode;
    if (!this.isAllowed(parent, Permission.delete)) return ErrorCode.noAuth;
    const pending = this.changes.find(bytes, start, end);
    if (pending === null) return ErrorCode.noNode;
    if (version !== ANY_VERSION && version !== pending.version) return ErrorCode.badVersion;
    if (pending.children > 0) return ErrorCode.notEmpty;
    if (!this.fits(length, 0)) return ErrorCode.badArguments;
    this.recordDeletion(parent, pending, bytes, start, end);
    this.writeBytes(bytes, start, length);
    return ErrorCode.ok;
  }

  /** Of the reaper: everything is looked at again, now that nothing can change between. */
  deleteContainer(body: JuteReader): number {
    const length = skipString(body);
    const { bytes } = body;
    const end = body.position;
    const start = end - length;
    const slash = lastSlash(bytes, start, end);
    const pending = this.changes.find(bytes, start, end);
    if (pending === null || slash < 0) return ErrorCode.noNode;
    if (pending.children > 0) return ErrorCode.notEmpty;
    if (!this.isDue(pending)) return ErrorCode.badVersion;
    const parent = this.changes.find(bytes, start, parentEnd(start, slash));
    if (parent === null) return ErrorCode.noNode;
    this.recordDeletion(parent, pending, bytes, start, end);
    this.writeBytes(bytes, start, length);
    return ErrorCode.ok;
  }

  setData(body: JuteReader): number {
    const pathLength = skipString(body);
    const { bytes } = body;
    const pathEnd = body.position;
    const pathStart = pathEnd - pathLength;
    const dataLength = skipBuffer(body);
    const dataBytes = Math.max(dataLength, 0);
    const dataEnd = body.position;
    const dataStart = dataEnd - dataBytes;
    const version = body.int();
    const pending = this.changes.find(bytes, pathStart, pathEnd);
    if (pending === null) return missingError(bytes, pathStart, pathEnd);
    if (!this.isAllowed(pending, Permission.write)) return ErrorCode.noAuth;
    const growth = dataBytes - pending.dataBytes;
    if (this.isOverQuota(bytes, pathStart, pathEnd, 0, growth)) return ErrorCode.quotaExceeded;
    if (version !== ANY_VERSION && version !== pending.version) return ErrorCode.badVersion;
    if (!this.fits(pathLength, dataBytes)) return ErrorCode.badArguments;

    const { changes, writer } = this;
    this.noteUsage(bytes, pathStart, pathEnd, 0, growth);
    const newVersion = nextVersion(pending.version);
    changes.touch(pending, this.zxid);
    pending.setField(StatImageOffset.version, newVersion);
    pending.setZxid(StatImageOffset.mzxid, this.zxid);
    writeUint53(pending.image, StatImageOffset.mtime, this.timeMs);
    changes.setContent(pending, bytes, pathStart, pathEnd, bytes, dataStart, dataBytes);
    changes.settle(pending);
    // The record begins as the request does: with the path and the data, each behind its length.
    const start = pathStart - 4;
    const at = writer.reserve(dataEnd - start);
    copyBytes(bytes, start, writer.bytes, at, dataEnd - start);
    writer.int(newVersion);
    return ErrorCode.ok;
  }

  setAcl(body: JuteReader): number {
    const pathLength = skipString(body);
    const { bytes } = body;
    const pathEnd = body.position;
    const pathStart = pathEnd - pathLength;
    const aclStart = body.position;
    skipAcls(body);
    const aclEnd = body.position;
    const version = body.int();
    if (!isValidPathBytes(bytes, pathStart, pathEnd)) return ErrorCode.badArguments;
    const acl = this.aclFor(bytes, aclStart, aclEnd);
    if (acl === null) return ErrorCode.invalidAcl;
    if (!this.fits(pathLength, acl.bytes.length)) return ErrorCode.badArguments;
    const pending = this.changes.find(bytes, pathStart, pathEnd);
    if (pending === null) return ErrorCode.noNode;
    if (!this.isAllowed(pending, Permission.admin)) return ErrorCode.noAuth;
    if (version !== ANY_VERSION && version !== pending.aversion) return ErrorCode.badVersion;

    const newVersion = nextVersion(pending.aversion);
    this.changes.touch(pending, this.zxid);
    pending.acl = acl;
    pending.setField(StatImageOffset.aversion, newVersion);
    this.changes.settle(pending);
    this.writeBytes(bytes, pathStart, pathLength);
    this.writer.raw(acl.bytes);
    this.writer.int(newVersion);
    return ErrorCode.ok;
  }

  check(body: JuteReader): number {
    const length = skipString(body);
    const { bytes } = body;
    const end = body.position;
    const start = end - length;
    const version = body.int();
    const pending = this.changes.find(bytes, start, end);
    if (pending === null) return missingError(bytes, start, end);
    if (!this.isAllowed(pending, Permission.read)) return ErrorCode.noAuth;
    if (version !== ANY_VERSION && version !== pending.version) return ErrorCode.badVersion;
    if (!this.fits(length, 0)) return ErrorCode.badArguments;
    this.writeBytes(bytes, start, length);
    this.writer.int(nextVersion(pending.version));
    return ErrorCode.ok;
  }

  pendingOfNode(node: number): PendingNode {
    const { nodes } = this.tree;
    nodes.select(node);
    const start = nodes.pathAt;
    const pending = this.changes.find(nodes.bytes, start, start + nodes.pathLength);
    if (pending === null) throw new Error('a node of the tree is not to be found by its own path');
    return pending;
  }

  isOwnedBy(pending: PendingNode, sessionHigh: number, sessionLow: number): boolean {
    const at = StatImageOffset.owner;
    return (
      readInt32(pending.image, at) === sessionHigh &&
      readInt32(pending.image, at + 4) === sessionLow
    );
  }

  /**
   * Deletes an ephemeral node because its session ends, and appends its path; false if there is no
   * room for it. Whoever applies the transaction deletes what the session owns, listed or not.
   */
  deleteOwned(pending: PendingNode): boolean {
    const path = this.changes.pathOf(pending);
    const slash = lastSlash(path, 0, path.length);
    const parent = this.changes.find(path, 0, parentEnd(0, slash));
    if (parent !== null) this.recordDeletion(parent, pending, path, 0, path.length);
    if (!this.fits(path.length, 0)) return false;
    this.writeBytes(path, 0, path.length);
    return true;
  }

  /**
   * Whether a record with such a path and so much else may still be written. A list of `auth` grows
   * with the ids of the connection: without a limit a small request could make a transaction that
   * no log reader takes.
   */
  private fits(pathBytes: number, contentBytes: number): boolean {
    const isGoodPath = pathBytes <= PATH_BYTES_MAX - RECORD_OVERHEAD_BYTES;
    return isGoodPath && this.hasRoom(pathBytes + contentBytes + RECORD_OVERHEAD_BYTES);
  }

  /**
   * Whether a node without children goes by itself now: its time to live has passed since it was
   * last written, or it is a container that has served, or has waited too long to serve.
   */
  private isDue(pending: PendingNode): boolean {
    const ageMs = this.timeMs - readUint53(pending.image, StatImageOffset.mtime);
    if (pending.kind === NodeKind.ttl) return ageMs > ttlIn(pending.image);
    if (pending.kind !== NodeKind.container) return false;
    const { containerNeverUsedMs } = this.options;
    if (pending.childrenCreated > 0 || containerNeverUsedMs === undefined) return true;
    return containerNeverUsedMs > 0 && ageMs > containerNeverUsedMs;
  }

  private modeError(type: number, mode: number, ttlMs: number): number {
    if (!isCreateMode(mode)) return ErrorCode.badArguments;
    if (isTtl(mode)) {
      if (!this.options.extendedTypesEnabled) return ErrorCode.unimplemented;
      const isInRange = type === OpCode.createTTL && ttlMs > 0 && ttlMs <= TTL_MS_MAX;
      return isInRange ? ErrorCode.ok : ErrorCode.badArguments;
    }
    // The reference lets a negative time to live through here and cannot apply what it then logs.
    return type === OpCode.createTTL ? ErrorCode.badArguments : ErrorCode.ok;
  }

  /** Appends the path, with its sequence number if it gets one; returns where it starts. */
  private writePath(
    bytes: Uint8Array,
    start: number,
    end: number,
    mode: number,
    parent: PendingNode,
  ): number {
    const { writer } = this;
    const at = writer.reserve(end - start);
    copyBytes(bytes, start, writer.bytes, at, end - start);
    if (isSequential(mode)) writeSequence(writer, parent.childrenCreated);
    return at;
  }

  /** Whether a node may come to `place`, whose path was just written at `pathAt`. */
  private placeError(
    place: PendingNode,
    parent: PendingNode,
    pathAt: number,
    dataLength: number,
  ): number {
    if (place.exists) return ErrorCode.nodeExists;
    if (parent.kind === NodeKind.ephemeral) return ErrorCode.noChildrenForEphemerals;
    const { bytes, position } = this.writer;
    const isOver = this.isOverQuota(bytes, pathAt, position, 1, Math.max(dataLength, 0));
    return isOver ? ErrorCode.quotaExceeded : ErrorCode.ok;
  }

  private writeCreateRecord(
    type: number,
    body: JuteReader,
    request: CreateRequestParts,
    acl: AclList,
    parentCVersion: number,
  ): void {
    const { writer } = this;
    this.writeBytes(body.bytes, request.dataStart, request.dataLength);
    writer.raw(acl.bytes);
    if (type !== OpCode.createContainer && type !== OpCode.createTTL) {
      writer.bool(isEphemeral(request.mode));
    }
    writer.int(parentCVersion);
    if (type !== OpCode.createTTL) return;
    const at = writer.reserve(8);
    writeUint53(writer.bytes, at, request.ttlMs);
  }

  private recordCreation(
    type: number,
    request: CreateRequestParts,
    acl: AclList,
    parent: PendingNode,
    pending: PendingNode,
    pathStart: number,
    pathEnd: number,
    data: Uint8Array,
  ): void {
    const { changes, writer, zxid } = this;
    const dataBytes = Math.max(request.dataLength, 0);
    changes.touch(pending, zxid);
    pending.exists = true;
    pending.acl = acl;
    pending.children = 0;
    pending.kind = createdKind(type, request.mode);
    this.fillNewImage(pending, request.ttlMs);
    changes.setContent(
      pending,
      writer.bytes,
      pathStart,
      pathEnd,
      data,
      request.dataStart,
      dataBytes,
    );
    changes.settle(pending);

    changes.touch(parent, zxid);
    parent.children++;
    parent.setField(StatImageOffset.childrenCreated, parent.childrenCreated + 1);
    parent.setZxid(StatImageOffset.pzxid, zxid);
    changes.settle(parent);
  }

  private fillNewImage(pending: PendingNode, ttlMs: number): void {
    const { image } = pending;
    for (let at = 0; at < STAT_IMAGE_BYTES; at++) image[at] = 0;
    pending.setZxid(StatImageOffset.czxid, this.zxid);
    pending.setZxid(StatImageOffset.mzxid, this.zxid);
    pending.setZxid(StatImageOffset.pzxid, this.zxid);
    writeUint53(image, StatImageOffset.ctime, this.timeMs);
    writeUint53(image, StatImageOffset.mtime, this.timeMs);
    const at = StatImageOffset.owner;
    if (pending.kind === NodeKind.ephemeral) {
      writeInt32(image, at, this.origin.sessionHigh);
      writeInt32(image, at + 4, this.origin.sessionLow);
    } else if (pending.kind === NodeKind.container) {
      writeInt32(image, at, CONTAINER_OWNER_HIGH);
    } else if (pending.kind === NodeKind.ttl) {
      writeInt32(image, at, ttlOwnerHigh(ttlMs));
      writeInt32(image, at + 4, ttlMs | 0);
    }
  }

  private recordDeletion(
    parent: PendingNode,
    pending: PendingNode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { changes, zxid } = this;
    this.noteUsage(bytes, start, end, -1, -pending.dataBytes);
    changes.name(pending, bytes, start, end);
    changes.touch(pending, zxid);
    pending.exists = false;
    changes.settle(pending);
    changes.touch(parent, zxid);
    parent.children--;
    parent.setZxid(StatImageOffset.pzxid, zxid);
    changes.settle(parent);
  }

  private isAllowed(pending: PendingNode, wanted: number): boolean {
    if ((pending.acl.worldPerms & wanted) !== 0) return true;
    return isPermitted(this.tree.schemes, pending.acl.acls, wanted, this.origin.who);
  }

  private isOverQuota(
    bytes: Uint8Array,
    start: number,
    end: number,
    nodes: number,
    growth: number,
  ): boolean {
    if (!this.options.enforceQuota) return false;
    if (this.quotas.isEmpty) return false;
    const path = utf8.decode(bytes.subarray(start, end));
    return this.quotas.exceedsHardLimit(path, nodes, growth, this.changes.usage);
  }

  /** Notes what the quota above a path will count once the transaction is applied. */
  private noteUsage(
    bytes: Uint8Array,
    start: number,
    end: number,
    nodes: number,
    growth: number,
  ): void {
    if (!this.options.enforceQuota || this.quotas.isEmpty) return;
    const root = this.quotas.rootOf(utf8.decode(bytes.subarray(start, end)));
    if (root !== null) this.changes.usage.add(root, this.zxid, nodes, growth);
  }

  /** The list to store for the list that was sent; null: it is not acceptable. */
  private aclFor(bytes: Uint8Array, start: number, end: number): AclList | null {
    const { latestSent, latestStored } = this;
    if (latestSent !== null && isWireFormOf(latestSent, bytes, start, end)) return latestStored;
    const sent = aclList.read(this.aclReader.reset(bytes, start, end));
    const { transactionBytesMax } = this.options;
    const stored = storedAcl(this.tree.schemes, sent, this.origin.who, transactionBytesMax);
    if (typeof stored === 'number' || sent === null) return null;
    const list = aclListOf(stored);
    if (sent.some(({ id }) => id.scheme === 'auth')) return list;
    this.latestSent = aclListOf(sent);
    this.latestStored = list;
    return list;
  }

  private writeBytes(bytes: Uint8Array, start: number, length: number): void {
    const { writer } = this;
    writer.int(length);
    if (length <= 0) return;
    const at = writer.reserve(length);
    copyBytes(bytes, start, writer.bytes, at, length);
  }
}
