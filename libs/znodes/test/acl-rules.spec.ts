import { describe, expect, it } from '@jest/globals';
import {
  CREATOR_ALL_ACL,
  ErrorCode,
  OPEN_ACL,
  READ_ACL,
  type Acl,
  type Id,
} from '@aviary/protocol';
import {
  SYSTEM_PRINCIPAL,
  isPermitted,
  maskedAcl,
  maySeeWholeAcl,
  principalOf,
  storedAcl,
  worldPermissions,
  type Principal,
} from '../src/acl-rules.js';
import { digestId, standardAuthSchemes, type AuthScheme } from '../src/auth-schemes.js';

const READ = 1;
const WRITE = 2;
const ADMIN = 16;

/** A scheme as x509 is: its ids stand for somebody, and are compared as they are. */
const certificates: AuthScheme = {
  name: 'x509',
  isAuthenticated: true,
  isValidId: (id) => id.startsWith('CN='),
  matches: (held, id) => held === id,
  authenticate: () => null,
};
const schemes = new Map([...standardAuthSchemes(), ['x509', certificates]]);

const id = (scheme: string, text: string): Id => ({ scheme, id: text });
const entry = (perms: number, scheme: string, text: string): Acl => ({
  perms,
  id: id(scheme, text),
});

const ANNA = 'anna:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=';
const stranger = principalOf([id('ip', '10.0.0.1')]);
const anna = principalOf([id('ip', '10.0.0.2'), id('digest', ANNA)]);
const twice = principalOf([
  id('digest', ANNA),
  id('ip', '10.0.0.3'),
  id('digest', 'bob:x'),
  id('x509', 'CN=bob'),
]);
const nobody = principalOf([]);
const superUser = principalOf([id('ip', '10.0.0.4'), id('super', '')]);

describe('ids that may stand in a list', () => {
  it.each([
    ['world', 'anyone', true],
    ['world', 'Anyone', false],
    ['world', '', false],
    ['ip', '10.0.0.1', true],
    ['ip', '10.0.0.0/8', true],
    ['ip', '2001:db8::/32', true],
    ['ip', '10.0.0', false],
    ['ip', '10.0.0.0/33', false],
    ['ip', 'anyone', false],
    ['digest', ANNA, true],
    ['digest', 'user:', false],
    ['digest', ':hash', true],
    ['digest', 'user:hash:', true],
    ['digest', 'user', false],
    ['digest', 'user:hash:more', false],
    ['digest', '', false],
    ['digest', ':', false],
    ['x509', 'CN=anna', true],
    ['x509', 'anna', false],
    ['super', '', false],
    ['super', 'super', false],
    ['sasl', 'anna', false],
    ['', 'anyone', false],
    ['World', 'anyone', false],
    ['constructor', 'anyone', false],
  ])('%s:%s: %s', (scheme, text, isValid) => {
    const acls = [entry(31, scheme, text)];
    expect(storedAcl(schemes, acls, anna)).toEqual(isValid ? acls : ErrorCode.invalidAcl);
  });
});

