import { createHash } from 'node:crypto';
import type { Id } from '@aviary/protocol';

/**
 * The identity of `user` with `password` in the scheme `digest`, for an ACL. Whoever calls
 * `addAuth('digest', 'user:password')` has it.
 */
export function digestId(user: string, password: string): Id {
  const hash = createHash('sha1').update(`${user}:${password}`).digest('base64');
  return { scheme: 'digest', id: `${user}:${hash}` };
}
