import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NodeDisk, NodeNetwork, SystemClock, SystemRandom } from '@aviary/host';
import { describeClockContract } from './contracts/clock-contract.js';
import { describeDiskContract } from './contracts/disk-contract.js';
import type { PortHarness } from './contracts/harness.js';
import { describeNetworkContract } from './contracts/network-contract.js';
import { describeRandomContract } from './contracts/random-contract.js';

// The simulator is believed because Node's ports, of which it is an image, pass the same cases.

const waits: PortHarness = {
  settle: (promise) => promise,
  async until(condition) {
    const deadline = performance.now() + 20_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error('waited for 20 s in vain');
      await nextTurn(); // only a callback of the event loop can make it true
    }
  },
  dispose: () => Promise.resolve(),
};

describeClockContract('Node', () =>
  Promise.resolve({ ...waits, clock: new SystemClock(), earlyMs: 0 }),
);

describeRandomContract('Node', () => Promise.resolve({ ...waits, random: new SystemRandom() }));

describeDiskContract('Node', async () => {
  const root = await mkdtemp(join(tmpdir(), 'aviary-disk-'));
  const disk = new NodeDisk();
  const dispose = async () => {
    disk.close();
    await rm(root, { recursive: true });
  };
  return { ...waits, disk, root, dispose };
});

describeNetworkContract('Node', () => {
  const network = new NodeNetwork();
  return Promise.resolve({ ...waits, server: network, client: network, address: '127.0.0.1' });
});
