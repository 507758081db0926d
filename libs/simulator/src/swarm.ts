import type { DiskModel } from './disk/disk-model.js';
import { defaultDiskModel } from './disk/disk-model.js';
import { defaultNetworkModel, type NetworkModel } from './network/network-model.js';
import type { SeededRandom } from './seeded-random.js';

/**
 * Draws a network: sometimes sound, sometimes slow, lossy, jittery or tight. Runs in which all
 * faults are on at once hide those that need quiet, so each is on by itself.
 */
export function drawNetworkModel(random: SeededRandom): NetworkModel {
  const { link } = defaultNetworkModel;
  const slow = random.chance(0.3) ? random.between(2, 50) : 1;
  const delay = { minMs: link.delay.minMs * slow, maxMs: link.delay.maxMs * slow };
  const tail = { probability: 0.02, maxMs: random.between(10, 2_000) };
  return {
    ...defaultNetworkModel,
    link: {
      delay: random.chance(0.3) ? { ...delay, tail } : delay,
      lossProbability: random.chance(0.3) ? random.fraction() * 0.1 : 0,
      bytesPerSecond: random.chance(0.2) ? random.between(10_000, 1_000_000) : Infinity,
    },
    windowBytes: random.chance(0.3) ? random.between(64, 8_192) : defaultNetworkModel.windowBytes,
    cutProbability: random.chance(0.5) ? random.fraction() : 0,
    shortReadProbability: random.chance(0.5) ? random.fraction() : 0,
    deferProbability: random.chance(0.5) ? random.fraction() * 0.5 : 0,
  };
}

/** Draws a disk: fast or slow, now and then with stalls. Errors and crashes are for the test to plan. */
export function drawDiskModel(random: SeededRandom): DiskModel {
  const slow = random.chance(0.3) ? random.between(2, 30) : 1;
  const { syncDelay } = defaultDiskModel;
  const delay = { minMs: syncDelay.minMs * slow, maxMs: syncDelay.maxMs * slow };
  const tail = { probability: 0.01, maxMs: random.between(20, 3_000) };
  return {
    ...defaultDiskModel,
    syncDelay: random.chance(0.3) ? { ...delay, tail } : delay,
  };
}
