import { readInt32 } from '@aviary/foundation';

/** What a stream of xerial's snappy starts with, then two ints for its version. */
export const SNAPPY_MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const STREAM_HEADER_BYTES = 16;

/** Bytes that are not what they claim to be. */
export class SnappyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/**
 * The bytes of a snappy stream as ZooKeeper writes it: xerial's framing around raw snappy blocks.
 *
 * @throws {SnappyError}
 */
export function unsnappyStream(stream: Uint8Array): Uint8Array {
  if (!SNAPPY_MAGIC.every((byte, i) => stream[i] === byte)) {
    throw new SnappyError('the stream does not start with the mark of snappy');
  }
  const blocks: Uint8Array[] = [];
  for (let at = STREAM_HEADER_BYTES; at < stream.length;) {
    const length = at + 4 <= stream.length ? readInt32(stream, at) : -1;
    if (length < 0 || at + 4 + length > stream.length) throw new SnappyError('a block is cut off');
    blocks.push(unsnappyBlock(stream.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return Buffer.concat(blocks);
}

/** Reads the parts of one raw block. */
class BlockReader {
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    if (this.at >= this.bytes.length) throw new SnappyError('a block ends early');
    return this.bytes[this.at++];
  }

  /** A little-endian number of so many bytes. */
  littleEndian(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.byte() * 2 ** (8 * i);
    return value;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new SnappyError('a length is too long');
  }
}

/** Undoes one block of raw snappy: runs of literal bytes, and copies of what came before. */
function unsnappyBlock(block: Uint8Array): Uint8Array {
  const reader = new BlockReader(block);
  const output = new Uint8Array(reader.varint());
  let filled = 0;
  while (reader.at < block.length) {
    const tag = reader.byte();
    const isLiteral = (tag & 3) === 0;
    const length = isLiteral ? literalLength(reader, tag) : copyLength(tag);
    const from = isLiteral ? reader.at : filled - copyOffset(reader, tag);
    if (filled + length > output.length || from < 0) throw new SnappyError('a block overflows');
    if (!isLiteral && from === filled) throw new SnappyError('a copy of nothing');
    if (isLiteral) {
      if (from + length > block.length) throw new SnappyError('a block ends early');
      output.set(block.subarray(from, from + length), filled);
      reader.at += length;
    } else {
      // A copy may reach into what it writes: byte by byte, as the format means it.
      for (let i = 0; i < length; i++) output[filled + i] = output[from + i];
    }
    filled += length;
  }
  if (filled !== output.length) throw new SnappyError('a block is too short');
  return output;
}

function literalLength(reader: BlockReader, tag: number): number {
  const short = tag >>> 2;
  return (short < 60 ? short : reader.littleEndian(short - 59)) + 1;
}

function copyLength(tag: number): number {
  return (tag & 3) === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
}

function copyOffset(reader: BlockReader, tag: number): number {
  if ((tag & 3) === 1) return (tag >>> 5) * 256 + reader.byte();
  return reader.littleEndian((tag & 3) === 2 ? 2 : 4);
}
