import { expect, it } from '@jest/globals';
import { EnsembleWorld } from './ensemble-world.js';

const HOUR_MS = 3_600_000;

it('a member that has lost its disk gives out no id of a session that is open, whatever its clock says', async () => {
  const world = await EnsembleWorld.start();
  const { follower, leader } = world;
  const open = (await world.session(follower)).credentials.sessionId;
  const elsewhere = (await world.session(leader)).credentials.sessionId;
  follower.kill();
  world.wipe(follower);
  follower.host.stepWallClock(-HOUR_MS);
  follower.boot();
  await world.settle();
  const next = (await world.session(follower)).credentials.sessionId;
  expect(next).toBe(open + 1n);
  expect(next >> 56n).toBe(BigInt(follower.id));
  expect(elsewhere >> 56n).toBe(BigInt(leader.id));
});

it('ids go on over roles, whatever the clock says', async () => {
  const world = await EnsembleWorld.start();
  const ids: bigint[] = [];
  for (let round = 0; round < 4; round++) {
    const { leader } = world;
    for (const member of world.members.values()) {
      if (member.isAlive) ids.push((await world.session(member)).credentials.sessionId);
      member.host.stepWallClock(-HOUR_MS);
    }
    leader.kill();
    await world.reach(() => !world.follower.isServing);
    await world.settle();
    leader.boot();
    await world.settle();
  }
  expect(new Set(ids).size).toBe(ids.length);
});
