import type { JuteWriter } from '@aviary/jute';
import {
  CreateMode,
  ErrorCode,
  OPEN_ACL,
  OpCode,
  createRequest,
  createTtlRequest,
  deleteRequest,
  getAclResponse,
  getAllChildrenNumberResponse,
  getChildrenResponse,
  getEphemeralsRequest,
  getEphemeralsResponse,
  isTtl,
  pathRequest,
  pathWatchRequest,
  setAclRequest,
  setDataRequest,
  syncRequest,
  whoAmIResponse,
  type Acl,
  type CreateTtlRequest,
  type DeleteRequest,
  type SetDataRequest,
  type Stat,
} from '@aviary/protocol';
import type { Chroot } from '../chroot.js';
import {
  aclOf,
  bytesOf,
  checkCreatePath,
  checkPath,
  kindOf,
  versionOf,
  type CreateSettings,
  type NodeInput,
  type VersionCondition,
} from './arguments.js';
import type { Operation } from './operation.js';
import { readData, readStat } from './stat-reader.js';

/** A node that was made: its path, with the number of a sequential one, and its Stat. */
export interface CreatedNode {
  readonly path: string;
  readonly stat: Stat;
}

/** A node's bytes and its Stat. `data` is null only if null was written. */
export interface NodeData {
  readonly data: Buffer | null;
  readonly stat: Stat;
}

/** The names of a node's children, in no particular order, and the node's Stat. */
export interface NodeChildren {
  readonly children: readonly string[];
  readonly stat: Stat;
}

/** A node's ACL and its Stat. */
export interface NodeAcl {
  readonly acl: readonly Acl[];
  readonly stat: Stat;
}

/** One identity that the connection has. */
export interface Identity {
  readonly scheme: string;
  readonly user: string;
}

/** A create as it goes on the wire. */
export interface CreateBody {
  readonly opCode: 15 | 19 | 21;
  readonly request: CreateTtlRequest;
}

/** Builds the requests on single nodes, with checked arguments and the server's paths. */
export class NodeOperations {
  private readonly chroot: Chroot;
  private readonly dataBytesMax: number;

  constructor(chroot: Chroot, dataBytesMax: number) {
    this.chroot = chroot;
    this.dataBytesMax = dataBytesMax;
  }

  createBody(
    operation: string,
    path: string,
    data: NodeInput | undefined,
    settings: CreateSettings,
  ): CreateBody {
    const { mode, ttlMs } = kindOf(settings, operation, path);
    checkCreatePath(path, mode, operation);
    const request = {
      path: this.serverPath(path),
      data: bytesOf(data, { operation, path, bytesMax: this.dataBytesMax }),
      acl: settings.acl === undefined ? OPEN_ACL : aclOf(settings.acl, operation, path),
      flags: mode,
      ttl: BigInt(ttlMs),
    };
    if (isTtl(mode)) return { opCode: OpCode.createTTL, request };
    const container = mode === CreateMode.container;
    return { opCode: container ? OpCode.createContainer : OpCode.create2, request };
  }

  create(
    path: string,
    data: NodeInput | undefined,
    settings: CreateSettings,
  ): Operation<CreatedNode> {
    const { opCode, request } = this.createBody('create', path, data, settings);
    return {
      name: 'create',
      path,
      opCode,
      repeatable: false,
      writeBody: (writer) => {
        if (opCode === OpCode.createTTL) createTtlRequest.write(writer, request);
        else createRequest.write(writer, request);
      },
      read: (reader) => {
        const created = reader.ustring() ?? request.path;
        return { path: this.clientPath(created), stat: readStat(reader) };
      },
    };
  }

  get(path: string, watch: boolean): Operation<NodeData> {
    checkPath(path, 'get');
    return {
      ...this.read('get', path, OpCode.getData, watch),
      read: (reader) => ({ data: readData(reader), stat: readStat(reader) }),
    };
  }

  exists(path: string, watch: boolean): Operation<Stat | null> {
    checkPath(path, 'exists');
    return {
      ...this.read('exists', path, OpCode.exists, watch),
      read: readStat,
      resultOf: (code) => (code === ErrorCode.noNode ? null : undefined),
    };
  }

  children(path: string, watch: boolean): Operation<NodeChildren> {
    checkPath(path, 'children');
    return {
      ...this.read('children', path, OpCode.getChildren2, watch),
      read: (reader) => {
        const { children } = getChildrenResponse.read(reader);
        return { children, stat: readStat(reader) };
      },
    };
  }

  setBody(
    operation: string,
    path: string,
    data: NodeInput,
    condition: VersionCondition,
  ): SetDataRequest {
    checkPath(path, operation);
    return {
      path: this.serverPath(path),
      data: bytesOf(data, { operation, path, bytesMax: this.dataBytesMax }),
      version: versionOf(condition, operation, path),
    };
  }

