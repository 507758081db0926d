import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ZXID_EPOCH_LIMIT,
  ZxidRangeError,
  formatZxid,
  zxidCounter,
  zxidEpoch,
  zxidFromHalves,
  zxidOf,
} from '@aviary/foundation';

const PROPERTY = { seed: 20_240_229, numRuns: 2000 };

const uint32 = fc.nat({ max: 0xffff_ffff });
const epoch = fc.nat({ max: ZXID_EPOCH_LIMIT - 1 });

describe('zxid', () => {
  it('holds every epoch below the limit with every counter, exactly and in order', () => {
    fc.assert(
      fc.property(epoch, uint32, (high, low) => {
        const zxid = zxidOf(high, low);
        expect(zxidEpoch(zxid)).toBe(high);
        expect(zxidCounter(zxid)).toBe(low);
        expect(BigInt(zxid)).toBe((BigInt(high) << 32n) | BigInt(low));
        expect(Number.isSafeInteger(zxid)).toBe(true);
        if (low < 0xffff_ffff) expect(zxid + 1).toBeGreaterThan(zxid);
      }),
      PROPERTY,
    );
  });

  it('joins two halves, signed or not', () => {
    fc.assert(
      fc.property(epoch, uint32, (high, low) => {
        expect(zxidFromHalves(high, low)).toBe(zxidOf(high, low));
        expect(zxidFromHalves(high | 0, low | 0)).toBe(zxidOf(high, low));
      }),
      PROPERTY,
    );
  });

  it('takes the last epoch that it can hold', () => {
    const last = zxidFromHalves(ZXID_EPOCH_LIMIT - 1, -1);
    expect(last).toBe(Number.MAX_SAFE_INTEGER);
  });

  it.each([
    ['the first epoch that it cannot hold', ZXID_EPOCH_LIMIT, 0],
    ['the greatest epoch', 0x7fff_ffff, 0],
    ['-1', -1, -1],
    ['the most negative', -0x8000_0000, 0],
  ])('refuses %s with a sentence that says what to do', (_name, high, low) => {
    expect(() => zxidFromHalves(high, low)).toThrow(ZxidRangeError);
    expect(() => zxidFromHalves(high, low)).toThrow(
      `zxid of epoch ${high >>> 0} is out of range: this server counts epochs below 2097152; ` +
        'dump the tree and load it into a fresh ensemble',
    );
  });

  it('is written as hex without leading zeros', () => {
    expect(formatZxid(0)).toBe('0');
    expect(formatZxid(zxidOf(1, 0xf))).toBe('10000000f');
    expect(formatZxid(zxidOf(0, 0xabcd))).toBe('abcd');
  });
});
