const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** A numeric address: four or sixteen bytes. */
export type IpBytes = Uint8Array;

/**
 * The bytes of a numeric address; null if `text` is none. An IPv4 address that came in over an
 * IPv6 socket (`::ffff:a.b.c.d`) is taken as the IPv4 address that it is.
 */
export function parseIp(text: string): IpBytes | null {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text);
  const plain = mapped?.[1] ?? text;
  return plain.includes(':') ? parseIpv6(plain) : parseIpv4(plain);
}

function parseIpv4(text: string): IpBytes | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    bytes[at] = Number(part);
  }
  return bytes;
}

function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  for (const group of text.split(':')) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    groups.push(parseInt(group, 16));
  }
  return groups;
}

function parseIpv6(text: string): IpBytes | null {
  const zone = text.indexOf('%');
  const halves = (zone < 0 ? text : text.slice(0, zone)).split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '');
  const tail = parseGroups(halves[1] ?? '');
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** `address` or `address/bits`; null if it is neither. */
export function parseIpRange(text: string): { bytes: IpBytes; bits: number } | null {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bitsText = slash < 0 ? null : text.slice(slash + 1);
  const bytes = parseIp(address);
  if (bytes === null) return null;
  const most = bytes.length === 4 ? IPV4_BITS : IPV6_BITS;
  if (bitsText === null) return { bytes, bits: most };
  if (!/^\d{1,3}$/.test(bitsText) || Number(bitsText) > most) return null;
  return { bytes, bits: Number(bitsText) };
}

/** Whether the first `bits` bits of both are equal; addresses of different families never are. */
export function isInIpRange(address: IpBytes, range: { bytes: IpBytes; bits: number }): boolean {
  if (address.length !== range.bytes.length) return false;
  const wholeBytes = range.bits >>> 3;
  for (let at = 0; at < wholeBytes; at++) {
    if (address[at] !== range.bytes[at]) return false;
  }
  const restBits = range.bits & 7;
  if (restBits === 0) return true;
  return ((address[wholeBytes] ^ range.bytes[wholeBytes]) & (0xff << (8 - restBits))) === 0;
}
