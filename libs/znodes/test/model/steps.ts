import fc from 'fast-check';
import { CREATOR_ALL_ACL, OPEN_ACL, READ_ACL, type Acl, type Id } from '@aviary/protocol';

/** What happens in a run of the model, in numbers that find their meaning when they are met. */

const digest = (name: string): Id => ({ scheme: 'digest', id: `${name}:secret` });
const ip = (address: string): Id => ({ scheme: 'ip', id: address });

/** How much time passes with each step. */
export const STEP_MS = 37;

/** The ids of those who write. */
export const PRINCIPALS: readonly (readonly Id[])[] = [
  [ip('10.0.0.1')],
  [ip('10.0.0.2'), digest('anna')],
  [ip('10.0.1.3'), digest('bob'), digest('anna')],
  [ip('10.0.0.9'), { scheme: 'super', id: '' }],
];

function weighted<T>(...parts: [number, fc.Arbitrary<T>][]): fc.Arbitrary<T> {
  return fc.oneof(...parts.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const one = fc.constantFrom;
const entry = (perms: number, id: Id): Acl => ({ perms, id });
const WORLD: Id = { scheme: 'world', id: 'anyone' };

const acl: fc.Arbitrary<readonly Acl[] | null> = weighted<readonly Acl[] | null>(
  [14, one(OPEN_ACL)],
  [
    4,
    one<readonly Acl[]>(
      READ_ACL,
      CREATOR_ALL_ACL,
      [entry(31, digest('anna'))],
      [entry(1, WORLD), entry(14, digest('bob'))],
      [entry(3, ip('10.0.0.0/30')), entry(28, WORLD)],
      [entry(31, WORLD), entry(31, WORLD), entry(1, digest('anna'))],
      [entry(5, { scheme: 'auth', id: 'x' }), entry(26, WORLD)],
    ),
  ],
  [1, fc.integer({ min: 0, max: 31 }).map((perms) => [entry(perms, WORLD)])],
  [
    1,
    one<readonly Acl[] | null>(
      null,
      [],
      [entry(31, { scheme: 'world', id: 'someone' })],
      [entry(31, { scheme: 'digest', id: 'nocolon' })],
      [...OPEN_ACL, entry(1, { scheme: 'nosuch', id: 'x' })],
      [entry(31, ip('10.0.0'))],
    ),
  ],
);

/** A path: one of those that exist, or one below it; or just this one. */
export type PathChoice =
  { readonly existing: number; readonly name: string } | { readonly path: string };

const name = one('a', 'b', 'c', 'd', 'é', 'seq-', '');
const few = one('/a', '/b', '/a/a', '/a/b', '/a/a/a', '/b/c', '/c/a/b');
const dubious = one(
  ...['/', '', 'a', 'a/b', '//', '//a', '/a/', '/a//b', '/a/.', '/..', '/...', '/__proto__'],
  ...['/a/\u0000', '/\u0001', '/\u0085', '/\ue000', '/\ufff0', '/😀'],
  ...['/zookeeper', '/zookeeper/config', '/zookeeper/quota', '/zookeeper/a'],
);

const path: fc.Arbitrary<PathChoice> = weighted<PathChoice>(
  [16, fc.record({ existing: fc.nat(999), name })],
  [4, few.map((each) => ({ path: each }))],
  [1, dubious.map((each) => ({ path: each }))],
);

const data = weighted<Uint8Array | null>(
  [4, fc.uint8Array({ maxLength: 6 })],
  [1, one(null)],
  [1, one(new Uint8Array(300).fill(7))],
);

/** A version: any, or one that is so far from the right one. */
export type VersionChoice = 'any' | number;

const version = weighted<VersionChoice>([5, one('any')], [4, one(0)], [1, one(1, -1, 77)]);

/** Opcode and flags that clients send together. */
const usualModes = weighted<readonly [type: number, flags: number]>(
  [3, fc.tuple(one(1, 1, 15), one(0))],
  [6, fc.tuple(one(1, 15), one(1, 2, 3))],
  [2, fc.tuple(one(19), one(4))],
  [2, fc.tuple(one(21), one(5, 6))],
);

const create = fc.record({
  what: one('create' as const),
  path,
  data,
  acl,
  mode: weighted<readonly [number, number]>(
    [16, usualModes],
    [1, fc.tuple(one(1, 15, 19, 21), fc.integer({ min: -1, max: 7 }))],
  ),
  ttl: weighted(
    [4, fc.integer({ min: 1, max: 900 })],
    [5, fc.integer({ min: 1, max: 6 }).map((steps) => steps * STEP_MS)],
    [1, one(0, -1, 2 ** 40 - 1, 2 ** 40, 2 ** 33 + 5)],
  ),
});
const remove = fc.record({ what: one('delete' as const), path, version });
const setData = fc.record({ what: one('setData' as const), path, data, version });
const check = fc.record({ what: one('check' as const), path, version });
const setAcl = fc.record({ what: one('setAcl' as const), path, acl, version });
const reap = fc.record({ what: one('reap' as const), path });

type Value<A> = A extends fc.Arbitrary<infer T> ? T : never;

export type OperationChoice = Value<typeof create | typeof remove | typeof setData | typeof check>;

const multi = fc.record({
  what: one('multi' as const),
  operations: fc.array(
    weighted<OperationChoice>([8, create], [4, remove], [4, setData], [2, check]),
    { maxLength: 4 },
  ),
});

export type WriteChoice = OperationChoice | Value<typeof multi | typeof setAcl | typeof reap>;

const write = weighted<WriteChoice>(
  [9, create],
  [5, remove],
  [4, setData],
  [1, check],
  [6, multi],
  [2, setAcl],
  [2, reap],
);

const client = { session: fc.nat(9), principal: fc.nat(PRINCIPALS.length - 1) };
const connection = one('A', 'B', 'C');

const request = fc.record({ kind: one('write' as const), ...client, write });
const broken = fc.record({
  kind: one('broken' as const),
  ...client,
  write,
  cut: fc.nat(9999),
  isNullPath: fc.boolean(),
});
const apply = fc.record({ kind: one('apply' as const), count: fc.nat(12) });
const open = fc.record({ kind: one('open' as const), timeOut: fc.nat(60_000) });
const close = fc.record({ kind: one('close' as const), session: fc.nat(9) });
const watch = fc.record({
  kind: one('watch' as const),
  connection,
  path,
  mode: one('data' as const, 'child' as const, 'persistent' as const, 'recursive' as const),
});
const unwatch = fc.record({
  kind: one('unwatch' as const),
  connection,
  choice: fc.nat(99),
  type: fc.integer({ min: 0, max: 6 }),
});
const disconnect = fc.record({ kind: one('disconnect' as const), connection });
const quota = fc.record({
  kind: one('quota' as const),
  existing: fc.nat(999),
  limits: fc.record({ count: one(-1, 0, 1, 3, 6), bytes: one(-1, 0, 5, 20, 400) }),
});
const snapshot = fc.record({ kind: one('snapshot' as const) });
const piece = fc.record({ kind: one('piece' as const) });

export type Step = Value<
  | typeof request
  | typeof broken
  | typeof apply
  | typeof open
  | typeof close
  | typeof watch
  | typeof unwatch
  | typeof disconnect
  | typeof quota
  | typeof snapshot
  | typeof piece
>;

const step = weighted<Step>(
  [44, request],
  [2, broken],
  [14, apply],
  [2, open],
  [2, close],
  [8, watch],
  [2, unwatch],
  [1, disconnect],
  [1, quota],
  [2, snapshot],
  [4, piece],
);

const STEPS = 200;

/** A run: the server's switches, what happens, and chance for what is tried at its end. */
export const run = fc.record({
  options: fc.record({
    extendedTypesEnabled: weighted([9, one(true)], [1, one(false)]),
    enforceQuota: weighted([4, one(true)], [1, one(false)]),
  }),
  steps: fc.array(step, { minLength: STEPS, maxLength: STEPS }),
  from: fc.nat(9999),
  chance: fc.array(fc.nat(6), { minLength: 30, maxLength: 30 }),
});
export type Run = Value<typeof run>;
