import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  contenderOf,
  exclusive,
  foreignAmong,
  inOrder,
  recipeOf,
  standingOf,
  type Discipline,
} from '../../src/index.js';

const MUTEX = exclusive('lock-');
const READER: Discipline = {
  marker: '__READ__',
  queue: ['__READ__', '__WRIT__'],
  waitsFor: ['__WRIT__'],
};
const WRITER: Discipline = { ...READER, marker: '__WRIT__', waitsFor: READER.queue };

const UUID = '11111111-2222-4333-8444-555555555555';
const HEX = '11111111222243338444555555555555';

/** As ZooKeeper's servers print it: `%010d`. */
function printed(sequence: number): string {
  const digits = Math.abs(sequence).toString();
  return sequence < 0 ? `-${digits.padStart(9, '0')}` : digits.padStart(10, '0');
}

const nodeName = (sequence: number) => `_c_${UUID}-lock-${printed(sequence)}`;
const reader = (sequence: number) => `_c_${UUID}-__READ__${printed(sequence)}`;
const writer = (sequence: number) => `_c_${UUID}-__WRIT__${printed(sequence)}`;

describe('the name of a contender', () => {
  it.each([
    ['ours and Curator’s', `_c_${UUID}-lock-0000000012`, 12],
    ['go-zookeeper’s', `_c_${HEX}-lock-0000000012`, 12],
    ['kazoo’s, told to share', `${HEX}-lock-0000000012`, 12],
    ['one after the counter has wrapped', `_c_${UUID}-lock--2147483648`, -2_147_483_648],
    ['one with a short negative number', `_c_${UUID}-lock--000000001`, -1],
  ])('is read: %s', (_whose, name, sequence) => {
    expect(contenderOf(name)).toEqual({ name, marker: 'lock-', sequence });
    expect(foreignAmong([name], MUTEX)).toBeNull();
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
    const { marker, sequence } = contenderOf(name)!;
    expect([sequence, recipeOf(marker)]).toEqual([3, recipe]);
    expect(inOrder([name], MUTEX)).toEqual([]);
    expect(foreignAmong(['42', nodeName(1), name], MUTEX)).toEqual({ name, recipe });
  });

  it.each(['42', 'settle', '1234567890', 'order-1234567890', 'lock-', 'lock-123', 'leases'])(
    'is not that of a lock below: %s',
    (name) => {
      expect(contenderOf(name)).toBeNull();
    },
  );
});

describe('the queue', () => {
  it('T10: orders by number and not by text, across the wrap of the counter', () => {
    const names = [-2_147_483_647, 2_147_483_647, -2_147_483_648, 2_147_483_646].map(nodeName);
    const sequences = inOrder(names, MUTEX).map(({ sequence }) => sequence);
    expect(sequences).toEqual([2_147_483_646, 2_147_483_647, -2_147_483_648, -2_147_483_647]);
    expect(standingOf(nodeName(-2_147_483_648), names, MUTEX)).toMatchObject({
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
          const standing = standingOf(name, children, MUTEX);
          expect(standing?.ahead).toBe(index);
          expect(standing?.predecessor).toBe(inTurn[index - 1] ?? null);
        });
        expect(inOrder(children, MUTEX).map(({ name }) => name)).toEqual(inTurn);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('does not know who is not in it', () => {
    expect(standingOf(nodeName(3), [nodeName(1)], MUTEX)).toBeNull();
    expect(standingOf('42', ['42'], MUTEX)).toBeNull();
    expect(inOrder([], MUTEX)).toEqual([]);
  });
});

describe('a queue of readers and writers', () => {
  const queue = [reader(1), reader(2), writer(3), writer(4), reader(5), reader(6), writer(7)];

  it('lets readers pass one another, and wait for the nearest writer before them', () => {
    expect(standingOf(reader(2), queue, READER)).toMatchObject({ ahead: 0, predecessor: null });
    expect(standingOf(reader(6), queue, READER)).toEqual({
      ahead: 2,
      predecessor: writer(4),
      names: [writer(3), writer(4)],
    });
  });

  it('lets a writer wait for everybody before it', () => {
    expect(standingOf(writer(3), queue, WRITER)).toMatchObject({
      ahead: 2,
      predecessor: reader(2),
    });
    expect(standingOf(writer(7), queue, WRITER)).toMatchObject({
      ahead: 6,
      predecessor: reader(6),
    });
  });

  it('T15: nobody waits for a later one, so nobody waits in a circle', () => {
    for (const name of queue) {
      const discipline = name.includes('READ') ? READER : WRITER;
      const own = contenderOf(name)!.sequence;
      const { names } = standingOf(name, queue, discipline)!;
      expect(names.every((other) => contenderOf(other)!.sequence < own)).toBe(true);
    }
  });

  it('T16: a reader with a writer’s own number stands where that writer stood', () => {
    const downgraded = [writer(3), reader(3), writer(4), reader(5)];
    expect(standingOf(reader(3), downgraded, READER)?.ahead).toBe(0);
    expect(standingOf(writer(4), downgraded, WRITER)).toMatchObject({ ahead: 2 });
    expect(standingOf(writer(4), downgraded.slice(1), WRITER)).toMatchObject({
      ahead: 1,
      predecessor: reader(3),
    });
  });
});
