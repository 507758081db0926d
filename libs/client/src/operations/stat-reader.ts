import type { JuteReader } from '@aviary/jute';
import { STAT_BYTES, StatOffset, type Stat } from '@aviary/protocol';

let view: DataView = new DataView(new ArrayBuffer(0));

/** A view of the whole buffer; sockets read into the same one over and over. */
function viewOf(buffer: ArrayBufferLike): DataView {
  if (buffer !== view.buffer) view = new DataView(buffer);
  return view;
}

/** Reads a Stat: the same as the record's codec, at a fraction of its cost. */
export function readStat(reader: JuteReader): Stat {
  const from = reader.skip(STAT_BYTES) + reader.bytes.byteOffset;
  const bytes = viewOf(reader.bytes.buffer);
  return {
    czxid: bytes.getBigInt64(from + StatOffset.czxid),
    mzxid: bytes.getBigInt64(from + StatOffset.mzxid),
    ctime: bytes.getBigInt64(from + StatOffset.ctime),
    mtime: bytes.getBigInt64(from + StatOffset.mtime),
    version: bytes.getInt32(from + StatOffset.version),
    cversion: bytes.getInt32(from + StatOffset.cversion),
    aversion: bytes.getInt32(from + StatOffset.aversion),
    ephemeralOwner: bytes.getBigInt64(from + StatOffset.ephemeralOwner),
    dataLength: bytes.getInt32(from + StatOffset.dataLength),
    numChildren: bytes.getInt32(from + StatOffset.numChildren),
    pzxid: bytes.getBigInt64(from + StatOffset.pzxid),
  };
}

/** Reads bytes into memory of their own; null and empty are different values. */
export function readData(reader: JuteReader): Buffer | null {
  const length = reader.length();
  if (length < 0) return null;
  const start = reader.skip(length);
  const data = Buffer.alloc(length);
  data.set(reader.bytes.subarray(start, start + length));
  return data;
}