describe('whom a list means', () => {
  const cases: [string, Acl[], Principal, boolean][] = [
    ['world means everybody', [entry(READ, 'world', 'anyone')], nobody, true],
    ['only for its bits', [entry(WRITE, 'world', 'anyone')], nobody, false],
    ['one of the bits is enough', [entry(READ | ADMIN, 'world', 'anyone')], nobody, true],
    ['an ip its own peer', [entry(31, 'ip', '10.0.0.1')], stranger, true],
    ['and no other', [entry(31, 'ip', '10.0.0.1')], anna, false],
    ['a net every peer in it', [entry(31, 'ip', '10.0.0.0/29')], anna, true],
    ['a digest its user', [entry(31, 'digest', ANNA)], anna, true],
    ['and no stranger', [entry(31, 'digest', ANNA)], stranger, false],
    ['one of several ids', [entry(31, 'digest', 'bob:x')], twice, true],
    ['schemes are not mixed up', [entry(31, 'x509', 'bob:x')], twice, false],
    ['a scheme that is unknown nobody', [entry(31, 'sasl', 'bob')], twice, false],
    [
      'the first entry lacks the bit',
      [entry(2, 'world', 'anyone'), entry(1, 'digest', ANNA)],
      anna,
      true,
    ],
    ['super passes every list', [entry(2, 'digest', ANNA)], superUser, true],
    ['and one that gives nobody anything', [entry(0, 'world', 'anyone')], superUser, true],
    ['perms of none give nothing', [entry(0, 'world', 'anyone')], anna, false],
    ['an empty list binds nobody', [], nobody, true],
    ['the server itself', [entry(0, 'world', 'anyone')], SYSTEM_PRINCIPAL, true],
    ['who passes all by a switch', [entry(0, 'world', 'anyone')], principalOf([], true), true],
  ];

  it.each(cases)('%s', (_name, acls, who, isAllowed) => {
    expect(isPermitted(schemes, acls, READ, who)).toBe(isAllowed);
  });

  it('adds up for everybody', () => {
    const acls = [
      entry(1, 'world', 'anyone'),
      entry(4, 'world', 'anyone'),
      entry(16, 'digest', ANNA),
      entry(2, 'world', 'someone'),
    ];
    expect([worldPermissions(acls), worldPermissions([])]).toEqual([5, 0]);
  });
});

describe('the list that is stored', () => {
  const stored = (acls: readonly Acl[] | null, who: Principal) => storedAcl(schemes, acls, who);

  it('is the one that was sent, bits that mean nothing included', () => {
    const acls = [entry(0x7fff_ffff, 'world', 'anyone'), entry(-1, 'ip', '::1')];
    expect(stored(acls, stranger)).toEqual(acls);
    expect(stored(OPEN_ACL, stranger)).toEqual(OPEN_ACL);
    expect(stored(READ_ACL, stranger)).toEqual(READ_ACL);
  });

  it('must be there and not be empty', () => {
    expect([stored(null, anna), stored([], anna)]).toEqual([-114, -114]);
  });

  it('drops exact duplicates and keeps the order', () => {
    const acls = [
      entry(1, 'world', 'anyone'),
      entry(31, 'digest', ANNA),
      entry(1, 'world', 'anyone'),
      entry(2, 'world', 'anyone'),
      entry(31, 'digest', ANNA),
    ];
    expect(stored(acls, stranger)).toEqual([acls[0], acls[1], acls[3]]);
  });

  it('does not take two entries for one because their texts join alike', () => {
    const acls = [entry(1, 'digest', 'a:b'), entry(11, 'digest', 'a:b')];
    expect(stored(acls, stranger)).toEqual(acls);
  });

  it('has every authenticated id of the client in place of auth, whatever its text', () => {
    expect(stored(CREATOR_ALL_ACL, anna)).toEqual([entry(31, 'digest', ANNA)]);
    expect(stored([entry(READ, 'auth', 'ignored'), entry(2, 'world', 'anyone')], twice)).toEqual([
      entry(READ, 'digest', ANNA),
      entry(READ, 'digest', 'bob:x'),
      entry(READ, 'x509', 'CN=bob'),
      entry(2, 'world', 'anyone'),
    ]);
  });

  it.each([
    ['somebody with an address only', stranger],
    ['super alone', superUser],
    ['nobody', nobody],
  ])('cannot have auth of %s', (_name, who) => {
    expect(stored(CREATOR_ALL_ACL, who)).toBe(-114);
  });

  it('is refused as a whole for one bad entry', () => {
    expect(stored([...OPEN_ACL, entry(1, 'nosuch', 'x')], anna)).toBe(-114);
    expect(stored([...CREATOR_ALL_ACL, entry(1, 'world', 'x')], anna)).toBe(-114);
  });

  it('of 65,000 entries is looked through once, not once for each', () => {
    const acls = Array.from({ length: 65_000 }, (_, i) => entry(i % 32, 'digest', `u${i >> 6}:x`));
    expect(stored(acls, anna)).toHaveLength(32 * Math.ceil(65_000 / 64));
  });

  it('does not grow beyond what the caller can hold: auth times ids is refused', () => {
    const ids = Array.from({ length: 64 }, (_, i) => id('digest', `${'u'.repeat(1000)}${i}:x`));
    const acls = Array.from({ length: 65_000 }, (_, perms) => entry(perms, 'auth', ''));
    expect(storedAcl(schemes, acls, principalOf(ids), 2_000_000)).toBe(-114);
    expect(storedAcl(schemes, acls.slice(0, 10), principalOf(ids), 2_000_000)).toHaveLength(640);
  });
});

