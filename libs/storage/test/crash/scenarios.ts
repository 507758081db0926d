import type { Clock } from '@aviary/foundation';
import { killNine, powerCut, type SeededRandom } from '@aviary/simulator';
import type { Life, Scenario } from './crash-scenario.js';
import type { LedgerServer } from './ledger-server.js';

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

/** Sizes that meet every edge: within a sector, over several, over a page, over the padding. */
function drawSizes(random: SeededRandom): number[] {
  const count = random.between(1, 4);
  return Array.from({ length: count }, () => random.pick([4, 60, 480, 700, 1500, 5000]));
}

async function appendSome(
  server: LedgerServer,
  random: SeededRandom,
  batches: number,
): Promise<void> {
  const acknowledged: Promise<void>[] = [];
  for (let i = 0; i < batches; i++) {
    const appended = server.append(...drawSizes(random));
    acknowledged.push(appended);
    // Now and then several arrive while one is on its way.
    if (random.chance(0.6)) await appended;
  }
  await Promise.all(acknowledged);
}

async function snapshotWhileAppending(server: LedgerServer, random: SeededRandom): Promise<void> {
  server.roll();
  const written = server.snapshot();
  await appendSome(server, random, 2);
  await written;
}

/** Long enough for the durable mark to be written. */
const MARK_IS_WRITTEN_MS = 60;

const appending: Life['work'] = async (server, clock, random) => {
  await appendSome(server, random, 3);
  if (random.chance(0.5)) await pause(clock, MARK_IS_WRITTEN_MS);
  await appendSome(server, random, 2);
};

/** A first start, a life of appends, and a start after each kind of end. */
export const restarts: Scenario = {
  options: { dataDir: '/data/zk', preAllocBytes: 16 * 1024, forceSync: true },
  lives: [
    { work: appending, end: killNine },
    { work: appending, end: powerCut },
    {
      work: async (server, clock, random) => {
        await appending(server, clock, random);
        await server.close();
      },
      end: killNine,
    },
    { work: appending, end: powerCut },
  ],
};

/** Snapshots in the midst of appends, until there are enough for a purge; logs apart from them. */
export const snapshots: Scenario = {
  options: {
    dataDir: '/data/zk',
    dataLogDir: '/data/zk-logs/of/server',
    preAllocBytes: 16 * 1024,
    forceSync: true,
  },
  lives: [
    {
      work: async (server, _clock, random) => {
        for (let i = 0; i < 4; i++) await snapshotWhileAppending(server, random);
        await server.purge();
        await appendSome(server, random, 1);
      },
      end: powerCut,
    },
    {
      work: async (server, _clock, random) => {
        await snapshotWhileAppending(server, random);
        await server.purge();
      },
      end: killNine,
    },
  ],
};
