import { JuteError, type JuteReader, type JuteWriter } from '@aviary/jute';
import {
  ErrorCode,
  MULTI_HEADER_BYTES,
  OpCode,
  Permission,
  STAT_BYTES,
  AddWatchMode,
} from '@aviary/protocol';
import {
  NO_NODE,
  ROOT,
  WatchTable,
  Word,
  aclList,
  maskedAcl,
  maySeeWholeAcl,
  type DataTree,
  type Principal,
  type Watcher,
} from '@aviary/znodes';
import type { ServerLimits } from './options.js';
import { appendBytes, appendCounted } from './reply.js';

const NUL = 0;

/** Whoever reads: a connection. */
export interface Reader extends Watcher {
  readonly who: Principal;
  /** Its session. */
  readonly sessionHigh: number;
  readonly sessionLow: number;
}

/**
 * The operations that only read, on the tree as it is: each takes its body from `body`, appends the
 * body of its reply to `out` and returns an error code. A body that is no such record throws
 * JuteError. When the code is not 0 what was appended is to be thrown away.
 */
export class ReadOperations {
  /** Of its limits `outputBytesMax` is the longest reply that many small reads may add up to. */
  constructor(
    private readonly tree: DataTree,
    private readonly limits: ServerLimits,
  ) {}

  /** Runs the operation `type`. Only for reads, and not for setWatches. */
  run(type: number, body: JuteReader, reader: Reader, out: JuteWriter): number {
    switch (type) {
      case OpCode.getData:
        return this.getData(body, reader, out);
      case OpCode.exists:
        return this.exists(body, reader, out);
      case OpCode.getChildren:
        return this.getChildren(body, reader, out, false);
      case OpCode.getChildren2:
        return this.getChildren(body, reader, out, true);
      case OpCode.getACL:
        return this.getAcl(body, reader, out);
      case OpCode.sync:
        return this.sync(body, out);
      case OpCode.multiRead:
        return this.multiRead(body, reader, out);
      case OpCode.getEphemerals:
        return this.getEphemerals(body, reader, out);
      case OpCode.getAllChildrenNumber:
        return this.getAllChildrenNumber(body, reader, out);
      case OpCode.whoAmI:
        return this.whoAmI(reader, out);
      case OpCode.addWatch:
        return this.addWatch(body, reader, out);
      case OpCode.checkWatches:
      case OpCode.removeWatches:
        return this.checkOrRemoveWatches(type, body, reader);
      default:
        return ErrorCode.unimplemented;
    }
  }

  private getData(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const { nodes, watches } = this.tree;
    const length = stringLength(body);
    const start = body.skip(length);
    const watch = body.bool();
    const node = nodes.find(body.bytes, start, start + length);
    if (node === NO_NODE) return ErrorCode.noNode;
    if (!this.tree.isAllowed(node, Permission.read, reader.who)) return ErrorCode.noAuth;
    if (watch) {
      if (!mayWatch(watches, reader, this.limits)) return ErrorCode.quotaExceeded;
      watches.addData(WatchTable.textOf(body.bytes, start, start + length), reader);
    }
    appendBytes(out, nodes.bytes, nodes.valueAt, nodes.valueBytes);
    return ErrorCode.ok;
  }

  private exists(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const { nodes, watches } = this.tree;
    const length = stringLength(body);
    const start = body.skip(length);
    const end = start + length;
    const watch = body.bool();
    const node = nodes.find(body.bytes, start, end);
    if (watch && !mayWatch(watches, reader, this.limits)) return ErrorCode.quotaExceeded;
    if (node === NO_NODE) {
      if (body.bytes.subarray(start, end).includes(NUL)) return ErrorCode.badArguments;
      if (watch) watches.addData(WatchTable.textOf(body.bytes, start, end), reader);
      return ErrorCode.noNode;
    }
    if (!this.tree.isAllowed(node, Permission.read, reader.who)) return ErrorCode.noAuth;
    if (watch) watches.addData(WatchTable.textOf(body.bytes, start, end), reader);
    appendBytes(out, nodes.bytes, nodes.statAt, STAT_BYTES);
    return ErrorCode.ok;
  }

