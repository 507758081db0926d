import { describe, expect, it } from '@jest/globals';
import { EnsembleWorld } from './ensemble-world.js';

describe('the mode of a member', () => {
  it('is told whenever it changes, however short it lasts', async () => {
    const world = await EnsembleWorld.start();
    const { leader } = world;
    const [first, second] = [...world.members.values()].filter((member) => member !== leader);
    expect(leader.toldModes).toEqual(['leader']);

    leader.kill();
    await world.reach(() => !first!.isServing && !second!.isServing);
    await world.settle();
    const heir = world.leader;
    const rest = heir === first ? second! : first!;
    expect(heir.toldModes).toEqual(['follower', 'looking', 'leader']);
    expect(rest.toldModes).toEqual(['follower', 'looking', 'follower']);

    rest.kill();
    await world.reach(() => !heir.isServing);
    expect(heir.toldModes).toEqual(['follower', 'looking', 'leader', 'looking']);
  });

  it('is told when it can go on no longer', async () => {
    const world = await EnsembleWorld.start();
    const { follower } = world;
    follower.process.run(() => follower.server.fail('Its disk is gone.'));
    await world.reach(() => follower.failures.length > 0);
    expect(follower.toldModes).toEqual(['follower', 'looking']);
  });
});
