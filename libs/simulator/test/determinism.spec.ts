import { describe, expect, it } from '@jest/globals';
import { drawDiskModel, drawNetworkModel, SeededRandom, World } from '@aviary/simulator';
import { EchoClient, startEchoServer } from './echo.js';

/** A world with some of everything: traffic, files, kills, pauses, cuts. */
async function busyWorld(seed: number, trace?: (line: string) => void): Promise<World> {
  const swarm = new SeededRandom(seed).fork('swarm');
  const network = drawNetworkModel(swarm);
  const world = new World({ seed, network, ...(trace === undefined ? {} : { trace }) });
  const server = world.addHost('server', { disk: drawDiskModel(swarm) });
  startEchoServer(server.boot());
  const fates = world.random.fork('fates');
  for (const name of ['ann', 'bob']) {
    const host = world.addHost(name);
    const process = host.boot();
    new EchoClient(process, server.address).start(fates.between(5, 20));
  }
  world.after(fates.between(50, 400), () => server.process?.pause());
  world.after(fates.between(400, 600), () => server.process?.resume());
  world.after(fates.between(50, 800), () => world.partition(['ann'], ['server']));
  world.after(fates.between(800, 900), () => world.heal());
  world.after(fates.between(900, 1_500), () => startEchoServer(server.restart()));
  await world.run({ virtualMsMax: 3_000 });
  return world;
}

describe('a run', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('is a function of its seed, SEED=%i', async (seed) => {
    const first = await busyWorld(seed);
    const second = await busyWorld(seed);
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.eventsDone).toBe(first.eventsDone);
    expect(first.eventsDone).toBeGreaterThan(200);
  });

  it('differs from seed to seed', async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 8; seed++) hashes.add((await busyWorld(seed)).traceHash);
    expect(hashes.size).toBe(8);
  });

  it('can be read, and reading does not change it', async () => {
    const lines: string[] = [];
    const read = await busyWorld(3, (line) => lines.push(line));
    const again: string[] = [];
    await busyWorld(3, (line) => again.push(line));
    expect(again).toEqual(lines);
    expect(read.traceHash).toBe((await busyWorld(3)).traceHash);
    for (const kind of ['boot server', 'accepted server', 'commit /data/echo', 'pause server']) {
      expect(lines.some((line) => line.includes(kind))).toBe(true);
    }
  });

  it('shows when the code under test is not a function of the seed', async () => {
    const withForeignChance = async (foreign: number) => {
      const world = new World({ seed: 1 });
      const { clock } = world.addHost('one').boot();
      const { disk } = world.addHost('two').boot();
      clock.setTimer(10 + foreign, () => void disk.makeDirectory('/data/x'));
      await world.run();
      return world.traceHash;
    };
    expect(await withForeignChance(0)).not.toBe(await withForeignChance(1));
  });
});
