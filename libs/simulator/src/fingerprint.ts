/** Under a test runner a global is looked up in the runner's context each time; a constant is not. */
const { imul } = Math;

/** Where a hash begins. */
export const HASH_START = 0x811c_9dc5 | 0;

/** Goes on with a hash (FNV-1a) over `bytes[start..end)`. */
export function foldBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let folded = hash;
  for (let at = start; at < end; at++) folded = imul(folded ^ (bytes[at] ?? 0), 0x0100_0193);
  return folded;
}

/** Goes on with a hash over the UTF-16 units of `text`. */
export function foldText(hash: number, text: string): number {
  let folded = hash;
  for (let at = 0; at < text.length; at++) folded = imul(folded ^ text.charCodeAt(at), 0x0100_0193);
  return folded;
}

/** Spreads every bit of `hash` over all others (the finalizer of MurmurHash3). */
export function mixed(hash: number): number {
  let word = imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  word = imul(word ^ (word >>> 13), 0xc2b2_ae35);
  return word ^ (word >>> 16);
}

/** A number that is very likely different after any change of `bytes`. */
export function fingerprint(bytes: Uint8Array): number {
  return foldBytes(HASH_START, bytes, 0, bytes.length);
}
