import { ErrorCode, Permission, type Acl, type Id } from '@aviary/protocol';
import type { AuthSchemes } from './auth-schemes.js';

/** Whoever asks: the ids that a connection holds. */
export interface Principal {
  readonly ids: readonly Id[];
  /** Whether it passes every ACL. */
  readonly isSuper: boolean;
}

/** The server itself, which no ACL binds. */
export const SYSTEM_PRINCIPAL: Principal = { ids: [], isSuper: true };

/** A connection that holds `ids`; `passesAll`: no list binds it, whatever it holds. */
export function principalOf(ids: readonly Id[], passesAll = false): Principal {
  return { ids, isSuper: passesAll || ids.some(({ scheme }) => scheme === 'super') };
}

/** The permissions that `acls` give to everybody. */
export function worldPermissions(acls: readonly Acl[]): number {
  let perms = 0;
  for (const { perms: given, id } of acls) {
    if (id.scheme === 'world' && id.id === 'anyone') perms |= given;
  }
  return perms;
}

/** Whether some entry of `acls` gives any of the bits `wanted` to `who`. */
export function isPermitted(
  schemes: AuthSchemes,
  acls: readonly Acl[],
  wanted: number,
  who: Principal,
): boolean {
  if (who.isSuper || acls.length === 0) return true;
  for (const { perms, id } of acls) {
    if ((perms & wanted) === 0) continue;
    if (id.scheme === 'world' && id.id === 'anyone') return true;
    const scheme = schemes.get(id.scheme);
    if (scheme === undefined) continue;
    for (const held of who.ids) {
      if (held.scheme === id.scheme && scheme.matches(held.id, id.id)) return true;
    }
  }
  return false;
}

/** Drops exact duplicates; the first of each stays. */
function distinct(acls: readonly Acl[]): Acl[] {
  const seen = new Set<string>();
  return acls.filter(({ perms, id }) => {
    const key = JSON.stringify([perms, id.scheme, id.id]);
    return !seen.has(key) && seen.add(key);
  });
}

/** An entry for an id has three lengths and its bits, beside the two texts. */
const ENTRY_BYTES_MIN = 12;

/**
 * The list that is stored for the list that a client sent: duplicates dropped, `auth` replaced by
 * the ids of the client.
 *
 * @param bytesMax About how long the list may get: each `auth` may stand for many ids, so that a
 * short list can stand for one that no memory holds.
 * @returns The list, or the error code INVALIDACL. PrepRequestProcessor.fixupACL.
 */
export function storedAcl(
  schemes: AuthSchemes,
  requested: readonly Acl[] | null,
  who: Principal,
  bytesMax = Number.MAX_SAFE_INTEGER,
): readonly Acl[] | typeof ErrorCode.invalidAcl {
  if (requested === null || requested.length === 0) return ErrorCode.invalidAcl;
  const stored: Acl[] = [];
  const own = who.ids.filter(({ scheme }) => schemes.get(scheme)?.isAuthenticated === true);
  const ownBytes = own.reduce((sum, id) => sum + idBytes(id), 0);
  let bytesLeft = bytesMax;
  for (const acl of distinct(requested)) {
    if (acl.id.scheme === 'auth') {
      bytesLeft -= ownBytes;
      if (own.length === 0 || bytesLeft < 0) return ErrorCode.invalidAcl;
      for (const id of own) stored.push({ perms: acl.perms, id });
    } else if (isValid(schemes, acl.id)) {
      stored.push(acl);
    } else {
      return ErrorCode.invalidAcl;
    }
  }
  return stored;
}

function idBytes({ scheme, id }: Id): number {
  return ENTRY_BYTES_MIN + scheme.length + id.length;
}

function isValid(schemes: AuthSchemes, { scheme, id }: Id): boolean {
  if (scheme === 'world') return id === 'anyone';
  return schemes.get(scheme)?.isValidId(id) ?? false;
}

/**
 * The list that a caller without ADMIN may see: of every digest only the user.
 * FinalRequestProcessor.handleGetACLRequest.
 */
export function maskedAcl(acls: readonly Acl[]): readonly Acl[] {
  return acls.map((acl) => {
    if (acl.id.scheme !== 'digest') return acl;
    const colon = acl.id.id.indexOf(':');
    const id = colon < 0 ? acl.id.id : `${acl.id.id.slice(0, colon)}:x`;
    return { perms: acl.perms, id: { scheme: 'digest', id } };
  });
}

/** Whether `who` may see the list as it is. */
export function maySeeWholeAcl(
  schemes: AuthSchemes,
  acls: readonly Acl[],
  who: Principal,
): boolean {
  return isPermitted(schemes, acls, Permission.admin, who);
}
