export { AclTable, OPEN_ACL_NUMBER, UnknownAclError, aclList } from './acl-table.js';
export type { AclEntry, AclList } from './acl-table.js';
export {
  SYSTEM_PRINCIPAL,
  isPermitted,
  maskedAcl,
  maySeeWholeAcl,
  principalOf,
  storedAcl,
} from './acl-rules.js';
export type { Principal } from './acl-rules.js';
export { digestId, standardAuthSchemes } from './auth-schemes.js';
export type { AuthScheme, AuthSchemes } from './auth-schemes.js';
export { DataTree } from './data-tree.js';
export type { DataTreeOptions } from './data-tree.js';
export { HEADER_BYTES, NO_NODE, NodeKind, Word } from './node-record.js';
export { NodeStore, ROOT } from './node-store.js';
export type { ChangeObserver } from './node-store.js';
export { OutstandingChanges } from './outstanding-changes.js';
export { QuotaKeeper, parseQuota } from './quota.js';
export type { QuotaFigures } from './quota.js';
export { RequestPreparer } from './request-preparer.js';
export type { PreparerOptions, RequestOrigin } from './request-preparer.js';
export { SessionMap } from './session-map.js';
export { TransactionApplier, noResults } from './transaction-applier.js';
export type { DigestMode, ResultSink } from './transaction-applier.js';
export { TreeDigest } from './tree-digest.js';
export { TreeLoader } from './tree-loader.js';
export { TreeSnapshot } from './tree-snapshot.js';
export { WatchTable } from './watch-table.js';
export type { WatchCounts, WatchEvent, Watcher } from './watch-table.js';
