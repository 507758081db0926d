import { encode } from '@aviary/jute';
import {
  CreateMode,
  MULTI_END,
  OPEN_ACL,
  OpCode,
  addWatchRequest,
  authPacket,
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  getEphemeralsRequest,
  multiHeader,
  multiRequest,
  pathRequest,
  pathWatchRequest,
  setAclRequest,
  setDataRequest,
  setWatches2,
  syncRequest,
  watchTypeRequest,
  type Acl,
  type MultiOperation,
} from '@aviary/protocol';

/** A request without its xid: an operation number and a body. */
export interface Request {
  readonly type: number;
  readonly body: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const ANY_VERSION = -1;

const bytesOf = (data: string | Uint8Array | null): Uint8Array | null =>
  typeof data === 'string' ? new Uint8Array(Buffer.from(data)) : data;

/** What a create may say besides its path. */
export interface CreateOptions {
  readonly data?: string | Uint8Array | null;
  readonly flags?: number;
  readonly acl?: readonly Acl[];
}

const createBody = (path: string, { data = '', flags = 0, acl = OPEN_ACL }: CreateOptions) => ({
  path,
  data: bytesOf(data),
  acl: [...acl],
  flags,
});

export const create = (path: string, options: CreateOptions = {}): Request => ({
  type: OpCode.create,
  body: encode(createRequest, createBody(path, options)),
});

export const create2 = (path: string, options: CreateOptions = {}): Request => ({
  type: OpCode.create2,
  body: encode(createRequest, createBody(path, options)),
});

export const createEphemeral = (path: string, options: CreateOptions = {}): Request =>
  create(path, { flags: CreateMode.ephemeral, ...options });

export const createContainer = (path: string): Request => ({
  type: OpCode.createContainer,
  body: encode(createRequest, createBody(path, { flags: CreateMode.container })),
});

export const createTtl = (path: string, ttlMs: number, options: CreateOptions = {}): Request => ({
  type: OpCode.createTTL,
  body: encode(createTtlRequest, {
    ...createBody(path, { flags: CreateMode.persistentWithTtl, ...options }),
    ttl: BigInt(ttlMs),
  }),
});

export const remove = (path: string, version = ANY_VERSION): Request => ({
  type: OpCode.delete,
  body: encode(deleteRequest, { path, version }),
});

export const setData = (
  path: string,
  data: string | Uint8Array,
  version = ANY_VERSION,
): Request => ({
  type: OpCode.setData,
  body: encode(setDataRequest, { path, data: bytesOf(data), version }),
});

export const setAcl = (path: string, acl: readonly Acl[], version = ANY_VERSION): Request => ({
  type: OpCode.setACL,
  body: encode(setAclRequest, { path, acl: [...acl], version }),
});

const pathAndWatch =
  (type: number) =>
  (path: string, watch = false): Request => ({
    type,
    body: encode(pathWatchRequest, { path, watch }),
  });

export const getData = pathAndWatch(OpCode.getData);
export const exists = pathAndWatch(OpCode.exists);
export const getChildren = pathAndWatch(OpCode.getChildren);
export const getChildren2 = pathAndWatch(OpCode.getChildren2);

export const getAcl = (path: string): Request => ({
  type: OpCode.getACL,
  body: encode(pathRequest, { path }),
});

export const getAllChildrenNumber = (path: string): Request => ({
  type: OpCode.getAllChildrenNumber,
  body: encode(pathRequest, { path }),
});

export const getEphemerals = (prefixPath: string | null): Request => ({
  type: OpCode.getEphemerals,
  body: encode(getEphemeralsRequest, { prefixPath }),
});

export const sync = (path: string): Request => ({
  type: OpCode.sync,
  body: encode(syncRequest, { path }),
});

export const addWatch = (path: string, mode: number): Request => ({
  type: OpCode.addWatch,
  body: encode(addWatchRequest, { path, mode }),
});

export const removeWatches = (path: string, type: number): Request => ({
  type: OpCode.removeWatches,
  body: encode(watchTypeRequest, { path, type }),
});

export const checkWatches = (path: string, type: number): Request => ({
  type: OpCode.checkWatches,
  body: encode(watchTypeRequest, { path, type }),
});

/** Lists of paths to watch again after a reconnect. */
export interface WatchLists {
  readonly data?: readonly string[];
  readonly exist?: readonly string[];
  readonly child?: readonly string[];
  readonly persistent?: readonly string[];
  readonly recursive?: readonly string[];
}

export const setWatches = (relativeZxid: number, lists: WatchLists): Request => ({
  type: OpCode.setWatches2,
  body: encode(setWatches2, {
    relativeZxid: BigInt(relativeZxid),
    dataWatches: [...(lists.data ?? [])],
    existWatches: [...(lists.exist ?? [])],
    childWatches: [...(lists.child ?? [])],
    persistentWatches: [...(lists.persistent ?? [])],
    persistentRecursiveWatches: [...(lists.recursive ?? [])],
  }),
});

export const multi = (operations: readonly MultiOperation[]): Request => ({
  type: OpCode.multi,
  body: encode(multiRequest, [...operations]),
});

export const multiRead = (operations: readonly MultiOperation[]): Request => ({
  type: OpCode.multiRead,
  body: encode(multiRequest, [...operations]),
});

/** A check by itself, which no client may send. */
export const check = (path: string, version = ANY_VERSION): Request => ({
  type: OpCode.check,
  body: encode(checkVersionRequest, { path, version }),
});

/** A multi or multiRead of parts that need not make sense. */
export const rawMulti = (type: number, parts: readonly Request[]): Request => {
  const bytes = parts.flatMap((part) => [
    encode(multiHeader, { type: part.type, done: false, err: -1 }),
    part.body,
  ]);
  return { type, body: Buffer.concat([...bytes, encode(multiHeader, MULTI_END)]) };
};

export const auth = (scheme: string, data: string | null): Request => ({
  type: OpCode.auth,
  body: encode(authPacket, { type: 0, scheme, auth: bytesOf(data) }),
});

export const ping: Request = { type: OpCode.ping, body: NOTHING };
export const whoAmI: Request = { type: OpCode.whoAmI, body: NOTHING };
export const closeSession: Request = { type: OpCode.closeSession, body: NOTHING };
