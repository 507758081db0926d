import { describe, expect, it } from '@jest/globals';
import { StaleTokenError } from '../src/till/stale-token-error.js';
import { Till, TwoHoldersError, type TillEvent, type Visitor } from '../src/till/till.js';

const visitor = (instance: string, token: bigint): Visitor => ({
  instance,
  token,
  nodePath: `/lock/${token}`,
});
const first = visitor('#1', 5n);
const second = visitor('#2', 7n);

/** A till, who holds the lock at it, and what it told. */
function tillWith(...holders: Visitor[]) {
  const holding = new Set(holders);
  const till = new Till((asked) => Promise.resolve(holding.has(asked)));
  const told: TillEvent['kind'][] = [];
  till.events$.subscribe(({ kind }) => told.push(kind));
  return { till, told };
}

describe('the till', () => {
  it('takes one after the other', async () => {
    const { till, told } = tillWith();
    expect(await till.enter(first)).toBe(0);
    till.book(first, 1);
    till.leave(first);
    expect(await till.enter(second)).toBe(1);
    till.book(second, 2);
    expect(till.ledger.map(({ instance, balance }) => [instance, balance])).toEqual([
      ['#1', 1],
      ['#2', 2],
    ]);
    expect(till.isBalanced).toBe(true);
    expect(told).toEqual([]);
  });

  it('throws when two who hold the lock meet', async () => {
    const { till, told } = tillWith(first, second);
    await till.enter(first);
    await expect(till.enter(second)).rejects.toThrow(TwoHoldersError);
    expect(till.meetings).toBe(1);
    expect(told).toEqual(['met']);
  });

  it('lets a new holder take over from one whose lock node is gone, and refuses that one', async () => {
    const { till, told } = tillWith(second);
    await till.enter(first);
    till.book(first, 1);
    expect(await till.enter(second)).toBe(1);
    expect(() => till.book(first, 2)).toThrow(StaleTokenError);
    expect(() => till.leave(first)).toThrow(StaleTokenError);
    till.book(second, 2);
    till.leave(second);
    expect(told).toEqual(['tookOver', 'refused', 'refused']);
    expect(till.refusals).toBe(2);
    expect(till.meetings).toBe(0);
    expect(till.isBalanced).toBe(true);
  });

  it('refuses to let an old token in, and the same one twice', async () => {
    const { till } = tillWith();
    await till.enter(second);
    await expect(till.enter(first)).rejects.toThrow(StaleTokenError);
    await expect(till.enter(second)).rejects.toThrow(StaleTokenError);
    till.leave(second);
    expect(() => till.book(second, 1)).toThrow(StaleTokenError);
  });

  it('notices a lost update', async () => {
    const { till } = tillWith();
    await till.enter(first);
    till.book(first, 1);
    till.book(first, 1);
    expect(till.isBalanced).toBe(false);
  });
});
