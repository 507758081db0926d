import { describe, expect, it } from '@jest/globals';
import {
  checkDurability,
  checkRegisters,
  drawDiskModel,
  drawNetworkModel,
  RegisterHistory,
  SeededRandom,
  World,
  worstPowerCut,
  WriteHistory,
  type SimulatedHost,
  type Violation,
} from '@aviary/simulator';
import { ToyClient } from './toy-client.js';
import { ToyServer, type ToyBug } from './toy-server.js';

const SEEDS = Number(process.env.WORLD_SEEDS ?? 8);

const initial = () => ({ version: 0, value: '0' });

/** Kills, pauses and cuts off the server, at moments and in ways that the seed draws. */
function torment(world: World, server: SimulatedHost, bug: ToyBug): void {
  const fates = world.random.fork('fates');
  for (let at = 500; at < 10_000; at += fates.between(200, 1_500)) {
    switch (fates.below(4)) {
      case 0:
        world.after(at, () => boot(server, bug));
        break;
      case 1:
        world.after(at, () => server.process?.pause());
        world.after(at + fates.between(1, 4_000), () => server.process?.resume());
        break;
      case 2:
        world.after(at, () => world.partition(['ann'], ['server']));
        world.after(at + fates.between(1, 4_000), () => world.heal());
        break;
      default:
        world.after(at, () => world.fabric.resetBetween('bob', 'server'));
    }
  }
}

function boot(server: SimulatedHost, bug: ToyBug): void {
  const process = server.restart();
  process.run(() => void ToyServer.start(process, bug));
}

/** A server and two clients under faults, then a last power cut and what the server knows after it. */
async function violations(seed: number, bug: ToyBug): Promise<Violation[]> {
  const swarm = new SeededRandom(seed).fork('swarm');
  const world = new World({ seed, network: drawNetworkModel(swarm) });
  const server = world.addHost('server', { disk: drawDiskModel(swarm) });
  const registers = new RegisterHistory();
  const writes = new WriteHistory();
  boot(server, bug);
  const clients = ['ann', 'bob', 'the last'].map((name, number) => {
    const client = new ToyClient(world.addHost(name).boot(), number + 1, registers, writes);
    if (number < 2) void client.run('server');
    return client;
  });
  torment(world, server, bug);
  await world.run({ virtualMsMax: 15_000 });

  // Liveness: once all is well again, everybody is served.
  world.heal();
  server.process?.kill(worstPowerCut);
  boot(server, bug);
  const before = clients.map(({ answered }) => answered);
  void clients[2]!.run('server');
  await world.reach(() => clients.every(({ answered }, at) => answered > before[at]! + 5), {
    virtualMsMax: 300_000,
  });
  const journal = server.drive.contentsOf('/data/journal');
  const last = lastValue(journal ?? new Uint8Array(0));
  return [
    ...checkRegisters(registers.operations, initial),
    ...checkDurability(writes.writes, { valueOf: () => last }),
  ];
}

function lastValue(journal: Uint8Array): string | null {
  const view = new DataView(journal.buffer, journal.byteOffset, journal.length);
  let last: string | null = null;
  for (let at = 0; at + 16 <= journal.length && view.getUint32(at) !== 0; at += 16) {
    last = String(view.getUint32(at + 4));
  }
  return last;
}

describe('a whole world', () => {
  it.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
    'finds nothing wrong with a server that is right, SEED=%i',
    async (seed) => {
      expect(await violations(seed, 'none')).toEqual([]);
    },
  );

  it.each(['replyBeforeCommit', 'readsUncommitted', 'forgetsDirectorySync'] as const)(
    'convicts a server that %s within 25 seeds',
    async (bug) => {
      let found: Violation[] = [];
      for (let seed = 1; seed <= 25 && found.length === 0; seed++) {
        found = await violations(seed, bug);
      }
      expect(found.length).toBeGreaterThan(0);
    },
  );
});