  private getChildren(
    body: JuteReader,
    reader: Reader,
    out: JuteWriter,
    withStat: boolean,
  ): number {
    const length = stringLength(body);
    const start = body.skip(length);
    const watch = body.bool();
    const node = this.tree.nodes.find(body.bytes, start, start + length);
    if (node === NO_NODE) return ErrorCode.noNode;
    if (!this.tree.isAllowed(node, Permission.read, reader.who)) return ErrorCode.noAuth;
    const { watches } = this.tree;
    if (watch) {
      if (!mayWatch(watches, reader, this.limits)) return ErrorCode.quotaExceeded;
      watches.addChild(WatchTable.textOf(body.bytes, start, start + length), reader);
    }
    this.appendChildren(node, out);
    if (withStat) this.appendStat(node, out);
    return ErrorCode.ok;
  }

  private appendChildren(parent: number, out: JuteWriter): void {
    const { nodes } = this.tree;
    const countAt = out.reserve(4);
    nodes.select(parent);
    const prefix = parent === ROOT ? 1 : nodes.pathLength + 1;
    let count = 0;
    for (let child = nodes.word(Word.firstChild); child !== NO_NODE; count++) {
      nodes.select(child);
      appendCounted(out, nodes.bytes, nodes.pathAt + prefix, nodes.pathLength - prefix);
      child = nodes.word(Word.nextSibling);
    }
    out.intAt(countAt, count);
  }

  private appendStat(node: number, out: JuteWriter): void {
    const { nodes } = this.tree;
    nodes.select(node);
    appendBytes(out, nodes.bytes, nodes.statAt, STAT_BYTES);
  }

  private getAcl(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const { tree } = this;
    const length = stringLength(body);
    const start = body.skip(length);
    const node = tree.nodes.find(body.bytes, start, start + length);
    if (node === NO_NODE) return ErrorCode.noNode;
    const wanted = Permission.read | Permission.admin;
    if (!tree.isAllowed(node, wanted, reader.who)) return ErrorCode.noAuth;
    const { acls } = tree.aclOf(node);
    const isWhole = maySeeWholeAcl(tree.schemes, acls, reader.who);
    aclList.write(out, isWhole ? acls : maskedAcl(acls));
    this.appendStat(node, out);
    return ErrorCode.ok;
  }

  private sync(body: JuteReader, out: JuteWriter): number {
    const length = body.length();
    if (length < 0) {
      out.int(-1);
      return ErrorCode.ok;
    }
    appendCounted(out, body.bytes, body.skip(length), length);
    return ErrorCode.ok;
  }

  /**
   * Each operation succeeds or fails by itself; anything but getData and getChildren spoils all. The
   * flag to watch is read and means nothing here.
   */
  private multiRead(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const positionMax = out.position + this.limits.outputBytesMax;
    for (;;) {
      const type = body.int();
      const isDone = body.bool();
      body.int();
      if (isDone) break;
      // A frame has room for sixty thousand reads of a megabyte each.
      if (out.position > positionMax) throw new JuteError('the reply would be too long');
      if (type !== OpCode.getData && type !== OpCode.getChildren) {
        throw new JuteError(`type ${type} cannot stand in a multiRead`);
      }
      const at = out.reserve(MULTI_HEADER_BYTES);
      const error = this.readPart(type, body, reader, out);
      if (error !== ErrorCode.ok) {
        out.position = at + MULTI_HEADER_BYTES;
        out.int(error);
      }
      writeMultiHeader(out, at, error === ErrorCode.ok ? type : OpCode.error, false, error);
    }
    writeMultiHeader(out, out.reserve(MULTI_HEADER_BYTES), -1, true, -1);
    return ErrorCode.ok;
  }

