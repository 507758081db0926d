import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import { zookeeperClasspath } from './installed.js';
import { run } from './programs.js';
import { TestServer, removeAll, temporaryDirectory } from './servers.js';
import { GARDENER, growTree, surveyTree } from './varied-tree.js';

// ZooKeeper's own tools look at what our server wrote.

/** Many files, of which none is purged. */
const SETTINGS = { snapCount: 100, 'autopurge.snapRetainCount': 100 };

/** What our server says of the tree just before it is killed. */
let survey: Map<string, string>;
let lastZxid: bigint;
/** Copies of what it left. */
let files: string;

beforeAll(async () => {
  const server = await TestServer.start('aviary', SETTINGS);
  const zk = new ZooKeeper({ servers: server.hosts, auth: [GARDENER] });
  await growTree(zk, '/one');
  await growTree(zk, '/two');
  survey = await surveyTree(zk);
  lastZxid = zk.lastZxid;
  await server.kill();
  await zk.close();
  files = temporaryDirectory();
  cpSync(join(server.dataDir, 'version-2'), files, { recursive: true });
});

afterAll(removeAll);

async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
  const main = `org.apache.zookeeper.server.${name}`;
  const program = await run('java', [quiet, '-cp', zookeeperClasspath(), main, ...args]);
  return program.output;
}

/** Files of a kind, by the zxid in their names. */
function filesOf(kind: 'log' | 'snapshot'): { path: string; zxid: bigint }[] {
  return readdirSync(files)
    .filter((name) => name.startsWith(`${kind}.`))
    .map((name) => ({ path: join(files, name), zxid: BigInt(`0x${name.split('.')[1] ?? ''}`) }))
    .sort((a, b) => (a.zxid < b.zxid ? -1 : 1));
}

describe('ZooKeeper’s tool for logs', () => {
  it('reads every transaction of ours, with right checksums and without a gap', async () => {
    const logs = filesOf('log');
    expect(logs.length).toBeGreaterThan(2);
    const zxids: bigint[] = [];
    for (const { path, zxid } of logs) {
      const shown = await tool('persistence.TxnLogToolkit', '-d', path);
      expect(shown).toMatch(/EOF reached after \d+ txns/);
      expect(shown).not.toMatch(/CRC|corrupt|Exception/i);
      const found = [...shown.matchAll(/ zxid 0x([0-9a-f]+) /g)].map((m) => BigInt(`0x${m[1]}`));
      expect(found[0]).toBe(zxid);
      zxids.push(...found);
    }
    expect(zxids).toEqual(zxids.map((_, i) => BigInt(i + 1)));
    expect(zxids.at(-1)).toBe(lastZxid);
  });
});

interface ShownNode {
  readonly path: string;
  readonly fields: ReadonlyMap<string, string>;
}

function nodesIn(shown: string): ShownNode[] {
  const [tree = ''] = shown.split('Session Details');
  return tree
    .split('----\n')
    .slice(1)
    .map((part) => {
      const [path = '', ...lines] = part.trimEnd().split('\n');
      const pairs = lines.map((line) => line.trim().split(/ = ?/) as [string, string]);
      return { path, fields: new Map(pairs) };
    });
}

/** On disk the owner's field also tells containers and times to live, by its first byte. */
function sessionIn(owner: bigint): bigint {
  const mark = BigInt.asUintN(64, owner) >> 56n;
  return mark === 0x80n || mark === 0xffn ? 0n : owner;
}

interface Facts {
  readonly data: string | null;
  readonly stat: Readonly<Record<string, string | number>>;
}

describe('ZooKeeper’s tools for snapshots', () => {
  it('show every node that has not changed since as our server shows it', async () => {
    const snapshot = filesOf('snapshot').at(-1) ?? { path: '', zxid: 0n };
    expect(snapshot.zxid).toBeGreaterThan(200n);
    const shown = await tool('SnapshotFormatter', '-d', snapshot.path);
    const nodes = new Map(nodesIn(shown).map((node) => [node.path, node.fields]));
    let compared = 0;
    for (const [path, text] of survey) {
      const { data, stat } = JSON.parse(text) as Facts;
      const zxids = [stat.czxid, stat.mzxid, stat.pzxid].map((zxid) => BigInt(zxid ?? 0));
      if (zxids.some((zxid) => zxid > snapshot.zxid)) continue;
      const fields = nodes.get(path);
      const number = (name: string) => BigInt(fields?.get(name) ?? -1);
      const seen = {
        path,
        zxids: ['cZxid', 'mZxid', 'pZxid'].map(number),
        versions: ['dataVersion', 'aclVersion'].map(number),
        owner: sessionIn(number('ephemeralOwner')),
        data: fields?.get('data') ?? '',
      };
      expect(seen).toEqual({
        path,
        zxids,
        versions: [stat.version, stat.aversion].map((version) => BigInt(version ?? 0)),
        owner: BigInt(stat.ephemeralOwner ?? 0),
        data: data ?? '',
      });
      compared++;
    }
    expect(compared).toBeGreaterThan(150);
  });

  it('find no difference to the snapshot that ZooKeeper makes of the same tree', async () => {
    const ours = filesOf('snapshot').at(-1) ?? { path: '', zxid: 0n };
    const zookeeper = await TestServer.start('zookeeper');
    await zookeeper.kill();
    const directory = join(zookeeper.dataDir, 'version-2');
    const name = `snapshot.${ours.zxid.toString(16)}`;
    for (const file of readdirSync(directory)) rmSync(join(directory, file));
    cpSync(ours.path, join(directory, name));
    await zookeeper.start();
    await zookeeper.kill();
    expect(zookeeper.output).toContain(`Snapshotting: 0x${ours.zxid.toString(16)} to`);
    const theirs = join(directory, name);
    const shown = await tool(
      'SnapshotComparer',
      ...['-l', ours.path, '-r', theirs, '-b', '0', '-n', '0'],
    );
    // Below each of these lines it names the nodes that differ.
    const analysis = shown.slice(shown.indexOf('Analysis for depth 0')).trimEnd().split('\n');
    const layers = [0, 1, 2, 3].map((depth) => `Analysis for depth ${depth}`);
    expect(analysis).toEqual([...layers, 'All layers compared.']);
  });
});
