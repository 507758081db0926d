import { describe, expect, it } from '@jest/globals';
import { checkDurability, WriteHistory } from '@aviary/simulator';

const LOST = 'no acknowledged write is lost';
const PHANTOM = 'no value appears that nobody wrote';

/** Two keys: /a was written three times, of the last the outcome is unknown; /b was deleted. */
function history(): WriteHistory {
  const writes = new WriteHistory();
  writes.begin('/a', 'a1').acknowledged(10);
  writes.begin('/b', 'b1').acknowledged(11);
  writes.begin('/a', 'a2').acknowledged(12);
  writes.begin('/b', null).acknowledged(13);
  writes.begin('/a', 'a3');
  writes.begin('/a', 'refused').notApplied();
  return writes;
}

const rules = (state: Record<string, string>, lastOrder?: number) =>
  checkDurability(history().writes, {
    valueOf: (key) => state[key] ?? null,
    ...(lastOrder === undefined ? {} : { lastOrder }),
  }).map(({ rule }) => rule);

describe('checkDurability', () => {
  it('accepts the last acknowledged value, or one of unknown outcome', () => {
    expect(rules({ '/a': 'a2' })).toEqual([]);
    expect(rules({ '/a': 'a3' })).toEqual([]);
    expect(rules({ '/a': 'a3' }, 13)).toEqual([]);
    expect(rules({ '/a': 'a3' }, 14)).toEqual([]);
  });

  it('finds a lost write: an older value, or none', () => {
    expect(rules({ '/a': 'a1' })).toEqual([LOST]);
    expect(rules({})).toEqual([LOST]);
  });

  it('finds a lost delete', () => {
    expect(rules({ '/a': 'a2', '/b': 'b1' })).toEqual([LOST]);
  });

  it('finds values that were never written, or were refused', () => {
    expect(rules({ '/a': 'refused' })).toEqual([PHANTOM]);
    expect(rules({ '/a': 'garbage' })).toEqual([PHANTOM]);
  });

  it('finds a recovery that ends too early, though the values are right', () => {
    expect(rules({ '/a': 'a2' }, 12)).toEqual([LOST]);
  });

  it('accepts that a write of unknown outcome happened or not', () => {
    const writes = new WriteHistory();
    writes.begin('/x', 'x1');
    const check = (value: string | null) =>
      checkDurability(writes.writes, { valueOf: () => value }).length;
    expect([check(null), check('x1'), check('x2')]).toEqual([0, 0, 1]);
  });

  it('goes by the order of the writes, not of their answers', () => {
    const writes = new WriteHistory();
    const first = writes.begin('/x', 'x1');
    const second = writes.begin('/x', 'x2');
    second.acknowledged(21);
    first.acknowledged(20);
    const check = (value: string) => checkDurability(writes.writes, { valueOf: () => value });
    expect(check('x2')).toEqual([]);
    expect(check('x1')).toHaveLength(1);
  });
});
