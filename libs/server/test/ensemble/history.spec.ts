import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { History } from '../../src/ensemble/history.js';

function textOf(history: History, index: number): string {
  history.select(index);
  return Buffer.from(history.bytes.subarray(history.start, history.end)).toString();
}

function append(history: History, zxid: number, text = `t${zxid}`): void {
  const bytes = Buffer.from(`<${text}>`);
  history.append(zxid, bytes, 1, bytes.length - 1);
}

describe('a history', () => {
  it('keeps what is pending apart from what is applied, in one order', () => {
    const history = new History({ entriesMax: 10, bytesMax: 1000 });
    for (const zxid of [1, 2, 3]) append(history, zxid);
    expect([history.length, history.pending, history.pendingZxid]).toEqual([0, 3, 1]);
    history.settle(Infinity);
    expect([history.length, history.pending, history.pendingZxid]).toEqual([1, 2, 2]);
    expect([history.zxidAt(0), textOf(history, 0), history.lastZxid]).toEqual([1, 't1', 3]);
    history.selectPending();
    expect(Buffer.from(history.bytes.subarray(history.start, history.end)).toString()).toBe('t2');
  });

  it('forgets what is applied beyond its limits, and nothing that somebody is still to be sent', () => {
    const history = new History({ entriesMax: 2, bytesMax: 1000 });
    for (let zxid = 1; zxid <= 6; zxid++) {
      append(history, zxid);
      history.settle(zxid < 6 ? 2 : Infinity);
    }
    expect([history.length, history.zxidAt(0)]).toEqual([2, 5]);
    append(history, 7);
    history.settle(4);
    expect([history.length, history.zxidAt(0)]).toEqual([3, 5]);
  });

  it('forgets by bytes, but never the newest', () => {
    const history = new History({ entriesMax: 100, bytesMax: 50 });
    for (let zxid = 1; zxid <= 3; zxid++) {
      append(history, zxid, 'x'.repeat(40));
      history.settle(Infinity);
      expect([history.length, history.zxidAt(0)]).toEqual([1, zxid]);
    }
  });

  it('finds the place behind a zxid, over epochs', () => {
    const history = new History({ entriesMax: 10, bytesMax: 1000 });
    for (const zxid of [5, 6, 2 ** 32 + 1, 2 ** 32 + 2]) append(history, zxid);
    const places = [4, 5, 6, 2 ** 32, 2 ** 32 + 1, 2 ** 33].map((zxid) => history.indexAfter(zxid));
    expect(places).toEqual([0, 1, 2, 2, 3, 4]);
  });

  it('gives back every byte, whatever the sizes, through growth and recycling', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300_000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 8 }), (lengths, lag) => {
        const history = new History({ entriesMax: 3, bytesMax: 1 << 30 });
        for (const [at, length] of lengths.entries()) {
          append(history, at + 1, String.fromCharCode(97 + (at % 26)).repeat(length));
          if (history.pending > lag) history.settle(Infinity);
          for (let index = 0; index < history.size; index++) {
            const zxid = history.zxidAt(index);
            const text = textOf(history, index);
            const letter = String.fromCharCode(97 + ((zxid - 1) % 26));
            expect(text.length).toBe(lengths[zxid - 1]);
            expect(text.replaceAll(letter, '')).toBe('');
          }
        }
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('forgets everything when it is told to', () => {
    const history = new History({ entriesMax: 10, bytesMax: 1000 });
    for (const zxid of [1, 2, 3]) append(history, zxid);
    history.settle(Infinity);
    history.clear();
    expect([history.size, history.pending, history.lastZxid]).toEqual([0, 0, null]);
    append(history, 9);
    expect([history.size, textOf(history, 0)]).toEqual([1, 't9']);
  });
});
