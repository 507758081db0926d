export const NAMES = ['a', 'b', 'c', 'd'];

/** Below here lists may shut somebody out; see known-differences.ts for why nowhere else. */
export const GUARDED_ROOT = '/acl';

export const PLAIN_ROOT = '/n';
export const QUOTA_ROOTS = ['/q1', '/q2'];

export const ASTRAL_PATH = '/n/\u{1f600}';

export const ODD_PATHS = [
  '/',
  'a',
  'n/a',
  '/n/',
  '//',
  '//n',
  '/n//a',
  '/n/.',
  '/n/..',
  '/n/./a',
  '/n/../a',
  '/n/...',
  '/n/a..b',
  '/n/.a',
  '/n/nul\u0000',
  '/nul\u0000/a',
  '/n/ctl\u0001',
  '/n/del\u007f',
  '/n/c1\u009f',
  '/n/nbsp\u00a0',
  '/n/\ue000',
  '/n/\uf8ff',
  '/n/\uf900',
  '/n/\ufff0',
  '/n/\uffef',
  ASTRAL_PATH,
  '/n/ü',
  '/n/日本',
  '/n/日本/語',
  '/n/with space',
  `/n/${'long'.repeat(1_500)}`,
  '/zookeeper',
  '/zookeeper/config',
  '/zookeeper/quota',
  '/zookeeper/quota/a',
  '/zookeeper/other',
  '/missing/parent/node',
];

export const QUOTA_NODES = [
  '/zookeeper/quota/q1',
  '/zookeeper/quota/q1/zookeeper_limits',
  '/zookeeper/quota/q1/zookeeper_stats',
  '/zookeeper/quota/q2',
  '/zookeeper/quota/q2/zookeeper_limits',
  '/zookeeper/quota/q2/zookeeper_stats',
];

/** Soft limits vary, hard ones do not: what is there never passes them; see known-differences.ts. */
export const FIRST_LIMITS = 'count=5,bytes=-1=;byteHardLimit=60;countHardLimit=6';

export const QUOTA_LIMITS = [
  FIRST_LIMITS,
  'count=-1,bytes=100=;byteHardLimit=60;countHardLimit=6',
  'count=3,bytes=20=;byteHardLimit=60;countHardLimit=6',
];

/** First bytes of strangers, to which no server answers but by closing. */
export const STRANGE_BYTES = [
  'ffffffff',
  '80000000',
  '7fffffff',
  '00000000',
  '0000000400000000',
  '474554202f20485454502f312e310d0a0d0a',
  '0000001000000000000000000000000000000000',
];

/** Bodies that no codec of ours would write: null and malformed texts, counts beyond the frame. */
export const STRANGE_BODIES = [
  { code: 1, hex: 'ffffffff0000000000000001' },
  { code: 1, hex: '000000022f6effffffff7fffffff' },
  { code: 1, hex: '000000022f6effffffff80000000' },
  { code: 2, hex: 'ffffffffffffffff' },
  { code: 3, hex: 'ffffffff00' },
  { code: 4, hex: 'ffffffff00' },
  { code: 4, hex: 'fffffffe00' },
  { code: 4, hex: '7fffffff00' },
  { code: 5, hex: '000000022f6efffffffeffffffff' },
  { code: 6, hex: 'ffffffff' },
  { code: 7, hex: '000000022f6effffffffffffffff' },
  { code: 8, hex: 'ffffffff01' },
  { code: 9, hex: 'ffffffff' },
  { code: 12, hex: 'ffffffff00' },
  { code: 14, hex: '' },
  { code: 14, hex: 'ffffffff01' },
  { code: 14, hex: '0000000100ffffffff' },
  { code: 14, hex: '0000001400ffffffff000000022f6effffffff01ffffffff' },
  { code: 22, hex: '0000000500ffffffff000000022f6e00000000ffffffffffffffff01ffffffff' },
  { code: 101, hex: '000000000000000000000001ffffffff0000000000000000' },
  { code: 101, hex: '00000000000000007fffffff0000000000000000' },
  { code: 103, hex: 'ffffffff' },
  { code: 104, hex: 'ffffffff' },
];
