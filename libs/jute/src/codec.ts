import { assert } from '@aviary/foundation';
import { JuteError } from './error.js';
import { JuteReader } from './reader.js';
import { JuteWriter } from './writer.js';

/** How a value of type `T` stands on the wire. */
export interface Codec<T> {
  /** The fewest bytes that a value takes. */
  readonly bytesMin: number;
  read(reader: JuteReader): T;
  write(writer: JuteWriter, value: T): void;
}

/** The type of the values of a codec. */
export type Infer<C> = C extends Codec<infer T> ? T : never;

/** Four bytes, signed. */
export const int: Codec<number> = {
  bytesMin: 4,
  read: (reader) => reader.int(),
  write: (writer, value) => writer.int(value),
};

/** Eight bytes, signed. */
export const long: Codec<bigint> = {
  bytesMin: 8,
  read: (reader) => reader.long(),
  write: (writer, value) => writer.long(value),
};

/** One byte. */
export const bool: Codec<boolean> = {
  bytesMin: 1,
  read: (reader) => reader.bool(),
  write: (writer, value) => writer.bool(value),
};

/** Bytes with a length; null (-1) and empty (0) are different values. */
export const buffer: Codec<Uint8Array | null> = {
  bytesMin: 4,
  read: (reader) => reader.buffer(),
  write: (writer, value) => writer.buffer(value),
};

/** UTF-8 text with a length, never null: a null on the wire is refused. */
export const ustring: Codec<string> = {
  bytesMin: 4,
  read: (reader) => {
    const value = reader.ustring();
    if (value === null) throw new JuteError('string is null');
    return value;
  },
  write: (writer, value) => writer.ustring(value),
};

/** UTF-8 text with a length; null (-1) and empty (0) are different values. */
export const nullableUstring: Codec<string | null> = {
  bytesMin: 4,
  read: (reader) => reader.ustring(),
  write: (writer, value) => writer.ustring(value),
};

/** A count and that many elements, never null: a null on the wire is refused. */
export function vector<T>(element: Codec<T>): Codec<readonly T[]> {
  const nullable = nullableVector(element);
  return {
    bytesMin: 4,
    read: (reader) => {
      const values = nullable.read(reader);
      if (values === null) throw new JuteError('vector is null');
      return values;
    },
    write: (writer, values) => nullable.write(writer, values),
  };
}

/** A count and that many elements; null (-1) and empty (0) are different values. */
export function nullableVector<T>(element: Codec<T>): Codec<readonly T[] | null> {
  assert(element.bytesMin > 0, 'an element takes at least one byte, or its count has no bound');
  return {
    bytesMin: 4,
    read: (reader) => {
      const count = reader.count(element.bytesMin);
      if (count < 0) return null;
      const values: T[] = [];
      for (let i = 0; i < count; i++) values.push(element.read(reader));
      return values;
    },
    write: (writer, values) => {
      if (values === null) {
        writer.int(-1);
        return;
      }
      writer.int(values.length);
      for (const value of values) element.write(writer, value);
    },
  };
}

/** A record codec: its fields in wire order, without tags or lengths. */
export interface RecordCodec<T> extends Codec<T> {
  readonly name: string;
}

type Fields = Readonly<Record<string, Codec<never>>>;
type RecordOf<F> = { readonly [K in keyof F]: F[K] extends Codec<infer T> ? T : never };

/**
 * A record of `fields`; the order of the properties is the order on the wire.
 *
 * @example
 * const id = record('Id', { scheme: ustring, id: ustring });
 * type Id = Infer<typeof id>; // { readonly scheme: string; readonly id: string }
 */
export function record<F extends object>(
  name: string,
  fields: F & { [K in keyof F]: Codec<never> | Codec<unknown> },
): RecordCodec<RecordOf<F>> {
  const entries = Object.entries(fields as Fields) as [string, Codec<unknown>][];
  return {
    name,
    bytesMin: entries.reduce((sum, [, codec]) => sum + codec.bytesMin, 0),
    read: (reader) => {
      const value: Record<string, unknown> = {};
      for (const [field, codec] of entries) value[field] = readField(reader, codec, name, field);
      return value as RecordOf<F>;
    },
    write: (writer, value) => {
      const source = value as Record<string, unknown>;
      for (const [field, codec] of entries) codec.write(writer, source[field]);
    },
  };
}

function readField(
  reader: JuteReader,
  codec: Codec<unknown>,
  name: string,
  field: string,
): unknown {
  try {
    return codec.read(reader);
  } catch (error) {
    if (error instanceof JuteError) throw new JuteError(`${name}.${field}: ${error.message}`);
    throw error;
  }
}

/** The bytes of `value`. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new JuteWriter();
  codec.write(writer, value);
  return writer.take();
}

/**
 * The value that starts at the first of `bytes`; bytes behind it are ignored, as ZooKeeper does.
 *
 * @throws {JuteError}
 */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  return codec.read(new JuteReader(bytes));
}
