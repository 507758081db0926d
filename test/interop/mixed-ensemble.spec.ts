import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pythonWithKazoo } from './installed.js';
import { TestEnsemble } from './members.js';
import { Program } from './programs.js';
import { succeed } from './scenarios.js';
import { removeAll, type ServerKind } from './servers.js';

// ZooKeeper's servers and ours in one ensemble; each test of a client is a function in kazoo/scenarios.py.

const scenarios = fileURLToPath(new URL('kazoo/scenarios.py', import.meta.url));
const { aviary, zookeeper } = { aviary: 'aviary', zookeeper: 'zookeeper' } as const;

function start(hosts: string, scenario: string): Program {
  return Program.start(pythonWithKazoo(), [scenarios, hosts, scenario]);
}

/** Changes one bit amid the transactions. */
function damageNewestLog(directory: string): void {
  const zxidOf = (name: string): number => parseInt(name.slice('log.'.length), 16);
  const logs = readdirSync(directory).filter((name) => name.startsWith('log.'));
  const newest = logs.reduce((one, other) => (zxidOf(one) > zxidOf(other) ? one : other));
  const bytes = readFileSync(join(directory, newest));
  const middle = Math.floor(bytes.findLastIndex((byte) => byte !== 0) / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 4, middle);
  writeFileSync(join(directory, newest), bytes);
}

afterEach(removeAll);

describe("among ZooKeeper's servers, ours", () => {
  it('follows, and serves clients as the others do', async () => {
    const ensemble = await TestEnsemble.start([zookeeper, zookeeper, aviary]);
    for (const scenario of ['operations', 'watches', 'transactions']) {
      await succeed(start(ensemble.member(3).hosts, scenario));
    }
    await succeed(start(ensemble.member(1).hosts, 'permissions'));
    await ensemble.untilCaughtUp(3);
    expect(await ensemble.digestMismatches()).toBe(0);
  });

  it('is needed for the quorum when one of them is gone, and then leads', async () => {
    const ensemble = await TestEnsemble.start([zookeeper, zookeeper, aviary]);
    const writer = start(ensemble.hosts, 'writes_on');
    await writer.waitFor(/writes/);
    const first = await ensemble.leader();
    await ensemble.member(first).kill();
    await ensemble.leader();
    const lost = first === 1 ? 2 : 1;
    await ensemble.member(first).start();
    await ensemble.untilCaughtUp(first);
    await ensemble.member(lost).kill();
    expect(await ensemble.leader()).toBe(3);
    await ensemble.member(lost).start();
    await ensemble.untilCaughtUp(lost);
    writer.send('stop\n');
    await succeed(writer);
    expect(await ensemble.digestMismatches()).toBe(0);
  });

  it('repairs a damaged log from them', async () => {
    const ensemble = await TestEnsemble.start([zookeeper, zookeeper, aviary]);
    for (const scenario of ['operations', 'watches']) {
      await succeed(start(ensemble.member(1).hosts, scenario));
    }
    const member = ensemble.member(3);
    await ensemble.untilCaughtUp(3);
    await member.stop();
    const directory = join(member.dataDir, 'version-2');
    damageNewestLog(directory);
    await member.start();
    await ensemble.untilCaughtUp(3);
    expect(await ensemble.modeOf(3)).toBe('follower');
    expect(readdirSync(directory)).toContain('damaged-1');
    expect(readdirSync(directory)).not.toContain('rejoining');
    await succeed(start(member.hosts, 'transactions'));
    expect(await ensemble.digestMismatches()).toBe(0);
  });

  it('observes', async () => {
    const ensemble = await TestEnsemble.start([zookeeper, zookeeper, aviary], 1);
    expect(await ensemble.modeOf(3)).toBe('observer');
    await succeed(start(ensemble.member(3).hosts, 'operations'));
    await ensemble.untilCaughtUp(3);
    expect(await ensemble.digestMismatches()).toBe(0);
  });
});

describe('a rolling migration', () => {
  async function replaceAll(ensemble: TestEnsemble, kind: ServerKind): Promise<void> {
    for (const id of [1, 2, 3]) {
      await ensemble.member(id).stop();
      await ensemble.member(id).start(kind);
      await ensemble.untilCaughtUp(id);
    }
  }

  it('to ours and back loses no acknowledged write and no session', async () => {
    const ensemble = await TestEnsemble.start([zookeeper, zookeeper, zookeeper]);
    const writer = start(ensemble.hosts, 'writes_on');
    await writer.waitFor(/writes/);
    await replaceAll(ensemble, aviary);
    await replaceAll(ensemble, zookeeper);
    writer.send('stop\n');
    await succeed(writer);
  });
});