  private readPart(type: number, body: JuteReader, reader: Reader, out: JuteWriter): number {
    const length = stringLength(body);
    const start = body.skip(length);
    body.bool();
    const { nodes } = this.tree;
    const node = nodes.find(body.bytes, start, start + length);
    if (node === NO_NODE) return ErrorCode.noNode;
    if (!this.tree.isAllowed(node, Permission.read, reader.who)) return ErrorCode.noAuth;
    if (type === OpCode.getChildren) this.appendChildren(node, out);
    else appendBytes(out, nodes.bytes, nodes.valueAt, nodes.valueBytes);
    return ErrorCode.ok;
  }

  private getEphemerals(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const prefix = body.ustring() ?? '';
    const wantsAll = prefix.trim() === '' || prefix.trim() === '/';
    const countAt = out.reserve(4);
    let count = 0;
    for (const node of this.tree.ephemerals.get(reader.sessionHigh, reader.sessionLow) ?? []) {
      const path = this.tree.nodes.pathOf(node);
      if (!wantsAll && !path.startsWith(prefix)) continue;
      out.ustring(path);
      count++;
    }
    out.intAt(countAt, count);
    return ErrorCode.ok;
  }

  private getAllChildrenNumber(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const { tree } = this;
    const length = stringLength(body);
    const start = body.skip(length);
    const node = tree.nodes.find(body.bytes, start, start + length);
    if (node === NO_NODE) return ErrorCode.noNode;
    if (!tree.isAllowed(node, Permission.read, reader.who)) return ErrorCode.noAuth;
    out.int(tree.countDescendants(node));
    return ErrorCode.ok;
  }

  private whoAmI(reader: Reader, out: JuteWriter): number {
    const { ids } = reader.who;
    out.int(ids.length);
    for (const { scheme, id } of ids) {
      out.ustring(scheme);
      out.ustring(scheme === 'digest' ? id.split(':', 1).join('') : id);
    }
    return ErrorCode.ok;
  }

  private addWatch(body: JuteReader, reader: Reader, out: JuteWriter): number {
    const path = requiredString(body);
    const mode = body.int();
    if (!mayWatch(this.tree.watches, reader, this.limits)) return ErrorCode.quotaExceeded;
    if (mode === AddWatchMode.persistent) this.tree.watches.addPersistent(path, reader);
    else if (mode === AddWatchMode.persistentRecursive) {
      this.tree.watches.addRecursive(path, reader);
    } else return ErrorCode.marshallingError;
    out.int(ErrorCode.ok);
    return ErrorCode.ok;
  }

  private checkOrRemoveWatches(type: number, body: JuteReader, reader: Reader): number {
    const path = requiredString(body);
    const watcherType = body.int();
    const { watches } = this.tree;
    if (type === OpCode.checkWatches) return watches.check(path, reader, watcherType);
    return watches.remove(path, reader, watcherType);
  }
}

/** Whether the connection may watch one more path; `slack` times the limits. */
export function mayWatch(
  watches: WatchTable,
  reader: Reader,
  limits: ServerLimits,
  slack = 1,
): boolean {
  if (watches.bytes >= limits.watchBytesMax * slack) return false;
  return watches.bytesOf(reader) < limits.watchBytesPerConnectionMax * slack;
}

/** The length of a string that must not be null. */
function stringLength(body: JuteReader): number {
  const length = body.length();
  if (length < 0) throw new JuteError('path is null');
  return length;
}

function requiredString(body: JuteReader): string {
  const value = body.ustring();
  if (value === null) throw new JuteError('path is null');
  return value;
}

/** Fills a MultiHeader for which room was reserved at `at`. */
export function writeMultiHeader(
  out: JuteWriter,
  at: number,
  type: number,
  isDone: boolean,
  err: number,
): void {
  out.intAt(at, type);
  out.bytes[at + 4] = isDone ? 1 : 0;
  out.intAt(at + 5, err);
}
