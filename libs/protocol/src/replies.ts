import { buffer, int, nullableUstring, record, ustring, vector, type Infer } from '@aviary/jute';
import { acl } from './acl.js';
import { stat } from './stat.js';

// `zookeeper.jute`, module org.apache.zookeeper.proto: the classes are named on each record.

/** Class CreateResponse: the path with its sequence number, if it got one. */
export const createResponse = record('CreateResponse', { path: ustring });
export type CreateResponse = Infer<typeof createResponse>;

/** Class Create2Response. */
export const create2Response = record('Create2Response', { path: ustring, stat });
export type Create2Response = Infer<typeof create2Response>;

/** Classes ExistsResponse, SetDataResponse and SetACLResponse. */
export const statResponse = record('StatResponse', { stat });
export type StatResponse = Infer<typeof statResponse>;

/** Class GetDataResponse. */
export const getDataResponse = record('GetDataResponse', { data: buffer, stat });
export type GetDataResponse = Infer<typeof getDataResponse>;

/** Class GetChildrenResponse; names in no particular order. */
export const getChildrenResponse = record('GetChildrenResponse', { children: vector(ustring) });
export type GetChildrenResponse = Infer<typeof getChildrenResponse>;

/** Class GetChildren2Response; names in no particular order. */
export const getChildren2Response = record('GetChildren2Response', {
  children: vector(ustring),
  stat,
});
export type GetChildren2Response = Infer<typeof getChildren2Response>;

/** Class GetACLResponse. */
export const getAclResponse = record('GetACLResponse', { acl: vector(acl), stat });
export type GetAclResponse = Infer<typeof getAclResponse>;

/** Class SyncResponse. */
export const syncResponse = record('SyncResponse', { path: nullableUstring });
export type SyncResponse = Infer<typeof syncResponse>;

/** Class ErrorResponse: the result of a failed operation of a multi, and the reply to addWatch. */
export const errorResponse = record('ErrorResponse', { err: int });
export type ErrorResponse = Infer<typeof errorResponse>;

/** Class GetEphemeralsResponse. */
export const getEphemeralsResponse = record('GetEphemeralsResponse', {
  ephemerals: vector(ustring),
});
export type GetEphemeralsResponse = Infer<typeof getEphemeralsResponse>;

/** Class GetAllChildrenNumberResponse. */
export const getAllChildrenNumberResponse = record('GetAllChildrenNumberResponse', {
  totalNumber: int,
});
export type GetAllChildrenNumberResponse = Infer<typeof getAllChildrenNumberResponse>;

/** Module org.apache.zookeeper.data, class ClientInfo. */
export const clientInfo = record('ClientInfo', { authScheme: ustring, user: ustring });
export type ClientInfo = Infer<typeof clientInfo>;

/** Class WhoAmIResponse. */
export const whoAmIResponse = record('WhoAmIResponse', { clientInfo: vector(clientInfo) });
export type WhoAmIResponse = Infer<typeof whoAmIResponse>;

/** Class WatcherEvent: the body of a notification. */
export const watcherEvent = record('WatcherEvent', { type: int, state: int, path: ustring });
export type WatcherEvent = Infer<typeof watcherEvent>;
