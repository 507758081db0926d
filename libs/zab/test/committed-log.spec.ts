import { describe, expect, it } from '@jest/globals';
import { AssertionError, zxidOf } from '@aviary/foundation';
import { CommittedLog } from '../src/index.js';
import { succeeds } from '../src/synchronisation/succession.js';

function zxidsOf(log: CommittedLog<string>): number[] {
  return Array.from({ length: log.length }, (_, index) => log.zxidAt(index));
}

describe('a committed log', () => {
  it('keeps the newest transactions, and finds what comes after one', () => {
    const log = new CommittedLog<string>({ entriesMax: 3, bytesMax: 1_000 });
    for (let counter = 1; counter <= 5; counter++) log.add(zxidOf(1, counter), `t${counter}`, 10);
    expect(zxidsOf(log)).toEqual([zxidOf(1, 3), zxidOf(1, 4), zxidOf(1, 5)]);
    expect(log.indexAfter(zxidOf(1, 3))).toBe(1);
    expect(log.entryAt(1)).toBe('t4');
    expect(log.indexAfter(zxidOf(1, 0))).toBe(0);
    expect(log.indexAfter(zxidOf(1, 5))).toBe(3);
  });

  it('is bounded in bytes, and always has the newest', () => {
    const log = new CommittedLog<string>({ entriesMax: 10, bytesMax: 100 });
    log.add(1, 'a', 40);
    log.add(2, 'b', 40);
    log.add(3, 'c', 40);
    expect(zxidsOf(log)).toEqual([2, 3]);
    log.add(4, 'd', 500);
    expect(zxidsOf(log)).toEqual([4]);
    log.add(5, 'e', 60);
    expect(zxidsOf(log)).toEqual([5]);
  });

  it('never spans a hole: what does not follow begins anew', () => {
    const log = new CommittedLog<string>({ entriesMax: 10, bytesMax: 100 });
    log.add(zxidOf(1, 1), 'a', 1);
    log.add(zxidOf(2, 1), 'b', 1);
    expect(log.length).toBe(2);
    log.add(zxidOf(2, 3), 'd', 1);
    expect(zxidsOf(log)).toEqual([zxidOf(2, 3)]);
    log.add(zxidOf(3, 2), 'f', 1);
    expect(zxidsOf(log)).toEqual([zxidOf(3, 2)]);
  });

  it('takes what goes back for a bug of ours', () => {
    const log = new CommittedLog<string>({ entriesMax: 10, bytesMax: 100 });
    log.add(2, 'b', 1);
    expect(() => log.add(2, 'b', 1)).toThrow(AssertionError);
    expect(() => log.entryAt(1)).toThrow(AssertionError);
    log.clear();
    log.add(1, 'a', 1);
    expect(zxidsOf(log)).toEqual([1]);
  });
});

describe('succession', () => {
  it.each([
    [zxidOf(1, 5), zxidOf(1, 4), true],
    [zxidOf(1, 6), zxidOf(1, 4), false],
    [zxidOf(1, 4), zxidOf(1, 4), false],
    [zxidOf(1, 3), zxidOf(1, 4), false],
    [zxidOf(2, 1), zxidOf(1, 4), true],
    [zxidOf(7, 1), zxidOf(1, 4), true],
    [zxidOf(2, 2), zxidOf(1, 4), false],
    [zxidOf(2, 1), zxidOf(2, 0), true],
    [zxidOf(1, 1), zxidOf(2, 0), false],
    [1, 0, true],
    [zxidOf(1, 0), zxidOf(0, 0xffff_ffff), false],
    [zxidOf(1, 1), zxidOf(0, 0xffff_ffff), true],
  ])('of %d behind %d is %p', (zxid, previous, expected) => {
    expect(succeeds(zxid, previous)).toBe(expected);
  });
});
