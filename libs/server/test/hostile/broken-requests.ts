import { encode } from '@aviary/jute';
import { AddWatchMode, OPEN_ACL, OpCode, createRequest } from '@aviary/protocol';
import type { SeededRandom } from '@aviary/simulator';
import {
  addWatch,
  auth,
  check,
  checkWatches,
  closeSession,
  create,
  create2,
  createContainer,
  createEphemeral,
  createTtl,
  exists,
  getAcl,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  multiRead,
  ping,
  rawMulti,
  remove,
  removeWatches,
  setAcl,
  setData,
  setWatches,
  sync,
  whoAmI,
  type Request,
} from '../requests.js';

const NOTHING = new Uint8Array(0);
const WATCHER_TYPE_ANY = 3;

/** Paths that are wrong, unusual or long; some could be made. */
export const PATHS: readonly [string, ...string[]] = [
  '/',
  '/zookeeper',
  '/zookeeper/config',
  '/zookeeper/quota/a',
  '',
  'a',
  'a/b',
  '//',
  '/a//b',
  '/a/',
  '/.',
  '/..',
  '/a/../b',
  '/a/./b',
  '/...',
  '/\u0000',
  '/a\u0000b',
  '/\u0001',
  '/\u007f',
  '/\ud800',
  '/\ufffd',
  '/\uf8ff',
  '/\ufeff',
  '/😀',
  '/__proto__',
  '/constructor',
  '/hasOwnProperty',
  '/toString/valueOf',
  `/${'x'.repeat(300)}`,
  `/${'d/'.repeat(400)}d`,
  `/${'l'.repeat(70_000)}`,
];

/** One well-formed request of every kind that clients send, on `path`. */
export function requestsOn(path: string): Request[] {
  const node = { path, data: NOTHING, acl: [...OPEN_ACL], flags: 0 };
  return [
    create(path, { data: 'data' }),
    create2(path, { flags: 2 }),
    createContainer(path),
    createTtl(path, 10_000),
    createEphemeral(path),
    remove(path),
    setData(path, 'data', 3),
    setAcl(path, OPEN_ACL),
    multi([
      { type: OpCode.create, request: node },
      { type: OpCode.setData, request: { path, data: null, version: -1 } },
      { type: OpCode.check, request: { path, version: 1 } },
      { type: OpCode.delete, request: { path, version: -1 } },
    ]),
    multiRead([
      { type: OpCode.getData, request: { path, watch: true } },
      { type: OpCode.getChildren, request: { path, watch: false } },
    ]),
    getData(path, true),
    exists(path, true),
    getChildren(path, true),
    getChildren2(path),
    getAcl(path),
    getAllChildrenNumber(path),
    getEphemerals(path),
    sync(path),
    addWatch(path, AddWatchMode.persistentRecursive),
    checkWatches(path, WATCHER_TYPE_ANY),
    removeWatches(path, WATCHER_TYPE_ANY),
    setWatches(1, { data: [path], exist: [path], child: [path], persistent: [path] }),
    whoAmI,
  ];
}

/** What a request says after its path has become null: minus one in place of its length. */
export function withNullPath({ type, body }: Request): Request {
  const length = Buffer.from(body).readInt32BE(0);
  const nulled = Buffer.concat([Buffer.from('ffffffff', 'hex'), body.subarray(4 + length)]);
  return { type, body: nulled };
}

/** Those of {@link requestsOn} whose record begins with the path. */
export function startingWithPath(path: string): [Request, ...Request[]] {
  const begins = ({ body }: Request) => body.length > 4 && body[3] === path.length;
  const [first, ...rest] = requestsOn(path).filter(begins);
  if (first === undefined) throw new Error('no request begins with its path');
  return [first, ...rest];
}

/** A create whose path is not UTF-8. */
export function createOfBytes(path: Uint8Array): Request {
  const { type, body } = create('');
  const length = Buffer.alloc(4);
  length.writeInt32BE(path.length);
  return { type, body: Buffer.concat([length, path, body.subarray(4)]) };
}

const part = (type: number, body: Uint8Array): Request => ({ type, body });

