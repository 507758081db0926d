/**
 * Shares items out among members without anybody who decides: of all members the one with the
 * highest score for an item owns it (rendezvous hashing). A score depends on nothing but the two
 * names. So everybody who knows the members comes to the same result, and a member that goes or
 * comes moves only the items that it had, or that it gets.
 *
 * @returns The owner of each item; empty if there are no members.
 */
export function shareOut(
  items: readonly string[],
  members: readonly string[],
): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const item of items) {
    const owner = ownerOf(item, members);
    if (owner !== null) owners.set(item, owner);
  }
  return owners;
}

function ownerOf(item: string, members: readonly string[]): string | null {
  let owner: string | null = null;
  let highest: Score = [-1, -1];
  for (const member of members) {
    const score = scoreOf(item, member);
    const order = compare(score, highest);
    // Equal scores are next to impossible; the names decide all the same, not the order of the
    // list.
    if (order < 0 || (order === 0 && owner !== null && member > owner)) continue;
    owner = member;
    highest = score;
  }
  return owner;
}

/** 64 bits in two halves. */
type Score = readonly [high: number, low: number];

function scoreOf(item: string, member: string): Score {
  const bytes = Buffer.from(`${member}\n${item}`);
  return [hash32(bytes, 0), hash32(bytes, 0x9747b28c)];
}

function compare([high, low]: Score, [otherHigh, otherLow]: Score): number {
  return high - otherHigh || low - otherLow;
}

/** MurmurHash3, x86, 32 bits: every bit of the input changes half of the output. */
export function hash32(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  const whole = bytes.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    hash ^= mixed(wordAt(bytes, at, 4));
    hash = (Math.imul(rotated(hash, 13), 5) + 0xe6546b64) | 0;
  }
  if (whole < bytes.length) hash ^= mixed(wordAt(bytes, whole, bytes.length - whole));
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Up to four bytes as a number, the first one lowest. */
function wordAt(bytes: Uint8Array, at: number, count: number): number {
  let word = 0;
  for (let byte = 0; byte < count; byte++) word |= (bytes[at + byte] ?? 0) << (8 * byte);
  return word;
}

function mixed(word: number): number {
  return Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
