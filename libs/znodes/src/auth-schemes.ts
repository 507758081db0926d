import { createHash } from 'node:crypto';
import type { Id } from '@aviary/protocol';
import { isInIpRange, parseIp, parseIpRange } from './ip-address.js';

/** What a scheme of authentication means: which ids it accepts in an ACL and whom they match. */
export interface AuthScheme {
  readonly name: string;
  /** Whether an id of this scheme stands for a person or program, so that ACL `auth` means it. */
  readonly isAuthenticated: boolean;
  /** Whether `id` may stand in an ACL. */
  isValidId(id: string): boolean;
  /** Whether a connection that holds `held` is meant by `id` in an ACL. */
  matches(held: string, id: string): boolean;
  /**
   * The ids that a connection from `address` gains by `data`; null: refused.
   */
  authenticate(data: Uint8Array | null, address: string): readonly Id[] | null;
}

const ipScheme: AuthScheme = {
  name: 'ip',
  isAuthenticated: false,
  isValidId: (id) => parseIpRange(id) !== null,
  matches: (held, id) => {
    const address = parseIp(held);
    const range = parseIpRange(id);
    return address !== null && range !== null && isInIpRange(address, range);
  },
  authenticate: (_data, address) => [{ scheme: 'ip', id: address }],
};

/**
 * The id that scheme `digest` gives to `user:password`: the user, then the SHA-1 of the whole text
 * in base64. DigestAuthenticationProvider.generateDigest.
 */
export function digestId(userAndPassword: Uint8Array | string): string {
  const bytes = Buffer.from(userAndPassword);
  const user = bytes.toString('utf8').split(':', 1)[0] ?? '';
  return `${user}:${createHash('sha1').update(bytes).digest('base64')}`;
}

/** Java's `split(":")` drops empty parts at the end, and the reference asks for exactly two. */
function hasTwoParts(id: string): boolean {
  const parts = id.split(':');
  while (parts.length > 0 && parts.at(-1) === '') parts.pop();
  return parts.length === 2;
}

function digestScheme(superDigest: string | null): AuthScheme {
  return {
    name: 'digest',
    isAuthenticated: true,
    isValidId: hasTwoParts,
    matches: (held, id) => held === id,
    authenticate: (data) => {
      if (data === null) return null;
      const digest = digestId(data);
      const gained = [{ scheme: 'digest', id: digest }];
      if (digest === superDigest) gained.push({ scheme: 'super', id: '' });
      return gained;
    },
  };
}

/** The schemes that a server knows, by name. */
export type AuthSchemes = ReadonlyMap<string, AuthScheme>;

/**
 * The schemes `ip` and `digest`.
 *
 * @param superDigest The digest id whose holder passes all ACLs; null: nobody does.
 */
export function standardAuthSchemes(superDigest: string | null = null): AuthSchemes {
  return new Map([ipScheme, digestScheme(superDigest)].map((scheme) => [scheme.name, scheme]));
}
