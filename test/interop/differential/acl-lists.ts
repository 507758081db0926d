import type { Acl } from '@aviary/protocol';

function entry(perms: number, scheme: string, id: string): Acl {
  return { perms, id: { scheme, id } };
}

/** Who authenticates with `alice:secret`. */
const ALICE = 'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=';

/** The lists that steps name. */
export const ACL_LISTS: Readonly<Record<string, readonly Acl[] | null>> = {
  open: [entry(31, 'world', 'anyone')],
  worldReads: [entry(1, 'world', 'anyone')],
  worldReadsAndCreates: [entry(5, 'world', 'anyone')],
  creator: [entry(31, 'auth', '')],
  creatorAndReaders: [entry(31, 'auth', 'ignored'), entry(1, 'world', 'anyone')],
  alice: [entry(31, 'digest', ALICE)],
  aliceAdminsWorldReads: [entry(16, 'digest', ALICE), entry(3, 'world', 'anyone')],
  loopback: [entry(31, 'ip', '127.0.0.1')],
  loopbackNet: [entry(31, 'ip', '127.0.0.0/8')],
  elsewhere: [entry(31, 'ip', '10.0.0.0/8')],
  noPermissions: [entry(0, 'world', 'anyone')],
  unknownBits: [entry(95, 'world', 'anyone')],
  twice: [entry(31, 'world', 'anyone'), entry(31, 'world', 'anyone')],
  empty: [],
  null: null,
  worldSomebody: [entry(31, 'world', 'somebody')],
  unknownScheme: [entry(31, 'horse', 'a')],
  digestWithoutColon: [entry(31, 'digest', 'alice')],
  digestThreeParts: [entry(31, 'digest', 'a:b:c')],
  digestEmptyPart: [entry(31, 'digest', ':b')],
  ipOutOfRange: [entry(31, 'ip', '300.1.1.1')],
  ipBitsOutOfRange: [entry(31, 'ip', '127.0.0.1/33')],
  ipEmpty: [entry(31, 'ip', '')],
  superUser: [entry(31, 'super', '')],
  x509: [entry(31, 'x509', 'CN=a')],
  sasl: [entry(31, 'sasl', 'a')],
};

/** Lists that are taken wherever they stand. */
export const GOOD_LISTS = [
  'open',
  'open',
  'worldReads',
  'worldReadsAndCreates',
  'creator',
  'creatorAndReaders',
  'alice',
  'aliceAdminsWorldReads',
  'loopback',
  'loopbackNet',
  'elsewhere',
  'noPermissions',
  'unknownBits',
  'twice',
  'digestEmptyPart',
] as const;

/** Lists that are refused. */
export const BAD_LISTS = Object.keys(ACL_LISTS).filter(
  (name) => !(GOOD_LISTS as readonly string[]).includes(name),
);
