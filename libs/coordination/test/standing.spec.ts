import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { foreignRecipe, looksLikeContender, sequenceOf } from '../src/core/contender-name.js';
import { foreignAmong, inOrder, standingOf } from '../src/core/contender-queue.js';

const UUID = '11111111-2222-4333-8444-555555555555';
const HEX = '11111111222243338444555555555555';

/** As ZooKeeper's servers print it: `%010d`. */
function printed(sequence: number): string {
  const digits = Math.abs(sequence).toString();
  return sequence < 0 ? `-${digits.padStart(9, '0')}` : digits.padStart(10, '0');
}

const nodeName = (sequence: number) => `_c_${UUID}-lock-${printed(sequence)}`;

describe('the name of a contender', () => {
  it.each([
    ['ours and Curator’s', `_c_${UUID}-lock-0000000012`, 12],
    ['go-zookeeper’s', `_c_${HEX}-lock-0000000012`, 12],
    ['kazoo’s, told to share', `${HEX}-lock-0000000012`, 12],
    ['one after the counter has wrapped', `_c_${UUID}-lock--2147483648`, -2_147_483_648],
    ['one with a short negative number', `_c_${UUID}-lock--000000001`, -1],
  ])('is read: %s', (_whose, name, sequence) => {
    expect(sequenceOf(name)).toBe(sequence);
    expect(foreignRecipe(name)).toBeNull();
  });

  it.each([
    [`${HEX}__lock__0000000003`, "kazoo's Lock"],
    [`${HEX}__rlock__0000000003`, "kazoo's ReadLock"],
    [`_c_${UUID}-__READ__0000000003`, "Curator's InterProcessReadWriteLock"],
    [`_c_${UUID}-__WRIT__0000000003`, "Curator's InterProcessReadWriteLock"],
    [`_c_${UUID}-latch-0000000003`, "Curator's LeaderLatch"],
    [`_c_${UUID}-lease-0000000003`, "Curator's semaphore lease"],
    ['x-72057594037927936-0000000003', "ZooKeeper's WriteLock"],
  ])('is known as foreign: %s', (name, recipe) => {
    expect(sequenceOf(name)).toBeNull();
    expect(foreignRecipe(name)).toBe(recipe);
    expect(looksLikeContender(name)).toBe(true);
    expect(foreignAmong(['42', nodeName(1), name])).toEqual({ name, recipe });
  });

  it.each(['42', 'settle', '1234567890', 'order-1234567890', 'lock-', 'lock-123', 'leases'])(
    'is not that of a lock below: %s',
    (name) => {
      expect(looksLikeContender(name)).toBe(false);
    },
  );
});

describe('the queue', () => {
  it('T10: orders by number and not by text, across the wrap of the counter', () => {
    const names = [-2_147_483_647, 2_147_483_647, -2_147_483_648, 2_147_483_646].map(nodeName);
    const sequences = inOrder(names).map(({ sequence }) => sequence);
    expect(sequences).toEqual([2_147_483_646, 2_147_483_647, -2_147_483_648, -2_147_483_647]);
    expect(standingOf(nodeName(-2_147_483_648), names)).toMatchObject({
      ahead: 2,
      predecessor: nodeName(2_147_483_647),
    });
  });

  it('has exactly one first, and everybody else right behind another, in any order of the list', () => {
    const start = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    const gaps = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(start, gaps, fc.infiniteStream(fc.nat()), (first, steps, draws) => {
        let at = first;
        const inTurn = steps.map((step) => nodeName((at = (at + step) | 0)));
        const children = [...inTurn, 'orders', HEX].sort(
          () => ((draws.next().value as number) % 2) - 0.5,
        );
        inTurn.forEach((name, index) => {
          const standing = standingOf(name, children);
          expect(standing?.ahead).toBe(index);
          expect(standing?.predecessor).toBe(inTurn[index - 1] ?? null);
        });
        expect(inOrder(children).map(({ name }) => name)).toEqual(inTurn);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('does not know who is not in it', () => {
    expect(standingOf(nodeName(3), [nodeName(1)])).toBeNull();
    expect(standingOf('42', ['42'])).toBeNull();
    expect(inOrder([])).toEqual([]);
  });
});
