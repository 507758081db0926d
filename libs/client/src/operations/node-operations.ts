import type { JuteReader, JuteWriter } from '@aviary/jute';
import {
  CreateMode,
  ErrorCode,
  OPEN_ACL,
  OpCode,
  createRequest,
  createTtlRequest,
  deleteRequest,
  getAclResponse,
  getChildrenResponse,
  getEphemeralsResponse,
  isTtl,
  pathWatchRequest,
  setAclRequest,
  setDataRequest,
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
import { reading, writing, type Operation } from './operation.js';
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
    const write = (writer: JuteWriter) => {
      if (opCode === OpCode.createTTL) createTtlRequest.write(writer, request);
      else createRequest.write(writer, request);
    };
    return writing('create', path, opCode, write, (reader) => {
      const created = reader.ustring() ?? request.path;
      return { path: this.clientPath(created), stat: readStat(reader) };
    });
  }

  get(path: string, watch: boolean): Operation<NodeData> {
    checkPath(path, 'get');
    return reading('get', path, OpCode.getData, this.pathAndWatch(path, watch), readNode);
  }

  exists(path: string, watch: boolean): Operation<Stat | null> {
    checkPath(path, 'exists');
    const write = this.pathAndWatch(path, watch);
    return reading('exists', path, OpCode.exists, write, readStat, (code) =>
      code === ErrorCode.noNode ? null : undefined,
    );
  }

  children(path: string, watch: boolean): Operation<NodeChildren> {
    checkPath(path, 'children');
    const write = this.pathAndWatch(path, watch);
    return reading('children', path, OpCode.getChildren2, write, (reader) => {
      const { children } = getChildrenResponse.read(reader);
      return { children, stat: readStat(reader) };
    });
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
    const write = (writer: JuteWriter) => setDataRequest.write(writer, request);
    return writing('set', path, OpCode.setData, write, readStat);
  }

  /** Path and version: the body of a delete and of a check. */
  versionBody(operation: string, path: string, condition: VersionCondition): DeleteRequest {
    checkPath(path, operation);
    return { path: this.serverPath(path), version: versionOf(condition, operation, path) };
  }

  delete(path: string, condition: VersionCondition): Operation<void> {
    const request = this.versionBody('delete', path, condition);
    const write = (writer: JuteWriter) => deleteRequest.write(writer, request);
    return writing('delete', path, OpCode.delete, write, nothing);
  }

  getAcl(path: string): Operation<NodeAcl> {
    checkPath(path, 'getAcl');
    return reading('getAcl', path, OpCode.getACL, this.pathAlone(path), (reader) =>
      getAclResponse.read(reader),
    );
  }

  setAcl(path: string, acl: readonly Acl[], condition: VersionCondition): Operation<Stat> {
    checkPath(path, 'setAcl');
    const request = {
      path: this.serverPath(path),
      acl: aclOf(acl, 'setAcl', path),
      version: versionOf(condition, 'setAcl', path),
    };
    const write = (writer: JuteWriter) => setAclRequest.write(writer, request);
    return writing('setAcl', path, OpCode.setACL, write, readStat);
  }

  sync(path: string): Operation<void> {
    checkPath(path, 'sync');
    return reading('sync', path, OpCode.sync, this.pathAlone(path), nothing);
  }

  countDescendants(path: string): Operation<number> {
    checkPath(path, 'countDescendants');
    const { getAllChildrenNumber } = OpCode;
    return reading('countDescendants', path, getAllChildrenNumber, this.pathAlone(path), (reader) =>
      reader.int(),
    );
  }

  ephemerals(prefix: string): Operation<readonly string[]> {
    const write = this.pathAlone(prefix);
    return reading('ephemerals', prefix, OpCode.getEphemerals, write, (reader) => {
      const { ephemerals } = getEphemeralsResponse.read(reader);
      return ephemerals.map((path) => this.chroot.toClient(path)).filter((p) => p !== null);
    });
  }

  whoAmI(): Operation<readonly Identity[]> {
    return reading('whoAmI', null, OpCode.whoAmI, nothing, (reader) =>
      whoAmIResponse
        .read(reader)
        .clientInfo.map(({ authScheme, user }) => ({ scheme: authScheme, user })),
    );
  }

  serverPath(path: string): string {
    return this.chroot.toServer(path);
  }

  /** A path of the server as the caller knows it. One outside of the chroot stays as it is. */
  clientPath(path: string): string {
    return this.chroot.toClient(path) ?? path;
  }

  private pathAndWatch(path: string, watch: boolean): (writer: JuteWriter) => void {
    const request = { path: this.serverPath(path), watch };
    return (writer) => pathWatchRequest.write(writer, request);
  }

  private pathAlone(path: string): (writer: JuteWriter) => void {
    const serverPath = this.serverPath(path);
    return (writer) => writer.ustring(serverPath);
  }
}

function readNode(reader: JuteReader): NodeData {
  return { data: readData(reader), stat: readStat(reader) };
}

function nothing(): void {}
