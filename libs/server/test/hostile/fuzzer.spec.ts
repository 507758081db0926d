import { describe, expect, it } from '@jest/globals';
import { SeededRandom, worstPowerCut } from '@aviary/simulator';
import { checkLogs, soundLogs } from '../log-replay.js';
import { getData } from '../requests.js';
import { ServerWorld } from '../server-world.js';
import { ATTACKS } from './attacks.js';
import { Attacker } from './attacker.js';
import { SteadyClient } from './steady-client.js';

const PORT = 2181;
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1);
const ATTACKS_PER_SEED = 150;
const HELD_BYTES_MAX = 4 << 20;
const PATIENCE_MS = 6000;
/** Far below what a client waits before it looks for another server. */
const SLOWEST_MS = 500;

/** Everything that must be the same after a restart. */
function stateOf({ port }: ServerWorld): unknown {
  const { tree } = port;
  return {
    zxid: tree.lastZxid,
    digest: [tree.digest.high, tree.digest.low],
    nodes: tree.nodes.size,
    bytes: tree.nodes.contentBytes,
    sessions: tree.sessions.size,
    ephemerals: tree.ephemeralCount,
  };
}

async function fuzz(seed: number): Promise<void> {
  const random = new SeededRandom(`hostile ${seed}`);
  const world = await ServerWorld.start({
    seed,
    server: {
      clientPort: PORT,
      tickTimeMs: 500,
      maxSessionTimeoutMs: 3000,
      limits: { heldBytesMax: HELD_BYTES_MAX, outputBytesMax: 2 << 20, handshakeMs: 2000 },
    },
  });
  const target = { address: world.host.address, port: PORT };
  const steady = new SteadyClient(world.world.addHost('steady').boot(), target);
  steady.begin();
  await world.reach(() => steady.rounds > 0);

  const home = world.world.addHost('attackers').boot();
  const attackers: Attacker[] = [];
  let held = 0;
  for (let i = 0; i < ATTACKS_PER_SEED; i++) {
    const attack = random.pick(ATTACKS);
    const attacker = new Attacker(home, target, attack.moves(random, steady));
    attackers.push(attacker);
    home.run(() => attacker.begin());
    await world.pass(random.below(60));
    held = Math.max(held, world.port.heldBytes);
  }
  await world.pass(PATIENCE_MS / 3);
  for (const attacker of attackers) home.run(() => attacker.giveUp());
  await world.pass(PATIENCE_MS);

  expect(steady.complaints).toEqual([]);
  expect(steady.rounds).toBeGreaterThan(200);
  expect(steady.slowestMs).toBeLessThan(SLOWEST_MS);
  expect(held).toBeLessThanOrEqual(HELD_BYTES_MAX);
  const { port } = world;
  expect([world.failures, world.server.state]).toEqual([[], 'serving']);
  expect([port.connections.size, port.sessions.size, port.heldBytes]).toEqual([1, 1, 0]);
  expect([port.tree.watches.size, port.tree.watches.bytes]).toEqual([0, 0]);
  expect(port.tree.ephemeralCount).toBe(0);

  steady.rest();
  await world.pass(1000);
  expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
  const before = stateOf(world);
  await world.restart(worstPowerCut);
  expect(stateOf(world)).toEqual(before);
  const client = await world.session();
  await client.done(getData('/steady'));
}

describe('a hostile crowd at the client port', () => {
  it.each(SEEDS)(
    'harms nobody else, is forgotten, and leaves a log that replays (seed %i)',
    (seed) => fuzz(seed),
    30_000,
  );
});
