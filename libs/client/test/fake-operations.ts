import type { JuteReader, JuteWriter } from '@aviary/jute';
import {
  ErrorCode,
  MULTI_END,
  OPEN_ACL,
  OpCode,
  WatchEventType,
  addWatchRequest,
  create2Response,
  createRequest,
  deleteRequest,
  getAclResponse,
  getChildren2Response,
  getDataResponse,
  isEphemeral,
  isSequential,
  multiHeader,
  multiRequest,
  pathWatchRequest,
  setDataRequest,
  setWatches,
  setWatches2,
  stat as statCodec,
  watchTypeRequest,
  whoAmIResponse,
  type MultiOperation,
} from '@aviary/protocol';
import type { FakeConnection, FakeEnsemble } from './fake-ensemble.js';
import { FakeFailure, type FakeNode } from './fake-tree.js';

type Write = (writer: JuteWriter) => void;
const nothing: Write = () => undefined;

/** What the fake servers do for each kind of request. */
export class FakeOperations {
  /** Paths and data of the writes that were applied, in order. */
  readonly applied: string[] = [];
  private readonly ensemble: FakeEnsemble;

  constructor(ensemble: FakeEnsemble) {
    this.ensemble = ensemble;
  }

  /** Applies a request and returns how to write the body of its answer. */
  perform(type: number, reader: JuteReader, at: FakeConnection): Write {
    const { tree } = this.ensemble;
    switch (type) {
      case OpCode.ping:
      case OpCode.sync:
      case OpCode.getACL:
        return type === OpCode.getACL ? this.getAcl(reader) : nothing;
      case OpCode.closeSession:
        if (at.session !== null) this.ensemble.endSession(at.session.id);
        return nothing;
      case OpCode.create2:
      case OpCode.createContainer:
      case OpCode.createTTL:
      case OpCode.setData:
      case OpCode.delete:
        tree.zxid++;
        return this.write(this.readWrite(type, reader), at);
      case OpCode.multi:
        tree.zxid++;
        return this.multi(multiRequest.read(reader), at);
      case OpCode.multiRead:
        return this.multiRead(multiRequest.read(reader));
      case OpCode.exists:
      case OpCode.getData:
      case OpCode.getChildren2:
        return this.read(type, reader, at);
      case OpCode.setWatches:
      case OpCode.setWatches2:
        this.restoreWatches(type, reader, at);
        return nothing;
      case OpCode.addWatch: {
        const { path, mode } = addWatchRequest.read(reader);
        (mode === 0 ? at.persistent : at.recursive).add(path);
        return (writer) => writer.int(0);
      }
      case OpCode.removeWatches:
        return this.removeWatches(reader, at);
      case OpCode.whoAmI:
        return (writer) => whoAmIResponse.write(writer, { clientInfo: [identity(at)] });
      default:
        throw new FakeFailure(ErrorCode.unimplemented);
    }
  }

  private readWrite(type: number, reader: JuteReader): MultiOperation {
    switch (type) {
      case OpCode.setData:
        return { type, request: setDataRequest.read(reader) };
      case OpCode.delete:
        return { type, request: deleteRequest.read(reader) };
      default:
        return { type: OpCode.create2, request: createRequest.read(reader) };
    }
  }

  private write(operation: MultiOperation, at: FakeConnection): Write {
    const { tree } = this.ensemble;
    switch (operation.type) {
      case 5: {
        const { path, data, version } = operation.request;
        const stat = tree.set(path, data, version);
        this.applied.push(`set ${path} ${Buffer.from(data ?? []).toString()}`);
        return (writer) => statCodec.write(writer, stat);
      }
      case 2:
        tree.delete(operation.request.path, operation.request.version);
        this.applied.push(`delete ${operation.request.path}`);
        return nothing;
      case 13:
        tree.check(operation.request.path, operation.request.version);
        return nothing;
      case 4:
      case 8:
        throw new FakeFailure(ErrorCode.marshallingError);
      default: {
        const { path, data, flags } = operation.request;
        const owner = isEphemeral(flags) ? (at.session?.id ?? 0n) : 0n;
        const created = tree.create(path, data, isSequential(flags), owner);
        this.applied.push(`create ${created}`);
        const stat = { ...tree.get(created).stat };
        return (writer) => create2Response.write(writer, { path: created, stat });
      }
    }
  }