  set(path: string, data: NodeInput, condition: VersionCondition): Operation<Stat> {
    const request = this.setBody('set', path, data, condition);
    return {
      ...write('set', path, OpCode.setData),
      writeBody: (writer) => setDataRequest.write(writer, request),
      read: readStat,
    };
  }

  /** Path and version: the body of a delete and of a check. */
  versionBody(operation: string, path: string, condition: VersionCondition): DeleteRequest {
    checkPath(path, operation);
    return { path: this.serverPath(path), version: versionOf(condition, operation, path) };
  }

  delete(path: string, condition: VersionCondition): Operation<void> {
    const request = this.versionBody('delete', path, condition);
    return {
      ...write('delete', path, OpCode.delete),
      writeBody: (writer) => deleteRequest.write(writer, request),
      read: () => undefined,
    };
  }

  getAcl(path: string): Operation<NodeAcl> {
    checkPath(path, 'getAcl');
    return {
      ...this.pathOperation('getAcl', path, OpCode.getACL),
      read: (reader) => getAclResponse.read(reader),
    };
  }

  setAcl(path: string, acl: readonly Acl[], condition: VersionCondition): Operation<Stat> {
    checkPath(path, 'setAcl');
    const request = {
      path: this.serverPath(path),
      acl: aclOf(acl, 'setAcl', path),
      version: versionOf(condition, 'setAcl', path),
    };
    return {
      ...write('setAcl', path, OpCode.setACL),
      writeBody: (writer) => setAclRequest.write(writer, request),
      read: readStat,
    };
  }

  sync(path: string): Operation<void> {
    checkPath(path, 'sync');
    const request = { path: this.serverPath(path) };
    return {
      ...this.pathOperation('sync', path, OpCode.sync),
      writeBody: (writer) => syncRequest.write(writer, request),
      read: () => undefined,
    };
  }

  countDescendants(path: string): Operation<number> {
    checkPath(path, 'countDescendants');
    return {
      ...this.pathOperation('countDescendants', path, OpCode.getAllChildrenNumber),
      read: (reader) => getAllChildrenNumberResponse.read(reader).totalNumber,
    };
  }

  ephemerals(prefix: string): Operation<readonly string[]> {
    const request = { prefixPath: this.chroot.toServer(prefix) };
    return {
      ...this.pathOperation('ephemerals', prefix, OpCode.getEphemerals),
      writeBody: (writer) => getEphemeralsRequest.write(writer, request),
      read: (reader) => {
        const { ephemerals } = getEphemeralsResponse.read(reader);
        return ephemerals.map((path) => this.chroot.toClient(path)).filter((p) => p !== null);
      },
    };
  }

  whoAmI(): Operation<readonly Identity[]> {
    return {
      name: 'whoAmI',
      path: null,
      opCode: OpCode.whoAmI,
      repeatable: true,
      writeBody: () => undefined,
      read: (reader) =>
        whoAmIResponse
          .read(reader)
          .clientInfo.map(({ authScheme, user }) => ({ scheme: authScheme, user })),
    };
  }

  /** The ensemble's configuration: a path of the server, whatever the chroot. */
  config(): Operation<NodeData> {
    const path = '/zookeeper/config';
    return {
      name: 'getConfig',
      path,
      opCode: OpCode.getData,
      repeatable: true,
      writeBody: (writer) => pathWatchRequest.write(writer, { path, watch: false }),
      read: (reader) => ({ data: readData(reader), stat: readStat(reader) }),
    };
  }

  serverPath(path: string): string {
    return this.chroot.toServer(path);
  }

  /** A path of the server as the caller knows it. One outside of the chroot stays as it is. */
  clientPath(path: string): string {
    return this.chroot.toClient(path) ?? path;
  }

  private read(
    name: string,
    path: string,
    opCode: number,
    watch: boolean,
  ): Omit<Operation<never>, 'read'> {
    const request = { path: this.serverPath(path), watch };
    return {
      name,
      path,
      opCode,
      repeatable: true,
      writeBody: (writer: JuteWriter) => pathWatchRequest.write(writer, request),
    };
  }

  private pathOperation(
    name: string,
    path: string,
    opCode: number,
  ): Omit<Operation<never>, 'read'> {
    const request = { path: this.serverPath(path) };
    return {
      name,
      path,
      opCode,
      repeatable: true,
      writeBody: (writer: JuteWriter) => pathRequest.write(writer, request),
    };
  }
}

function write(
  name: string,
  path: string,
  opCode: number,
): Omit<Operation<never>, 'read' | 'writeBody'> {
  return { name, path, opCode, repeatable: false };
}
