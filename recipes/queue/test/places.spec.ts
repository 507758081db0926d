import { describe, expect, it } from '@jest/globals';
import { Places } from '../src/core/places.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('places', () => {
  it('go to who comes back before they are free for others', async () => {
    const places = new Places(1);
    const { signal } = new AbortController();
    const first = places.enter();
    let end: () => void = () => undefined;
    const lending = first.lendDuring(() => new Promise((resolve) => (end = resolve)), signal);
    expect(places.free).toBe(1);
    const second = places.enter();
    end();
    await turn();
    second.leave();
    await lending;
    expect(places.free).toBe(0);
    first.leave();
    first.leave();
    expect(places.free).toBe(1);
  });

  it.each(['before', 'while'])(
    'are not kept for who is called off %s he waits for one',
    async (when) => {
      const places = new Places(1);
      const controller = new AbortController();
      const first = places.enter();
      let end: () => void = () => undefined;
      const pause = () => new Promise<void>((resolve) => (end = resolve));
      const lending = first.lendDuring(pause, controller.signal);
      const second = places.enter();
      if (when === 'before') controller.abort();
      end();
      await turn();
      controller.abort();
      await lending;
      first.leave();
      expect(places.free).toBe(0);
      second.leave();
      expect(places.free).toBe(1);
      await places.whenFree();
    },
  );
});
