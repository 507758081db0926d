import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  JuteError,
  JuteReader,
  bool,
  buffer,
  decode,
  encode,
  int,
  long,
  nullableUstring,
  nullableVector,
  record,
  ustring,
  vector,
  type Codec,
} from '@aviary/jute';

const PROPERTY = { seed: 20_240_229, numRuns: 300 };

const inner = record('Inner', { name: ustring, flags: int });
const outer = record('Outer', {
  number: long,
  isSet: bool,
  data: buffer,
  note: nullableUstring,
  inners: vector(inner),
  names: nullableVector(ustring),
});

const anyText = fc.string({ unit: 'binary', maxLength: 10 });
const anyOuter = fc.record({
  number: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  isSet: fc.boolean(),
  data: fc.option(fc.uint8Array({ maxLength: 10 })),
  note: fc.option(anyText),
  inners: fc.array(fc.record({ name: anyText, flags: fc.integer() }), { maxLength: 4 }),
  names: fc.option(fc.array(anyText, { maxLength: 4 })),
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function outcomeOf(bytes: Uint8Array): unknown {
  try {
    return decode(outer, bytes);
  } catch (error) {
    return error;
  }
}

describe('a record', () => {
  it('has its fields in the order of the properties, without tags or lengths', () => {
    expect(hex(encode(inner, { name: 'ab', flags: 3 }))).toBe('00000002616200000003');
    const keys = Object.keys(decode(inner, fromHex('00000000 00000001')));
    expect(keys).toEqual(['name', 'flags']);
  });

  it('writes in that order too when the value has another', () => {
    expect(hex(encode(inner, { flags: 3, name: '' }))).toBe('0000000000000003');
  });

  it('survives a round trip', () => {
    fc.assert(
      fc.property(anyOuter, (value) => {
        const reader = new JuteReader(encode(outer, value));
        expect(outer.read(reader)).toEqual(value);
        expect(reader.remaining).toBe(0);
      }),
      PROPERTY,
    );
  });

  it('never takes fewer bytes than its minimum', () => {
    fc.assert(
      fc.property(anyOuter, (value) => encode(outer, value).length >= outer.bytesMin),
      PROPERTY,
    );
    expect(outer.bytesMin).toBe(8 + 1 + 4 + 4 + 4 + 4);
  });

  it('ends early with a JuteError wherever it is cut', () => {
    fc.assert(
      fc.property(anyOuter, (value) => {
        const bytes = encode(outer, value);
        for (let length = 0; length < bytes.length; length++) {
          if (!(outcomeOf(bytes.subarray(0, length)) instanceof JuteError)) return false;
        }
        return true;
      }),
      PROPERTY,
    );
  });

  it('decodes or fails with a JuteError, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const outcome = outcomeOf(bytes);
        return !(outcome instanceof Error) || outcome instanceof JuteError;
      }),
      { ...PROPERTY, numRuns: 2000 },
    );
  });

  it('names the field at which it failed', () => {
    const bytes = encode(outer, {
      number: 1n,
      isSet: true,
      data: null,
      note: null,
      inners: [{ name: 'x', flags: 0 }],
      names: null,
    });
    bytes[25] = 0xff; // the one byte of the name
    expect(() => decode(outer, bytes)).toThrow(
      new JuteError('Outer.inners: Inner.name: string is not UTF-8'),
    );
  });

  it('ignores bytes behind it, as ZooKeeper does', () => {
    expect(decode(inner, fromHex('00000000 00000001 99'))).toEqual({ name: '', flags: 1 });
  });
});

describe('null', () => {
  it('is refused where a field may not be null', () => {
    expect(() => decode(ustring, fromHex('ffffffff'))).toThrow(new JuteError('string is null'));
    expect(() => decode(vector(int), fromHex('ffffffff'))).toThrow(new JuteError('vector is null'));
  });

  it('is another value than empty where it may', () => {
    for (const codec of [nullableUstring, nullableVector(int), buffer] as Codec<unknown>[]) {
      expect(hex(encode(codec, null))).toBe('ffffffff');
      expect(decode(codec, fromHex('ffffffff'))).toBeNull();
      expect(decode(codec, fromHex('00000000'))).toHaveLength(0);
    }
  });
});

describe('a vector', () => {
  it('is refused before an element is read when it cannot be there whole', () => {
    let elementsRead = 0;
    const counted: Codec<number> = {
      ...int,
      read: (reader) => {
        elementsRead++;
        return reader.int();
      },
    };
    expect(() => decode(vector(counted), fromHex('40000000 00000001 00000002'))).toThrow(
      new JuteError('count 1073741824 is beyond the 8 bytes that remain'),
    );
    expect(elementsRead).toBe(0);
  });

  it('must have elements of at least one byte, or a count would have no bound', () => {
    expect(() => vector(record('Empty', {}))).toThrow('at least one byte');
  });
});
