import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JuteError, JuteReader, JuteWriter } from '@aviary/jute';

const PROPERTY = { seed: 20_240_229, numRuns: 500 };

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });

function written(write: (writer: JuteWriter) => void): string {
  const writer = new JuteWriter();
  write(writer);
  return Buffer.from(writer.take()).toString('hex');
}

function reading(hex: string): JuteReader {
  return new JuteReader(Buffer.from(hex, 'hex'));
}

describe('int', () => {
  it.each([
    [0, '00000000'],
    [1, '00000001'],
    [-1, 'ffffffff'],
    [0x0102_0304, '01020304'],
    [0x7fff_ffff, '7fffffff'],
    [-0x8000_0000, '80000000'],
  ])('%i is %s', (value, hex) => {
    expect(written((writer) => writer.int(value))).toBe(hex);
    expect(reading(hex).int()).toBe(value);
  });
});

describe('long', () => {
  it.each([
    [0n, '0000000000000000'],
    [-1n, 'ffffffffffffffff'],
    [0x0102_0304_0506_0708n, '0102030405060708'],
    [0xffff_ffffn, '00000000ffffffff'],
    [-0x1_0000_0000n, 'ffffffff00000000'],
    [(1n << 63n) - 1n, '7fffffffffffffff'],
    [-(1n << 63n), '8000000000000000'],
  ])('%i is %s', (value, hex) => {
    expect(written((writer) => writer.long(value))).toBe(hex);
    expect(reading(hex).long()).toBe(value);
  });
});

