import { describe, expect, it } from '@jest/globals';
import { LeaderPatience } from '../../src/ensemble/leader-patience.js';
import { DATA_DIRECTORY, EnsembleWorld } from './ensemble-world.js';

const OBSERVER = 4;
const ACCEPTED_EPOCH = `${DATA_DIRECTORY}/version-2/acceptedEpoch`;
/** Makes a 1 a 9. */
const FLIPPED_BIT = 3;

describe('the patience with a leader', () => {
  it('is without pauses at first, then with longer and longer ones, up to a limit', () => {
    const patience = new LeaderPatience();
    const pauses = Array.from({ length: 9 }, () => patience.pauseMs(1));
    expect(pauses).toEqual([0, 0, 20, 40, 80, 160, 320, 500, 500]);
    expect(patience.pauseMs(2)).toBe(0);
    for (let i = 0; i < 5; i++) patience.pauseMs(2);
    patience.reset();
    expect(patience.pauseMs(2)).toBe(0);
  });

  it('lets a member rest that can never follow it, and the leader with it', async () => {
    const world = await EnsembleWorld.start({ observers: [OBSERVER] });
    const observer = world.member(OBSERVER);
    observer.kill();
    expect(observer.host.drive.contentsOf(ACCEPTED_EPOCH)).toEqual(
      new Uint8Array(Buffer.from('1')),
    );
    observer.host.drive.flipBit(ACCEPTED_EPOCH, 0, FLIPPED_BIT);
    observer.boot();
    await world.pass(5000);
    const asked = observer.log.lines.filter((line) => line.includes('epoch 1 is before 9'));
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.length).toBeLessThan(20);
  });
});
