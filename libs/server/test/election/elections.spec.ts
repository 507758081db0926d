import { describe, expect, it } from '@jest/globals';
import { SeededRandom, drawNetworkModel, killNine, powerCut } from '@aviary/simulator';
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

describe.each(SEEDS)('an ensemble under faults, SEED=%i', (seed) => {
  it('has one leader again once all is well', async () => {
    const network = drawNetworkModel(new SeededRandom(`network ${seed}`));
    const ensemble = new EnsembleUnderTest({ seed, voters: FIVE, network });
    const { world } = ensemble;
    const { random } = world;
    const hosts = FIVE.map((id) => `host${id}`) as [string, ...string[]];
    ensemble.startAll(100);
    for (let fault = 0; fault < 15; fault++) {
      await world.run({ virtualMsMax: random.below(300) });
      const id = random.pick([1, 2, 3, 4, 5]);
      const [one, other] = [random.pick(hosts), random.pick(hosts)];
      switch (random.below(5)) {
        case 0:
          ensemble.kill(id, random.pick([killNine, powerCut]));
          break;
        case 1:
          world.cutOneWay(one, other);
          break;
        case 2:
          world.partition([one], hosts);
          break;
        case 3:
          world.fabric.resetBetween(one, other);
          break;
        default:
          world.heal();
      }
      if (!ensemble.member(id).isAlive && random.chance(0.7)) ensemble.start(id);
    }
    world.heal();
    for (const id of FIVE) if (!ensemble.member(id).isAlive) ensemble.start(id);
    await ensemble.settle(30_000);
  });
});

describe('an ensemble', () => {
  it('elects while a name does not resolve, and takes its server in when it does', async () => {
    const ensemble = new EnsembleUnderTest({ seed: 1, voters: THREE, nameless: [3] });
    const { address } = ensemble.member(3).host;
    ensemble.start(1);
    ensemble.start(2);
    expect(await ensemble.settle()).toBe(2);
    ensemble.start(3);
    await ensemble.world.run({ virtualMsMax: 5000 });
    expect(ensemble.member(3).hasStarted).toBe(false);
    ensemble.world.fabric.setName('s3', [address]);
    expect(await ensemble.settle(3000)).toBe(2);
    const lines = [1, 2].flatMap((id) => ensemble.member(id).log.lines);
    expect(lines.filter((line) => line.includes('cannot resolve host name "s3"'))).toHaveLength(2);
  });

  it('follows a server that comes back under another address', async () => {
    const ensemble = new EnsembleUnderTest({ seed: 1, voters: THREE });
    ensemble.startAll();
    expect(await ensemble.settle()).toBe(3);
    ensemble.kill(1, powerCut);
    ensemble.moveTo(1, 'elsewhere');
    ensemble.start(1);
    const startedMs = ensemble.world.virtualMs;
    expect(await ensemble.settle()).toBe(3);
    expect(ensemble.world.virtualMs - startedMs).toBeLessThan(300);
  });

  it('lets its observer look again after a drawn time only', async () => {
    const delaysMs = SEEDS.slice(0, 8).map(async (seed) => {
      const ensemble = new EnsembleUnderTest({ seed, voters: THREE, observers: [4] });
      ensemble.startAll();
      await ensemble.settle();
      expect(ensemble.member(4).role?.state).toBe('observing');
      const endedMs = ensemble.world.virtualMs;
      ensemble.member(4).endRole();
      await ensemble.settle();
      return ensemble.world.virtualMs - endedMs;
    });
    const sorted = (await Promise.all(delaysMs)).sort((a, b) => a - b);
    expect(sorted[0]).toBeLessThan(100);
    expect(sorted.at(-1)).toBeGreaterThan(100);
    expect(sorted.at(-1)).toBeLessThan(250);
  });

  it('is a function of its seed', async () => {
    const run = async (seed: number): Promise<string> => {
      const ensemble = new EnsembleUnderTest({ seed, voters: FIVE });
      ensemble.startAll(10);
      await ensemble.settle();
      return ensemble.world.traceHash;
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(1)).not.toBe(await run(2));
  });
});
