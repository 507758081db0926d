import type { Acl, Id } from '@aviary/protocol';

/** What the specification says of access control lists, read off its tables. */

const INVALID_ACL = -114;

function bitsOf(address: string): string {
  return address
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
}

/** Only IPv4 is met in the model. */
function isInNet(address: string, net: string): boolean {
  const [base = '', bits = '32'] = net.split('/');
  return bitsOf(address).slice(0, Number(bits)) === bitsOf(base).slice(0, Number(bits));
}

function isMeant(entry: Id, held: Id): boolean {
  if (entry.scheme !== held.scheme) return false;
  return entry.scheme === 'ip' ? isInNet(held.id, entry.id) : entry.id === held.id;
}

/** Whether some entry gives any of the bits to somebody with these ids. */
export function mayDo(acl: readonly Acl[], bits: number, ids: readonly Id[]): boolean {
  if (acl.length === 0 || ids.some(({ scheme }) => scheme === 'super')) return true;
  return acl.some(({ perms, id }) => {
    if ((perms & bits) === 0) return false;
    return id.scheme === 'world' || ids.some((held) => isMeant(id, held));
  });
}

function isAcceptable({ scheme, id }: Id): boolean {
  switch (scheme) {
    case 'world':
      return id === 'anyone';
    case 'digest':
      return /^[^:]*:[^:]+$/.test(id);
    case 'ip':
      return /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(id);
    default:
      return false;
  }
}

/** The list that is stored for the list that was sent, or the code of the refusal. */
export function fixedUp(
  sent: readonly Acl[] | null,
  ids: readonly Id[],
): readonly Acl[] | typeof INVALID_ACL {
  if (sent === null || sent.length === 0) return INVALID_ACL;
  const texts = sent.map((entry) => JSON.stringify(entry));
  const distinct = sent.filter((_, i) => texts.indexOf(texts[i]!) === i);
  const authenticated = ids.filter(({ scheme }) => scheme === 'digest');
  const stored = distinct.flatMap((entry): (Acl | null)[] => {
    if (entry.id.scheme !== 'auth') return [isAcceptable(entry.id) ? entry : null];
    if (authenticated.length === 0) return [null];
    return authenticated.map((id) => ({ perms: entry.perms, id }));
  });
  const good = stored.filter((entry) => entry !== null);
  return good.length === stored.length ? good : INVALID_ACL;
}