describe('the list that is shown', () => {
  const acls = [
    entry(31, 'digest', ANNA),
    entry(1, 'world', 'anyone'),
    entry(1, 'ip', '10.0.0.1'),
    entry(1, 'digest', 'bob:x:y'),
  ];

  it('has x for everything behind the user of a digest, without ADMIN', () => {
    expect(maskedAcl(acls)).toEqual([
      entry(31, 'digest', 'anna:x'),
      acls[1],
      acls[2],
      entry(1, 'digest', 'bob:x'),
    ]);
    expect(acls[0]).toEqual(entry(31, 'digest', ANNA));
  });

  it('is whole for whom ADMIN is given', () => {
    const asked = [anna, stranger, superUser, nobody];
    expect(asked.map((who) => maySeeWholeAcl(schemes, acls, who))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('digest', () => {
  it.each([
    ['u:p', 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ='],
    ['super:admin', 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs='],
    ['user:pw', 'user:2Om+GBbT2q/tS6pdvACZbbm7/1A='],
  ])('of %s is %s', (text, digest) => {
    expect(digestId(text)).toBe(digest);
    expect(digestId(new TextEncoder().encode(text))).toBe(digest);
  });

  it('hashes the whole text; the user ends at the first colon', () => {
    expect(digestId('u:p:q').split(':', 1)).toEqual(['u']);
    expect(digestId('u:p:q')).not.toBe(digestId('u:p'));
    expect(digestId('alone')).toMatch(/^alone:.{28}$/);
    expect(digestId('')).toMatch(/^:.{28}$/);
  });

  const data = new TextEncoder().encode('super:admin');
  const authenticate = (superDigest: string | null, bytes: Uint8Array | null) =>
    standardAuthSchemes(superDigest).get('digest')?.authenticate(bytes, '10.0.0.1');

  it('makes super of whoever knows the password, and of nobody unless it is set', () => {
    const superDigest = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';
    expect(authenticate(superDigest, data)).toEqual([id('digest', superDigest), id('super', '')]);
    expect(authenticate(null, data)).toEqual([id('digest', superDigest)]);
    expect(authenticate(superDigest, new TextEncoder().encode('super:x'))).toHaveLength(1);
  });

  it('refuses null, and nothing else', () => {
    expect(authenticate(null, null)).toBeNull();
    expect(authenticate(null, new Uint8Array(0))).toHaveLength(1);
    expect(authenticate(null, Uint8Array.of(0xff, 0xfe))).toHaveLength(1);
  });
});

describe('ip', () => {
  it('gives the address of the connection, whatever the packet says', () => {
    const ip = schemes.get('ip');
    expect(ip?.authenticate(new TextEncoder().encode('1.2.3.4'), '10.0.0.1')).toEqual([
      id('ip', '10.0.0.1'),
    ]);
    expect(ip?.authenticate(null, '::1')).toEqual([id('ip', '::1')]);
  });

  it('does not mean a peer whose address is no number', () => {
    expect(schemes.get('ip')?.matches('localhost', '127.0.0.1')).toBe(false);
  });
});
