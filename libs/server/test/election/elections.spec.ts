import { describe, expect, it } from '@jest/globals';
import { killNine, powerCut } from '@aviary/simulator';
import { EnsembleUnderTest } from './ensemble-under-test.js';

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);
const THREE = [1, 2, 3];
const FIVE = [1, 2, 3, 4, 5];
/** As ZooKeeper waits at the end of each election. */
const ZOOKEEPER_WAIT = { election: { finalizeWaitMs: 200 } };

describe.each(SEEDS)('an ensemble, SEED=%i', (seed) => {
  it.each([[THREE], [FIVE]])('of %j elects a leader', async (voters) => {
    const ensemble = new EnsembleUnderTest({ seed, voters });
    ensemble.startAll(20);
    await ensemble.settle(1000);
    for (const id of voters) {
      expect(ensemble.member(id).port.connected).toEqual(voters.filter((other) => other !== id));
    }
  });

  it('takes back a member that restarts', async () => {
    const ensemble = new EnsembleUnderTest({ seed, voters: THREE });
    ensemble.startAll();
    const leader = await ensemble.settle();
    const id = THREE.find((other) => other !== leader)!;
    await ensemble.world.run({ virtualMsMax: 300 });
    const kill = seed % 2 === 0 ? killNine : powerCut;
    ensemble.kill(id, kill);
    await ensemble.world.run({ virtualMsMax: seed % 3 === 0 ? 0 : 50 });
    const startedMs = ensemble.world.virtualMs;
    ensemble.start(id);
    expect(await ensemble.settle()).toBe(leader);
    expect(ensemble.world.virtualMs - startedMs).toBeLessThan(300);
  });

  it('replaces a leader that was killed, without waiting for votes that cannot come', async () => {
    const voters = seed % 2 === 0 ? THREE : FIVE;
    const ensemble = new EnsembleUnderTest({ seed, voters, options: ZOOKEEPER_WAIT });
    ensemble.startAll();
    const first = await ensemble.settle();
    await ensemble.world.run({ virtualMsMax: 1000 });
    const killedMs = ensemble.world.virtualMs;
    ensemble.kill(first, killNine);
    const second = await ensemble.settle();
    expect(second).not.toBe(first);
    expect(ensemble.world.virtualMs - killedMs).toBeLessThan(15);
  });
});