  private multi(operations: readonly MultiOperation[], at: FakeConnection): Write {
    const types = new Map<number, number>([
      [19, 15],
      [21, 15],
    ]);
    const codes = operations.map(() => ErrorCode.ok as number);
    try {
      return this.ensemble.tree.atomically(() => {
        const bodies = operations.map((operation, index) => {
          try {
            return this.write(operation, at);
          } catch (error) {
            if (!(error instanceof FakeFailure)) throw error;
            codes[index] = error.code;
            codes.fill(ErrorCode.runtimeInconsistency, index + 1);
            throw error;
          }
        });
        return (writer: JuteWriter) => {
          for (const [index, { type }] of operations.entries()) {
            multiHeader.write(writer, { type: types.get(type) ?? type, done: false, err: 0 });
            bodies[index]?.(writer);
          }
          multiHeader.write(writer, MULTI_END);
        };
      });
    } catch (error) {
      if (!(error instanceof FakeFailure)) throw error;
      return (writer) => {
        for (const code of codes) {
          multiHeader.write(writer, { type: -1, done: false, err: code });
          writer.int(code);
        }
        multiHeader.write(writer, MULTI_END);
      };
    }
  }

  private multiRead(operations: readonly MultiOperation[]): Write {
    const { nodes } = this.ensemble.tree;
    return (writer) => {
      for (const { type, request } of operations) {
        const node = nodes.get(request.path);
        const err = node === undefined ? ErrorCode.noNode : ErrorCode.ok;
        multiHeader.write(writer, { type: node === undefined ? -1 : type, done: false, err });
        if (node === undefined) writer.int(err);
        else if (type === OpCode.getData) getDataResponse.write(writer, node);
        else {
          writer.int(node.children.size);
          for (const name of node.children) writer.ustring(name);
        }
      }
      multiHeader.write(writer, MULTI_END);
    };
  }

  private read(type: number, reader: JuteReader, at: FakeConnection): Write {
    const { path, watch } = pathWatchRequest.read(reader);
    const node = this.ensemble.tree.nodes.get(path);
    const table = type === OpCode.getChildren2 ? at.child : at.data;
    if (watch && (node !== undefined || type === OpCode.exists)) table.add(path);
    if (node === undefined) throw new FakeFailure(ErrorCode.noNode);
    const stat = { ...node.stat };
    if (type === OpCode.exists) return (writer) => statCodec.write(writer, stat);
    if (type === OpCode.getData) {
      const { data } = node;
      return (writer) => getDataResponse.write(writer, { data, stat });
    }
    const children = [...node.children];
    return (writer) => getChildren2Response.write(writer, { children, stat });
  }

  private getAcl(reader: JuteReader): Write {
    const path = reader.ustring() ?? '';
    const { stat } = this.ensemble.tree.get(path);
    return (writer) => getAclResponse.write(writer, { acl: OPEN_ACL, stat });
  }

  private removeWatches(reader: JuteReader, at: FakeConnection): Write {
    const { path, type } = watchTypeRequest.read(reader);
    const tables: Readonly<Record<number, Set<string>[]>> = {
      1: [at.child],
      2: [at.data],
      3: [at.child, at.data, at.persistent, at.recursive],
      4: [at.persistent],
      5: [at.recursive],
    };
    const removed = (tables[type] ?? []).map((table) => table.delete(path));
    if (!removed.includes(true)) throw new FakeFailure(ErrorCode.noWatcher);
    return nothing;
  }

  private restoreWatches(type: number, reader: JuteReader, at: FakeConnection): void {
    const lists =
      type === OpCode.setWatches
        ? { ...setWatches.read(reader), persistentWatches: [], persistentRecursiveWatches: [] }
        : setWatches2.read(reader);
    const { relativeZxid } = lists;
    const { nodes } = this.ensemble.tree;
    const restore = (
      paths: readonly string[],
      table: Set<string>,
      changed: (node: FakeNode | undefined) => WatchEventType | null,
    ) => {
      for (const path of paths) {
        const event = changed(nodes.get(path));
        if (event === null) table.add(path);
        else at.sendEvent(event, path, -1n);
      }
    };
    restore(lists.dataWatches, at.data, (node) => {
      if (node === undefined) return WatchEventType.nodeDeleted;
      return node.stat.mzxid > relativeZxid ? WatchEventType.nodeDataChanged : null;
    });
    restore(lists.existWatches, at.data, (node) =>
      node === undefined ? null : WatchEventType.nodeCreated,
    );
    restore(lists.childWatches, at.child, (node) => {
      if (node === undefined) return WatchEventType.nodeDeleted;
      return node.stat.pzxid > relativeZxid ? WatchEventType.nodeChildrenChanged : null;
    });
    for (const path of lists.persistentWatches) at.persistent.add(path);
    for (const path of lists.persistentRecursiveWatches) at.recursive.add(path);
  }
}

function identity(at: FakeConnection): { authScheme: string; user: string } {
  return { authScheme: 'digest', user: at.auth.join(',') };
}
