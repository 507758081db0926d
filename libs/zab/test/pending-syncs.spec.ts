import { beforeEach, describe, expect, it } from '@jest/globals';
import { PendingSyncs } from '../src/index.js';

describe('syncs that wait for an answer', () => {
  let syncs: PendingSyncs<string>;

  beforeEach(() => {
    syncs = new PendingSyncs();
    syncs.push(1, 10, 'first');
    syncs.push(2, 10, 'second');
    syncs.push(3, 12, 'third');
  });

  it('wait for what was proposed before them, and for the confirmation', () => {
    expect(syncs.firstAfter).toBe(10);
    expect(syncs.take(9, 9, 3)).toBeNull();
    expect(syncs.take(10, 10, 0)).toBeNull();
    expect(syncs.take(10, 10, 1)).toBe('first');
    expect(syncs.take(10, 10, 1)).toBeNull();
    expect(syncs.take(10, 10, 3)).toBe('second');
    expect(syncs.take(11, 11, 3)).toBeNull();
    expect(syncs.firstAfter).toBe(12);
  });

  it('need no confirmation where a later proposal is committed, and go before that', () => {
    expect(syncs.take(10, 11, 0)).toBe('first');
    expect(syncs.take(10, 11, 0)).toBe('second');
    expect(syncs.take(11, 12, 0)).toBeNull();
    expect(syncs.take(12, 13, 0)).toBe('third');
    expect(syncs.size).toBe(0);
    expect(syncs.firstAfter).toBe(Infinity);
    expect(syncs.take(13, 13, 9)).toBeNull();
  });

  it('are not answered where what is before them is committed and not shown', () => {
    expect(syncs.take(9, 20, 3)).toBeNull();
  });
});