describe('bool', () => {
  it('is written as 0 or 1, and any byte but 0 is read as true', () => {
    expect(written((writer) => writer.bool(true))).toBe('01');
    expect(written((writer) => writer.bool(false))).toBe('00');
    expect(['00', '01', '02', 'ff'].map((hex) => reading(hex).bool())).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
});

describe('buffer and ustring', () => {
  it('keep null and empty apart', () => {
    expect(written((writer) => writer.buffer(null))).toBe('ffffffff');
    expect(written((writer) => writer.buffer(new Uint8Array()))).toBe('00000000');
    expect(written((writer) => writer.ustring(null))).toBe('ffffffff');
    expect(written((writer) => writer.ustring(''))).toBe('00000000');
    expect(reading('ffffffff').buffer()).toBeNull();
    expect(reading('00000000').buffer()).toEqual(new Uint8Array());
    expect(reading('ffffffff').ustring()).toBeNull();
    expect(reading('00000000').ustring()).toBe('');
  });

  it('have their length in bytes in front', () => {
    expect(written((writer) => writer.buffer(Uint8Array.of(0, 255)))).toBe('0000000200ff');
    expect(written((writer) => writer.ustring('ä漢😀'))).toBe('00000009c3a4e6bca2f09f9880');
    expect(reading('00000009c3a4e6bca2f09f9880').ustring()).toBe('ä漢😀');
  });

  it('keep a byte order mark: it is a character of the text', () => {
    expect(reading('00000004efbbbf61').ustring()).toBe('\ufeffa');
  });

  it('give a copy of the bytes, not a view', () => {
    const frame = Buffer.from('0000000101', 'hex');
    const copy = new JuteReader(frame).buffer();
    frame.fill(9);
    expect(copy).toEqual(Uint8Array.of(1));
  });

  it.each([
    ['-2', 'fffffffe', 'negative length -2'],
    ['the most negative', '80000000', 'negative length -2147483648'],
    ['one too many', '0000000461 62 63', 'length 4 is beyond the 3 bytes that remain'],
    ['huge', '7fffffff61', 'length 2147483647 is beyond the 1 bytes that remain'],
  ])('refuse a length that is %s', (_name, hex, message) => {
    const bytes = hex.replaceAll(' ', '');
    expect(() => reading(bytes).buffer()).toThrow(new JuteError(message));
    expect(() => reading(bytes).ustring()).toThrow(new JuteError(message));
  });

  it.each([
    ['a lone continuation byte', '80'],
    ['a start without its rest', 'c3'],
    ['an overlong slash', 'c0af'],
    ['a surrogate', 'eda080'],
    ['a character beyond U+10FFFF', 'f4908080'],
    ['a byte that UTF-8 never has', 'ff'],
  ])('refuse text with %s', (_name, hex) => {
    const length = (hex.length / 2).toString(16).padStart(8, '0');
    expect(() => reading(length + hex).ustring()).toThrow(new JuteError('string is not UTF-8'));
    expect(reading(length + hex).buffer()).toEqual(new Uint8Array(Buffer.from(hex, 'hex')));
  });
});

describe('count', () => {
  it('is bounded by the bytes that remain', () => {
    expect(reading('00000002' + '00'.repeat(8)).count(4)).toBe(2);
    expect(reading('ffffffff').count(4)).toBe(-1);
    expect(() => reading('00000003' + '00'.repeat(11)).count(4)).toThrow(
      new JuteError('count 3 is beyond the 11 bytes that remain'),
    );
    expect(() => reading('7fffffff').count(1)).toThrow(JuteError);
    expect(() => reading('fffffffe').count(4)).toThrow(new JuteError('negative count -2'));
  });
});

describe('JuteReader', () => {
  const bytes = Buffer.from('ee 0000000161 0000000162 ee'.replaceAll(' ', ''), 'hex');

  it('reads its part of a buffer and nothing else', () => {
    const reader = new JuteReader(bytes, 1, 6);
    expect(reader.ustring()).toBe('a');
    expect(reader.remaining).toBe(0);
    expect(() => reader.bool()).toThrow(JuteError);
    expect(reader.reset(bytes, 6, 11).ustring()).toBe('b');
  });

  it('needs every byte of a primitive', () => {
    for (const [size, read] of [
      [4, (reader: JuteReader) => reader.int()],
      [8, (reader: JuteReader) => reader.long()],
      [1, (reader: JuteReader) => reader.bool()],
    ] as const) {
      for (let length = 0; length < size; length++) {
        expect(() => read(new JuteReader(new Uint8Array(16), 0, length))).toThrow(JuteError);
      }
    }
  });
});

describe('JuteWriter', () => {
  const value = fc.oneof(
    int32.map((each) => ['int', each] as const),
    int64.map((each) => ['long', each] as const),
    fc.boolean().map((each) => ['bool', each] as const),
    fc.option(fc.uint8Array()).map((each) => ['buffer', each] as const),
    fc
      .option(fc.string({ unit: 'binary', maxLength: 40 }))
      .map((each) => ['ustring', each] as const),
  );

  it('writes what a reader reads, however often its buffer must grow', () => {
    fc.assert(
      fc.property(fc.array(value), fc.integer({ min: 0, max: 40 }), (values, initialBytes) => {
        const writer = new JuteWriter(initialBytes);
        for (const [kind, each] of values) writer[kind](each as never);
        const reader = new JuteReader(writer.take());
        for (const [kind, each] of values) expect(reader[kind]()).toEqual(each);
        expect(reader.remaining).toBe(0);
      }),
      PROPERTY,
    );
  });

  it('keeps the very byte that makes its buffer grow', () => {
    for (let before = 0; before < 20; before++) {
      const writer = new JuteWriter(before);
      writer.raw(new Uint8Array(before));
      writer.bool(true);
      expect(writer.take()[before]).toBe(1);
    }
  });

  it('fills in a length that was reserved before', () => {
    const writer = new JuteWriter(4);
    const lengthAt = writer.reserve(4);
    writer.raw(Uint8Array.of(7, 8, 9));
    writer.intAt(lengthAt, 3);
    expect(Buffer.from(writer.take()).toString('hex')).toBe('00000003070809');
  });

  it('starts over and keeps its buffer', () => {
    const writer = new JuteWriter(64);
    writer.ustring('something');
    const { bytes } = writer;
    writer.clear();
    writer.int(1);
    expect(writer.bytes).toBe(bytes);
    expect(Buffer.from(writer.take()).toString('hex')).toBe('00000001');
  });

  it('writes half of a surrogate pair as U+FFFD, never as bytes that are not UTF-8', () => {
    expect(written((writer) => writer.ustring('\ud83d'))).toBe('00000003efbfbd');
  });
});
