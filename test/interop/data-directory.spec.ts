import { afterEach, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import { TestServer, removeAll, type ServerKind } from './servers.js';
import { GARDENER, growTree, surveyTree } from './varied-tree.js';

// One data directory, two servers that take turns on it. Each is killed, so that what it leaves is
// snapshots, full logs and a log that ends somewhere.

const SETTINGS = { snapCount: 100 };

const clients: ZooKeeper[] = [];

function clientOf(server: TestServer, sessionTimeoutMs = 60_000): ZooKeeper {
  const zk = new ZooKeeper({ servers: server.hosts, sessionTimeoutMs, auth: [GARDENER] });
  clients.push(zk);
  return zk;
}

/** Ends the server as by power failure, and those who were connected to it; nobody says goodbye. */
async function crash(server: TestServer): Promise<void> {
  await server.kill();
  await Promise.all(clients.splice(0).map((zk) => zk.close()));
}

afterEach(async () => {
  await removeAll();
  await Promise.all(clients.splice(0).map((zk) => zk.close()));
});

const TURNS: readonly (readonly [ServerKind, ServerKind])[] = [
  ['zookeeper', 'aviary'],
  ['aviary', 'zookeeper'],
];

describe.each(TURNS)('what %s leaves on disk', (first, second) => {
  it(`is the same to ${second}, and back: nodes, lists, sequences, sessions`, async () => {
    const server = await TestServer.start(first, SETTINGS);
    const planter = clientOf(server);
    await growTree(planter, '/one');
    const planted = await surveyTree(planter);
    expect(planted.size).toBeGreaterThan(130);
    const shortLived = clientOf(server, 2_000);
    await shortLived.create('/short', '', { mode: 'ephemeral' });

    await crash(server);
    await server.start(second);
    // Passwords of sessions are each server's own: nobody comes back to a session of the other.
    const heir = clientOf(server);
    // But the sessions are known, and with them when they end.
    while ((await heir.exists('/short')) !== null);
    const found = await surveyTree(heir);
    expect([...found].filter(isPlanted)).toEqual([...planted].filter(isPlanted));
    expect(await server.metric('zk_ephemerals_count')).toBe(2);
    expect(await server.metric('zk_digest_mismatches_count')).toBe(0);

    const numbers = [...found.keys()].map((path) => /-(\d{10})$/.exec(path)?.[1] ?? '');
    const next = await heir.create('/one/n-', '', { mode: 'persistentSequential' });
    expect(Number(next.path.slice(-10))).toBeGreaterThan(Math.max(...numbers.map(Number)));
    await growTree(heir, '/two');
    const both = await surveyTree(heir);

    await crash(server);
    await server.start(first);
    expect(await surveyTree(clientOf(server))).toEqual(both);
    expect(await server.metric('zk_ephemerals_count')).toBe(4);
    expect(await server.metric('zk_digest_mismatches_count')).toBe(0);
  });
});

/** The root changes with what comes and goes beside the tree. */
function isPlanted([path]: readonly [string, string]): boolean {
  return path !== '/' && path !== '/short';
}
