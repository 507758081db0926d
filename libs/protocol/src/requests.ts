import {
  bool,
  buffer,
  int,
  long,
  nullableUstring,
  nullableVector,
  record,
  ustring,
  vector,
  type Infer,
} from '@aviary/jute';
import { acl } from './acl.js';

// `zookeeper.jute`, module org.apache.zookeeper.proto: the classes are named on each record.

/** Class CreateRequest; also the body of create2 and createContainer. */
export const createRequest = record('CreateRequest', {
  path: ustring,
  data: buffer,
  acl: nullableVector(acl),
  flags: int,
});
export type CreateRequest = Infer<typeof createRequest>;

/** Class CreateTTLRequest; `ttl` in milliseconds. */
export const createTtlRequest = record('CreateTTLRequest', {
  path: ustring,
  data: buffer,
  acl: nullableVector(acl),
  flags: int,
  ttl: long,
});
export type CreateTtlRequest = Infer<typeof createTtlRequest>;

/** Class DeleteRequest; `version` -1 matches any. */
export const deleteRequest = record('DeleteRequest', { path: ustring, version: int });
export type DeleteRequest = Infer<typeof deleteRequest>;

/** Class DeleteContainerRequest. */
export const deleteContainerRequest = record('DeleteContainerRequest', { path: ustring });
export type DeleteContainerRequest = Infer<typeof deleteContainerRequest>;

/** Classes ExistsRequest, GetDataRequest, GetChildrenRequest and GetChildren2Request. */
export const pathWatchRequest = record('PathWatchRequest', { path: ustring, watch: bool });
export type PathWatchRequest = Infer<typeof pathWatchRequest>;

/** Class SetDataRequest; `version` -1 matches any. */
export const setDataRequest = record('SetDataRequest', {
  path: ustring,
  data: buffer,
  version: int,
});
export type SetDataRequest = Infer<typeof setDataRequest>;

/** Classes GetACLRequest, GetAllChildrenNumberRequest and SyncRequest. */
export const pathRequest = record('PathRequest', { path: ustring });
export type PathRequest = Infer<typeof pathRequest>;

/** Class SyncRequest: the path is only echoed, null too. */
export const syncRequest = record('SyncRequest', { path: nullableUstring });
export type SyncRequest = Infer<typeof syncRequest>;

/** Class SetACLRequest; `version` is compared with the node's aversion, -1 matches any. */
export const setAclRequest = record('SetACLRequest', {
  path: ustring,
  acl: nullableVector(acl),
  version: int,
});
export type SetAclRequest = Infer<typeof setAclRequest>;

/** Class CheckVersionRequest; only inside a multi. */
export const checkVersionRequest = record('CheckVersionRequest', { path: ustring, version: int });
export type CheckVersionRequest = Infer<typeof checkVersionRequest>;

/** Class ReconfigRequest. */
export const reconfigRequest = record('ReconfigRequest', {
  joiningServers: nullableUstring,
  leavingServers: nullableUstring,
  newMembers: nullableUstring,
  curConfigId: long,
});
export type ReconfigRequest = Infer<typeof reconfigRequest>;

/** Class AuthPacket; `type` is always 0. */
export const authPacket = record('AuthPacket', { type: int, scheme: ustring, auth: buffer });
export type AuthPacket = Infer<typeof authPacket>;

/** Classes GetSASLRequest and SetSASLResponse. */
export const saslToken = record('SASLToken', { token: buffer });
export type SaslToken = Infer<typeof saslToken>;

/** Class SetWatches. */
export const setWatches = record('SetWatches', {
  relativeZxid: long,
  dataWatches: vector(ustring),
  existWatches: vector(ustring),
  childWatches: vector(ustring),
});
export type SetWatches = Infer<typeof setWatches>;

/** Class SetWatches2. */
export const setWatches2 = record('SetWatches2', {
  relativeZxid: long,
  dataWatches: vector(ustring),
  existWatches: vector(ustring),
  childWatches: vector(ustring),
  persistentWatches: vector(ustring),
  persistentRecursiveWatches: vector(ustring),
});
export type SetWatches2 = Infer<typeof setWatches2>;

/** Class AddWatchRequest; `mode` is an AddWatchMode. */
export const addWatchRequest = record('AddWatchRequest', { path: ustring, mode: int });
export type AddWatchRequest = Infer<typeof addWatchRequest>;

/** Classes CheckWatchesRequest and RemoveWatchesRequest; `type` is a WatcherType. */
export const watchTypeRequest = record('WatchTypeRequest', { path: ustring, type: int });
export type WatchTypeRequest = Infer<typeof watchTypeRequest>;

/** Class GetEphemeralsRequest; a null, blank or `/` prefix asks for all of the session. */
export const getEphemeralsRequest = record('GetEphemeralsRequest', { prefixPath: nullableUstring });
export type GetEphemeralsRequest = Infer<typeof getEphemeralsRequest>;
