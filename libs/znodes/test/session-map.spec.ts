import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SessionMap } from '../src/session-map.js';

/** Few enough that sessions meet, with halves of both signs. */
const half = fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000);

const step = fc.record({
  what: fc.constantFrom('set', 'set', 'delete', 'get'),
  high: half,
  low: half,
  value: fc.nat(),
});

function entriesOf<V>(map: SessionMap<V>): Map<string, V> {
  const entries = new Map<string, V>();
  map.forEach((value, high, low) => entries.set(`${high} ${low}`, value));
  return entries;
}

describe('a map by session id', () => {
  it('holds what a Map by both halves holds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = new SessionMap<number>();
        const plain = new Map<string, number>();
        for (const { what, high, low, value } of steps) {
          const key = `${high} ${low}`;
          if (what === 'set') {
            map.set(high, low, value);
            plain.set(key, value);
          } else if (what === 'delete') {
            expect(map.delete(high, low)).toBe(plain.delete(key));
          }
          expect(map.get(high, low)).toBe(plain.get(key));
          expect(map.size).toBe(plain.size);
        }
        expect(entriesOf(map)).toEqual(plain);
      }),
      { seed: 20_261_126, numRuns: 200 },
    );
  });

  it('takes a value that is undefined for an entry', () => {
    const map = new SessionMap<undefined>();
    map.set(1, 2, undefined);
    map.set(1, 2, undefined);
    expect([map.size, map.delete(1, 2), map.delete(1, 2), map.size]).toEqual([1, true, false, 0]);
  });

  it('is empty when it was cleared', () => {
    const map = new SessionMap<string>();
    map.set(1, 2, 'a');
    map.set(-1, 2, 'b');
    map.clear();
    expect([map.size, map.get(1, 2), entriesOf(map).size]).toEqual([0, undefined, 0]);
  });
});
