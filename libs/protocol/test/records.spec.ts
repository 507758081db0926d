import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JuteError, JuteReader, decode, encode, type Codec } from '@aviary/jute';
import {
  ErrorCode,
  MULTI_END,
  MULTI_HEADER_BYTES,
  OpCode,
  REPLY_HEADER_BYTES,
  STAT_BYTES,
  StatOffset,
  TXN_DIGEST_BYTES,
  TXN_HEADER_BYTES,
  acl,
  createRequest,
  errorCodeName,
  multiHeader,
  multiRequest,
  multiResponse,
  opCodeName,
  replyHeader,
  stat,
  txnDigest,
  txnHeader,
  type MultiOperation,
  type MultiResult,
} from '@aviary/protocol';

const PROPERTY = { seed: 20_240_229, numRuns: 150 };

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const text = fc.string({ unit: 'binary', maxLength: 12 });
const data = fc.option(fc.uint8Array({ maxLength: 20 }));

const anyStat = fc.record({
  czxid: int64,
  mzxid: int64,
  ctime: int64,
  mtime: int64,
  version: int32,
  cversion: int32,
  aversion: int32,
  ephemeralOwner: int64,
  dataLength: int32,
  numChildren: int32,
  pzxid: int64,
});

const anyAcl = fc.option(
  fc.array(fc.record({ perms: int32, id: fc.record({ scheme: text, id: text }) }), {
    maxLength: 3,
  }),
);

const create = { path: text, data, acl: anyAcl, flags: int32 };

function operation(type: number, request: fc.Arbitrary<unknown>) {
  return request.map((value) => ({ type, request: value }) as MultiOperation);
}

function result(type: number, response: fc.Arbitrary<unknown>) {
  return response.map((value) => ({ type, response: value }) as MultiResult);
}

const operations = fc.array(
  fc.oneof(
    operation(OpCode.create, fc.record(create)),
    operation(OpCode.create2, fc.record(create)),
    operation(OpCode.createContainer, fc.record(create)),
    operation(OpCode.createTTL, fc.record({ ...create, ttl: int64 })),
    operation(OpCode.delete, fc.record({ path: text, version: int32 })),
    operation(OpCode.setData, fc.record({ path: text, data, version: int32 })),
    operation(OpCode.check, fc.record({ path: text, version: int32 })),
    operation(OpCode.getData, fc.record({ path: text, watch: fc.boolean() })),
    operation(OpCode.getChildren, fc.record({ path: text, watch: fc.boolean() })),
  ),
  { maxLength: 6 },
);

const results = fc.array(
  fc.oneof(
    result(OpCode.create, fc.record({ path: text })),
    result(OpCode.create2, fc.record({ path: text, stat: anyStat })),
    result(OpCode.delete, fc.constant(null)),
    result(OpCode.check, fc.constant(null)),
    result(OpCode.setData, fc.record({ stat: anyStat })),
    result(OpCode.getData, fc.record({ data, stat: anyStat })),
    result(OpCode.getChildren, fc.record({ children: fc.array(text, { maxLength: 3 }) })),
    result(OpCode.error, fc.record({ err: int32 })),
  ),
  { maxLength: 6 },
);

function expectRoundTrip<T>(codec: Codec<T>, value: T): void {
  const bytes = encode(codec, value);
  const reader = new JuteReader(bytes);
  expect(codec.read(reader)).toEqual(value);
  expect(reader.remaining).toBe(0);
}

/** Cheaper than `toThrow`, for properties that ask very often. */
function failsWithJuteError(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch (error) {
    return error instanceof JuteError;
  }
}

