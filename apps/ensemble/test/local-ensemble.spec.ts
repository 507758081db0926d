import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryClaim } from '@aviary/host';
import { readConfiguration, serverOptions, type ServerOptions } from '@aviary/server';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LocalEnsemble, environmentOfMembers } from '../src/local/local-ensemble.js';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'aviary-local-'));
});

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function ensembleOf(members: number, options: Partial<ServerOptions> = {}): LocalEnsemble {
  return new LocalEnsemble(serverOptions({ dataDir, tickTimeMs: 2000, ...options }), members);
}

/** As if a member had run. */
function leaveData(id: number): string {
  const path = join(dataDir, String(id), 'version-2');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'log.1'), 'x');
  return path;
}

describe('a local ensemble', () => {
  it('has a directory, ports and a configuration for each member', () => {
    const ensemble = ensembleOf(3);
    ensemble.prepare();
    expect(ensemble.servers).toBe('127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183');
    const [, second] = ensemble.places;
    expect(second).toMatchObject({ id: 2, dataDir: join(dataDir, '2') });
    expect(readFileSync(join(dataDir, '2', 'myid'), 'utf8')).toBe('2\n');
    const text = readFileSync(second!.configPath, 'utf8');
    expect(text).toContain('server.1=127.0.0.1:2888:3888;127.0.0.1:2181\n');
    expect(text).toContain('server.3=127.0.0.1:2890:3890;127.0.0.1:2183\n');
    const { options, ensemble: settings, warnings } = readConfiguration({ name: 'x', text }, {});
    expect(warnings).toEqual([]);
    expect(options).toMatchObject({ dataDir: join(dataDir, '2'), tickTimeMs: 2000 });
    expect(settings?.ensemble.members.size).toBe(3);
  });

  it('can be reached from elsewhere where its base can, and keeps logs apart', () => {
    const dataLogDir = join(dataDir, 'logs');
    const ensemble = ensembleOf(2, { clientAddress: '::', clientPort: 9000, dataLogDir });
    expect(ensemble.servers).toBe('127.0.0.1:9000,127.0.0.1:9001');
    const text = ensemble.configurationOf(ensemble.places[1]!);
    expect(text).toContain(`dataLogDir=${join(dataLogDir, '2')}\n`);
    expect(text).toContain('server.2=127.0.0.1:9708:10708;[::]:9001\n');
  });

  it.each([
    [0, 65_535 - 1707 - 2],
    [63_827, 63_826],
  ])('counts its ports from one that leaves room: not %i', (clientPort, most) => {
    expect(() => ensembleOf(3, { clientPort })).toThrow(
      `clientPort must be from 1 to ${most} here, since the ports of 3 members are counted from it`,
    );
  });

  it('does not become larger or smaller on the data that it has', () => {
    ensembleOf(3).prepare();
    ensembleOf(3, { clientPort: 4000 }).prepare();
    expect(() => ensembleOf(5).prepare()).toThrow(
      `${dataDir} has the data of 3 members: start them with --members 3, or remove their data with --fresh`,
    );
    expect(existsSync(join(dataDir, '5'))).toBe(false);
    // One that is missing does not make it smaller.
    rmSync(join(dataDir, '3'), { recursive: true });
    expect(() => ensembleOf(2).prepare()).toThrow('has the data of 3 members');
  });

  it('is cleared of all data, also that of a larger one, and of nothing else', async () => {
    ensembleOf(5).prepare();
    const left = [1, 5].map(leaveData);
    writeFileSync(join(dataDir, '1', 'mine.txt'), 'x');
    const alone = join(dataDir, 'version-2');
    mkdirSync(alone);
    await ensembleOf(3).clear();
    expect(left.filter(existsSync)).toEqual([]);
    expect(existsSync(alone)).toBe(true);
    expect(existsSync(join(dataDir, '1', 'mine.txt'))).toBe(true);
    ensembleOf(3).prepare();
  });

  it('is not cleared at all while one of its members runs', async () => {
    ensembleOf(3).prepare();
    const left = [1, 2, 3].map(leaveData);
    const claim = await DirectoryClaim.take(join(dataDir, '3'));
    try {
      await expect(ensembleOf(3).clear()).rejects.toThrow('is in use by another process');
      expect(left.filter(existsSync)).toEqual(left);
    } finally {
      await claim.release();
    }
    await ensembleOf(3).clear();
    expect(left.filter(existsSync)).toEqual([]);
  });

  it('leaves its members what they have in common of the environment', () => {
    const environment = { PATH: '/bin', AVIARY_SNAP_COUNT: '9', AVIARY_CLIENT_PORT: '1' };
    expect(environmentOfMembers(environment)).toEqual({ PATH: '/bin', AVIARY_SNAP_COUNT: '9' });
  });
});
