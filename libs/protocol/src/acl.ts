import { int, record, ustring, type Infer } from '@aviary/jute';

/** Permission bits. ZooDefs.Perms. */
export const Permission = {
  read: 1,
  write: 2,
  create: 4,
  delete: 8,
  admin: 16,
  all: 31,
} as const;

/** `zookeeper.jute`, module org.apache.zookeeper.data, class Id. */
export const id = record('Id', { scheme: ustring, id: ustring });
export type Id = Infer<typeof id>;

/** `zookeeper.jute`, module org.apache.zookeeper.data, class ACL. */
export const acl = record('ACL', { perms: int, id });
export type Acl = Infer<typeof acl>;

/** Everybody may do everything. ZooDefs.Ids.OPEN_ACL_UNSAFE. */
export const OPEN_ACL: readonly Acl[] = [
  { perms: Permission.all, id: { scheme: 'world', id: 'anyone' } },
];

/** Everybody may read. ZooDefs.Ids.READ_ACL_UNSAFE. */
export const READ_ACL: readonly Acl[] = [
  { perms: Permission.read, id: { scheme: 'world', id: 'anyone' } },
];

/** Whoever is authenticated on the connection may do everything. ZooDefs.Ids.CREATOR_ALL_ACL. */
export const CREATOR_ALL_ACL: readonly Acl[] = [
  { perms: Permission.all, id: { scheme: 'auth', id: '' } },
];
