import { describe, expect, it } from '@jest/globals';
import { Books, type Closing } from '../src/till/books.js';
import { StaleTokenError } from '../src/till/stale-token-error.js';

describe('the books', () => {
  it('are closed by one after the other, and tell when another begins', () => {
    let entries = 0;
    const books = new Books(() => entries);
    const closers: Closing[] = [];
    books.closer$.subscribe((closing) => closers.push(closing));
    books.close({ instance: '#1', token: 5n });
    entries = 7;
    books.close({ instance: '#1', token: 5n });
    books.close({ instance: '#2', token: 6n });
    expect(books.closings.map((closing) => closing.entries)).toEqual([0, 7, 7]);
    expect(closers.map(({ instance, token }) => [instance, token])).toEqual([
      ['#1', 5n],
      ['#2', 6n],
    ]);
  });

  it('refuse a leader whose term is over', () => {
    const books = new Books(() => 0);
    books.close({ instance: '#2', token: 6n });
    expect(() => books.close({ instance: '#1', token: 5n })).toThrow(StaleTokenError);
    expect(books.closings).toHaveLength(1);
  });
});
