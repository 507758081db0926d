import { describe, expect, it } from '@jest/globals';
import { World } from '@aviary/simulator';
import { PurgeSchedule } from '../src/purge-schedule.js';

const DAY_MS = 86_400_000;

/** When, in days, a schedule purges within a hundred of them. */
async function purges(intervalMs: number | null, stopsAtDay = 100): Promise<number[]> {
  const world = new World({ seed: 1 });
  const { clock } = world.addHost('here', { driftPpm: 0 }).boot();
  const days: number[] = [];
  const schedule = new PurgeSchedule(clock, intervalMs, () => {
    days.push(Math.round(world.virtualMs / DAY_MS));
  });
  schedule.start();
  world.after(stopsAtDay * DAY_MS, () => schedule.stop());
  await world.run({ virtualMsMax: 100 * DAY_MS });
  return days;
}

describe('a schedule of purges', () => {
  it('keeps intervals that are longer than a timer can be', async () => {
    expect(await purges(30 * DAY_MS)).toEqual([30, 60, 90]);
  });

  it('ends when it is stopped', async () => {
    expect(await purges(DAY_MS, 3.5)).toEqual([1, 2, 3]);
  });

  it.each([0, null])('purges nothing by itself at %p', async (intervalMs) => {
    expect(await purges(intervalMs)).toEqual([]);
  });
});
