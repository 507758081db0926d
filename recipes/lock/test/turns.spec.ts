import { expect, it } from '@jest/globals';
import type { Clock } from '@aviary/foundation';
import { Turns } from '../src/nest/turns.js';

const limits = { waitMs: undefined, signal: undefined, clock: {} as Clock };

it('a turn that is handed on belongs to the next in line, and not to who comes meanwhile', async () => {
  const turns = new Turns();
  expect(await turns.take(limits)).toBe(true);
  const next = turns.take(limits);
  turns.give();
  expect(await turns.take({ ...limits, waitMs: 0 })).toBe(false);
  expect(await next).toBe(true);
  turns.give();
  expect(turns.length).toBe(0);
});

it('who stops waiting leaves the line', async () => {
  const turns = new Turns();
  await turns.take(limits);
  const controller = new AbortController();
  const left = turns.take({ ...limits, signal: controller.signal });
  const next = turns.take(limits);
  controller.abort();
  expect(await left).toBe(false);
  turns.give();
  expect(await next).toBe(true);
});
