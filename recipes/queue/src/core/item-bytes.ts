import { ItemFormatError } from './queue-errors.js';

const VERSION = 0x0001_0001;
const ITEM = 0x01;
const END = 0x02;
const VERSION_BYTES = 4;
const ITEM_HEADER_BYTES = 5;

/**
 * The bytes of one node with one item or several, as Curator's `ItemSerializer` writes them: a version of
 * four bytes; for each item a 1, its length in four bytes, and itself; a 2 at the end.
 */
export function encodeItems(items: readonly Uint8Array[]): Buffer {
  const pieces: Uint8Array[] = [Buffer.alloc(VERSION_BYTES)];
  (pieces[0] as Buffer).writeInt32BE(VERSION);
  for (const item of items) {
    const header = Buffer.alloc(ITEM_HEADER_BYTES);
    header[0] = ITEM;
    header.writeInt32BE(item.length, 1);
    pieces.push(header, item);
  }
  pieces.push(Buffer.of(END));
  return Buffer.concat(pieces);
}

/** The items in the bytes of a node. @throws {ItemFormatError} */
export function decodeItems(bytes: Buffer, path: string | null = null): Buffer[] {
  const refuse = (problem: string): never => {
    throw new ItemFormatError(path, problem);
  };
  if (bytes.length < VERSION_BYTES) return refuse(`${bytes.length} bytes are too few`);
  const version = bytes.readInt32BE();
  if (version !== VERSION) return refuse(`its version is 0x${version.toString(16)}`);
  const items: Buffer[] = [];
  for (let at = VERSION_BYTES; ;) {
    const kind = bytes[at];
    if (kind === END) return items;
    if (kind === undefined) return refuse('its end is missing');
    if (kind !== ITEM) return refuse(`at ${at} stands a ${kind} and not the start of an item`);
    if (at + ITEM_HEADER_BYTES > bytes.length) return refuse('it ends within a length');
    const start = at + ITEM_HEADER_BYTES;
    const length = bytes.readInt32BE(at + 1);
    if (length < 0 || start + length > bytes.length) {
      return refuse(`at ${at} stands a length of ${length}`);
    }
    items.push(bytes.subarray(start, start + length));
    at = start + length;
  }
}
