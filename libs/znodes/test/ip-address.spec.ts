import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isInIpRange, parseIp, parseIpRange } from '../src/ip-address.js';

/** Whether a connection from `address` is meant by the ACL id `range`; null: one of them is none. */
function isMeant(address: string, range: string): boolean | null {
  const bytes = parseIp(address);
  const parsed = parseIpRange(range);
  return bytes === null || parsed === null ? null : isInIpRange(bytes, parsed);
}

function hexOf(text: string): string | null {
  const bytes = parseIp(text);
  return bytes === null ? null : Buffer.from(bytes).toString('hex');
}

describe('an address', () => {
  it.each([
    ['127.0.0.1', '7f000001'],
    ['255.255.255.255', 'ffffffff'],
    ['0.0.0.0', '00000000'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:db8::Ff00:42:8329', '20010db8000000000000ff0000428329'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    // How Node reports an IPv4 peer of an IPv6 socket.
    ['::ffff:10.1.2.3', '0a010203'],
    ['::FFFF:10.1.2.3', '0a010203'],
  ])('%s is %s', (text, hex) => {
    expect(hexOf(text)).toBe(hex);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.-4',
    '1.2.3.4a',
    ' 1.2.3.4',
    '1.2.3.0004',
    '1..2.3',
    'localhost',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2:3:4:5:6:7:8',
    ':1:2:3:4:5:6:7',
    '12345::',
    'g::',
    '::1.2.3.4',
    '::ffff:1.2.3.400',
  ])('is not "%s"', (text) => {
    expect(parseIp(text)).toBeNull();
  });
});

describe('a range', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.2', '10.0.0.1', false],
    ['10.0.0.255', '10.0.0.0/24', true],
    ['10.0.1.0', '10.0.0.0/24', false],
    ['10.0.0.130', '10.0.0.128/25', true],
    ['10.0.0.127', '10.0.0.128/25', false],
    ['10.0.0.3', '10.0.0.0/30', true],
    ['10.0.0.4', '10.0.0.0/30', false],
    ['10.0.0.1', '10.0.0.0/31', true],
    ['10.0.0.1', '10.0.0.1/32', true],
    ['10.0.0.0', '10.0.0.1/32', false],
    ['200.1.2.3', '0.0.0.0/0', true],
    ['200.1.2.3', '128.0.0.0/1', true],
    ['100.1.2.3', '128.0.0.0/1', false],
    ['::ffff:10.0.0.9', '10.0.0.0/24', true],
    ['2001:db8::1', '2001:db8::/32', true],
    ['2001:db9::1', '2001:db8::/32', false],
    ['2001:db8::8000', '2001:db8::/113', false],
    ['2001:db8::7fff', '2001:db8::/113', true],
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1/128', true],
    ['2001:db8::2', '2001:db8::1/128', false],
    ['::1', '::/0', true],
    // Families never meet, not even where every bit that counts is equal.
    ['10.0.0.1', '::/0', false],
    ['::1', '0.0.0.0/0', false],
    ['10.0.0.1', '0a00:1::/8', false],
  ])('%s in %s: %s', (address, range, expected) => {
    expect(isMeant(address, range)).toBe(expected);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '10.0.0.0/8x',
    '10.0.0.0/0x8',
    '10.0.0/8',
    '::/129',
    '::/',
    '/8',
    'anyone',
    '',
  ])('is not "%s"', (text) => {
    expect(parseIpRange(text)).toBeNull();
  });

  it('means exactly the addresses whose first bits are its own', () => {
    const bits = (bytes: Uint8Array) =>
      [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const address = fc.uint8Array({ minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(address, address, fc.nat(32), fc.nat(32), (a, b, length, flipped) => {
        // Half of them equal up to one bit, so that both answers are met.
        const near = flipped % 2 === 0 ? Uint8Array.from(a) : b;
        if (flipped < 32) near[flipped >>> 3]! ^= 0x80 >>> (flipped & 7);
        const range = parseIpRange(`${near.join('.')}/${length}`)!;
        const isSame = bits(a).slice(0, length) === bits(near).slice(0, length);
        expect(isInIpRange(a, range)).toBe(isSame);
      }),
      { seed: 20_261_127, numRuns: 300 },
    );
  });
});

describe('a megabyte of text that is no address', () => {
  const length = 1_000_000;

  it.each([
    ['percent signs', `${'%'.repeat(length)}\n:`],
    ['colons', ':'.repeat(length)],
    ['dots', '.'.repeat(length)],
    ['digits', '1'.repeat(length)],
    ['digits behind the prefix of IPv4', `::ffff:${'1'.repeat(length)}.`],
    ['slashes', '/'.repeat(length)],
  ])('of %s is refused as fast as it is read', (_what, text) => {
    expect(parseIpRange(text)).toBeNull();
  });
});
