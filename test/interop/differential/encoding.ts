import { decode, encode, type Codec } from '@aviary/jute';
import {
  OpCode,
  addWatchRequest,
  authPacket,
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  getEphemeralsRequest,
  multiHeader,
  MULTI_END,
  pathRequest,
  pathWatchRequest,
  reconfigRequest,
  requestHeader,
  saslToken,
  setAclRequest,
  setDataRequest,
  setWatches,
  setWatches2,
  watchTypeRequest,
  Xid,
} from '@aviary/protocol';
import { ACL_LISTS } from './acl-lists.js';
import type { Content, Operation, PathRef } from './steps.js';

/** What an operation needs to know of the place that sends it. */
export interface Sender {
  pathOf(path: PathRef): string;
  readonly seenZxid: bigint;
}

function contentOf(data: Content): Uint8Array | null {
  if (data === null) return null;
  return typeof data === 'number' ? new Uint8Array(data).fill(0x78) : Buffer.from(data);
}

function aclOf(name: string) {
  const list = ACL_LISTS[name];
  if (list === undefined) throw new Error(`there is no ACL list ${name}`);
  return list;
}

/** The opcode that an operation is sent with. */
export function opcodeOf(operation: Operation): number {
  switch (operation.op) {
    case 'create':
    case 'raw':
      return operation.code;
    case 'resized':
      return opcodeOf(operation.of);
    default:
      return OpCode[operation.op];
  }
}

function encodeMulti(operations: readonly Operation[], sender: Sender): Uint8Array {
  const parts = operations.flatMap((operation) => [
    encode(multiHeader, { type: opcodeOf(operation), done: false, err: -1 }),
    encodeBody(operation, sender),
  ]);
  return Buffer.concat([...parts, encode(multiHeader, MULTI_END)]);
}

function resized(body: Uint8Array, bytes: number): Uint8Array {
  if (bytes < 0) return Buffer.concat([body, new Uint8Array(-bytes).fill(0x55)]);
  return body.subarray(0, body.length === 0 ? 0 : bytes % body.length);
}

function encodeCreate(operation: Extract<Operation, { op: 'create' }>, sender: Sender): Uint8Array {
  const request = {
    path: sender.pathOf(operation.path),
    data: contentOf(operation.data),
    acl: aclOf(operation.acl),
    flags: operation.mode,
  };
  if (operation.code !== OpCode.createTTL) return encode(createRequest, request);
  return encode(createTtlRequest, { ...request, ttl: BigInt(operation.ttlMs) });
}

function encodeSetWatches(
  operation: Extract<Operation, { op: 'setWatches' | 'setWatches2' }>,
  sender: Sender,
): Uint8Array {
  const [data = [], exist = [], child = [], persistent = [], recursive = []] = operation.lists;
  const record = {
    relativeZxid: operation.hasSeen ? sender.seenZxid : 0n,
    dataWatches: data,
    existWatches: exist,
    childWatches: child,
    persistentWatches: persistent,
    persistentRecursiveWatches: recursive,
  };
  return operation.op === 'setWatches' ? encode(setWatches, record) : encode(setWatches2, record);
}

/** The bytes of an operation behind its header. */
export function encodeBody(operation: Operation, sender: Sender): Uint8Array {
  switch (operation.op) {
    case 'create':
      return encodeCreate(operation, sender);
    case 'multi':
    case 'multiRead':
      return encodeMulti(operation.operations, sender);
    case 'setWatches':
    case 'setWatches2':
      return encodeSetWatches(operation, sender);
    case 'auth': {
      const { scheme, auth } = operation;
      const bytes = auth === null ? null : Buffer.from(auth);
      return encode(authPacket, { type: 0, scheme, auth: bytes });
    }
    case 'reconfig':
      return encode(reconfigRequest, {
        joiningServers: 'server.2=127.0.0.1:1:2;3',
        leavingServers: null,
        newMembers: null,
        curConfigId: -1n,
      });
    case 'sasl':
      return encode(saslToken, { token: new Uint8Array() });
    case 'raw':
      return Buffer.from(operation.hex, 'hex');
    case 'resized':
      return resized(encodeBody(operation.of, sender), operation.bytes);
    case 'ping':
    case 'whoAmI':
    case 'closeSession':
      return new Uint8Array();
    default:
      return encodeOnPath(operation, sender.pathOf(operation.path));
  }
}

type OnPath = Exclude<Extract<Operation, { path: PathRef }>, { op: 'create' }>;

function encodeOnPath(operation: OnPath, path: string): Uint8Array {
  switch (operation.op) {
    case 'delete':
      return encode(deleteRequest, { path, version: operation.version });
    case 'check':
      return encode(checkVersionRequest, { path, version: operation.version });
    case 'exists':
    case 'getData':
    case 'getChildren':
    case 'getChildren2':
      return encode(pathWatchRequest, { path, watch: operation.watch });
    case 'setData': {
      const { data, version } = operation;
      return encode(setDataRequest, { path, data: contentOf(data), version });
    }
    case 'setACL': {
      const { acl, version } = operation;
      return encode(setAclRequest, { path, acl: aclOf(acl), version });
    }
    case 'getEphemerals':
      return encode(getEphemeralsRequest, { prefixPath: path });
    case 'addWatch':
      return encode(addWatchRequest, { path, mode: operation.mode });
    case 'checkWatches':
    case 'removeWatches':
      return encode(watchTypeRequest, { path, type: operation.type });
    default:
      return encode(pathRequest, { path });
  }
}

/** The xid that clients send an operation with: their own count, or a number that stands for it. */
export function xidOf(operation: Operation, count: number): number {
  switch (operation.op) {
    case 'ping':
      return Xid.ping;
    case 'auth':
      return Xid.auth;
    case 'setWatches':
    case 'setWatches2':
      return Xid.setWatches;
    default:
      return count;
  }
}

/** A frame with its length in front. */
export function framed(...parts: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** A request as a frame. */
export function requestFrame(xid: number, operation: Operation, sender: Sender): Uint8Array {
  const header = encode(requestHeader, { xid, type: opcodeOf(operation) });
  return framed(header, encodeBody(operation, sender));
}

/** Reads a record that must fill `bytes` to the end; null if it does not. */
export function decodeWhole<T>(codec: Codec<T>, bytes: Uint8Array): T | null {
  const value = decode(codec, bytes);
  return Buffer.compare(encode(codec, value), bytes) === 0 ? value : null;
}
