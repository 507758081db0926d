import { describe, expect, it } from '@jest/globals';
import { HeldBytes } from '../src/held-bytes.js';

describe('bytes that are held', () => {
  it('keep their order, whenever they come, and are not those of the host', () => {
    const held = new HeldBytes();
    const chunk = Uint8Array.of(9, 1, 2, 9);
    held.keep(chunk, 1, 3);
    chunk.fill(0);
    held.keep(Uint8Array.of(3, 4), 0, 2);
    expect(held.length).toBe(4);
    expect(held.take()).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(held.length).toBe(0);
    expect(held.take()).toBeNull();
  });
});