describe('records of fixed size', () => {
  const sizes: [string, Codec<unknown>, number][] = [
    ['Stat', stat, STAT_BYTES],
    ['ReplyHeader', replyHeader, REPLY_HEADER_BYTES],
    ['MultiHeader', multiHeader, MULTI_HEADER_BYTES],
    ['TxnHeader', txnHeader, TXN_HEADER_BYTES],
    ['TxnDigest', txnDigest, TXN_DIGEST_BYTES],
  ];

  it.each(sizes)('%s has the length that is exported for it', (_name, codec, bytes) => {
    expect(codec.bytesMin).toBe(bytes);
    expect(encode(codec, decode(codec, new Uint8Array(bytes)))).toHaveLength(bytes);
  });

  it('Stat has its fields at the offsets that are exported', () => {
    for (const [field, offset] of Object.entries(StatOffset)) {
      const bytes = new Uint8Array(STAT_BYTES);
      bytes[offset] = 0x40;
      const value = decode(stat, bytes);
      const others = Object.entries(value).filter(
        ([name, each]) => name !== field && Number(each) !== 0,
      );
      expect(Number(value[field as keyof typeof value])).toBeGreaterThan(0);
      expect(others).toEqual([]);
    }
  });
});

describe('create', () => {
  it('survives a round trip with any data and ACL, null and empty apart', () => {
    fc.assert(
      fc.property(fc.record(create), (value) => expectRoundTrip(createRequest, value)),
      PROPERTY,
    );
  });

  it('bounds the entries of an ACL by the bytes that are there', () => {
    const ten = encode(createRequest, { path: '/', data: null, acl: [], flags: 0 });
    const countAt = 4 + 1 + 4;
    new DataView(ten.buffer).setInt32(countAt, 0x0fff_ffff);
    expect(() => decode(createRequest, ten)).toThrow(
      /CreateRequest\.acl: count 268435455 is beyond/,
    );
    expect(acl.bytesMin).toBe(12);
  });
});

describe('multi', () => {
  it('survives a round trip as a request', () => {
    fc.assert(
      fc.property(operations, (list) => expectRoundTrip(multiRequest, list)),
      PROPERTY,
    );
  });

  it('survives a round trip as a reply, and errors stand in the header too', () => {
    fc.assert(
      fc.property(results, (list) => expectRoundTrip(multiResponse, list)),
      PROPERTY,
    );
    const bytes = encode(multiResponse, [{ type: -1, response: { err: ErrorCode.noNode } }]);
    const header = decode(multiHeader, bytes);
    expect(header).toEqual({ type: -1, done: false, err: ErrorCode.noNode });
  });

  it('ends early with a JuteError wherever it is cut', () => {
    fc.assert(
      fc.property(operations, (list) => {
        const bytes = encode(multiRequest, list);
        for (let length = 0; length < bytes.length; length++) {
          if (!failsWithJuteError(() => decode(multiRequest, bytes.subarray(0, length))))
            return false;
        }
        return true;
      }),
      PROPERTY,
    );
  });

  it.each([OpCode.setACL, OpCode.multi, OpCode.error, OpCode.closeSession, 99])(
    'refuses type %i in a request',
    (type) => {
      const bytes = encode(multiHeader, { type, done: false, err: -1 });
      expect(() => decode(multiRequest, Buffer.concat([bytes, new Uint8Array(64)]))).toThrow(
        new JuteError(`type ${type} cannot stand in a multi`),
      );
    },
  );

  it('is its end marker when it is empty', () => {
    expect(Buffer.from(encode(multiRequest, [])).toString('hex')).toBe('ffffffff01ffffffff');
    expect(encode(multiHeader, MULTI_END)).toHaveLength(MULTI_HEADER_BYTES);
  });
});

describe('names', () => {
  it('of operations and errors are those of the constants', () => {
    expect(opCodeName(OpCode.createTTL)).toBe('createTTL');
    expect(opCodeName(99)).toBe('unknown(99)');
    expect(errorCodeName(ErrorCode.noNode)).toBe('noNode');
    expect(errorCodeName(-99)).toBe('unknown(-99)');
  });

  it('of different operations and errors have different numbers', () => {
    for (const constants of [OpCode, ErrorCode]) {
      const numbers = Object.values(constants);
      expect(new Set<number>(numbers).size).toBe(numbers.length);
    }
  });
});
