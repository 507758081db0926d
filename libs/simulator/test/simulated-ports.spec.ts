import { World } from '@aviary/simulator';
import { describeClockContract } from './contracts/clock-contract.js';
import { describeDiskContract } from './contracts/disk-contract.js';
import type { PortHarness } from './contracts/harness.js';
import { describeNetworkContract } from './contracts/network-contract.js';
import { describeRandomContract } from './contracts/random-contract.js';

/** The ports must keep their contracts for any seed; these are enough to meet every branch. */
const seeds = [1, 2, 3, 4, 5];

function waits(world: World): PortHarness {
  return {
    settle: (promise) => world.settle(promise),
    until: (condition) => world.reach(condition),
    dispose: () => Promise.resolve(),
  };
}

for (const seed of seeds) {
  const name = `the simulator, SEED=${seed}`;

  describeClockContract(name, () => {
    const world = new World({ seed });
    const { clock } = world.addHost('one').boot();
    return Promise.resolve({ ...waits(world), clock, earlyMs: 0 });
  });

  describeRandomContract(name, () => {
    const world = new World({ seed });
    const { random } = world.addHost('one').boot();
    return Promise.resolve({ ...waits(world), random });
  });

  describeDiskContract(name, () => {
    const world = new World({ seed });
    const { disk } = world.addHost('one', { strictDisk: false }).boot();
    return Promise.resolve({ ...waits(world), disk, root: '/data' });
  });

  describeNetworkContract(name, () => {
    const world = new World({
      seed,
      network: { cutProbability: 0.5, shortReadProbability: 0.5, deferProbability: 0.2 },
    });
    const server = world.addHost('server');
    return Promise.resolve({
      ...waits(world),
      server: server.boot().network,
      client: world.addHost('client').boot().network,
      address: server.address,
    });
  });
}