/** Multis that are wrong in one way each. */
export const MULTIS: readonly [Request, ...Request[]] = [
  part(OpCode.multi, NOTHING),
  part(OpCode.multi, Buffer.from('ffffffff00ffffffff', 'hex')),
  part(OpCode.multi, Buffer.from('7fffffff01ffffffff', 'hex')),
  part(OpCode.multi, Buffer.from('00000001', 'hex')),
  rawMulti(OpCode.multi, [withNullPath(check('/a'))]),
  rawMulti(OpCode.multi, [withNullPath(remove('/a'))]),
  rawMulti(OpCode.multi, [create('/m'), withNullPath(setData('/a', 'x'))]),
  rawMulti(OpCode.multi, [create('/m'), getData('/m')]),
  rawMulti(OpCode.multi, [setAcl('/', OPEN_ACL)]),
  rawMulti(OpCode.multi, [part(OpCode.multi, rawMulti(OpCode.multi, [create('/m')]).body)]),
  rawMulti(OpCode.multi, [part(OpCode.closeSession, NOTHING)]),
  rawMulti(OpCode.multi, [part(OpCode.createSession, Buffer.from('00001000', 'hex'))]),
  rawMulti(OpCode.multi, [
    part(
      OpCode.deleteContainer,
      encode(createRequest, {
        path: '/a',
        data: null,
        acl: [],
        flags: 0,
      }),
    ),
  ]),
  rawMulti(OpCode.multi, [part(OpCode.error, Buffer.from('00000000', 'hex'))]),
  rawMulti(OpCode.multiRead, [create('/m')]),
  rawMulti(OpCode.multiRead, [withNullPath(getData('/a'))]),
  rawMulti(
    OpCode.multi,
    Array.from({ length: 3000 }, () => check('/', -1)),
  ),
];

/** Operation numbers that no client may use. */
export const FOREIGN_TYPES: readonly [number, ...number[]] = [
  OpCode.check,
  OpCode.createSession,
  OpCode.deleteContainer,
  OpCode.error,
  0,
  10,
  23,
  99,
  108,
  127,
  128,
  -2,
  -16,
  -17,
  0x7fff_ffff,
  -0x8000_0000,
];

/** Any request, whole. */
export function anyRequest(random: SeededRandom): Request {
  const path = random.chance(0.5) ? `/n${random.below(20)}` : random.pick(PATHS);
  const all = requestsOn(path);
  return all[random.below(all.length)]!;
}

/** A request that is cut, longer than it should be, or has a few wrong bytes. */
export function damagedRequest(random: SeededRandom): Request {
  const { type, body } = anyRequest(random);
  if (random.chance(0.3)) return { type, body: body.subarray(0, random.below(body.length + 1)) };
  if (random.chance(0.2)) return { type, body: Buffer.concat([body, random.bytes(9)]) };
  const bytes = Uint8Array.from(body);
  for (let i = 1 + random.below(4); i > 0 && bytes.length > 0; i--) {
    // The lengths are in front, and they are what hurts.
    const at = random.chance(0.5)
      ? random.below(Math.min(bytes.length, 12))
      : random.below(bytes.length);
    bytes[at] = random.chance(0.5) ? 0xff : random.below(256);
  }
  return { type, body: bytes };
}

/** Requests as a hostile client might put them in a row. */
export function hostileRequest(random: SeededRandom): Request {
  const draw = random.fraction();
  if (draw < 0.3) return damagedRequest(random);
  if (draw < 0.45) return anyRequest(random);
  if (draw < 0.6) return random.pick(MULTIS);
  if (draw < 0.65)
    return { type: random.pick(FOREIGN_TYPES), body: random.bytes(random.below(60)) };
  if (draw < 0.72) return { type: OpCode.reconfig, body: random.bytes(random.below(60)) };
  if (draw < 0.78)
    return auth(random.pick(['digest', 'ip', 'world', 'nope']), 'x'.repeat(random.below(3000)));
  if (draw < 0.85) return createOfBytes(Buffer.concat([Buffer.from('/'), random.bytes(6)]));
  if (draw < 0.9) return withNullPath(random.pick(startingWithPath('/a')));
  if (draw < 0.92) return closeSession;
  return ping;
}
