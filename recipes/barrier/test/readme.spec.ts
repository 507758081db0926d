import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import * as client from '@aviary/client';
import * as nest from '@aviary/nest';
import * as barrier from '../src/index.js';
import { readmeIn, runExample } from '../../../test/readme-examples.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...client, ...nest, ...barrier };

const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const dataDir = mkdtempSync(join(tmpdir(), 'aviary-barrier-'));
const apps: INestApplicationContext[] = [];
let member: INestApplicationContext;
let servers: string;

beforeAll(async () => {
  const options = { dataDir, clientPort: 0, tickTimeMs: 500, preAllocBytes: 64 << 10 };
  const imports = [nest.EnsembleModule.forRoot(options)];
  const testing = await Test.createTestingModule({ imports }).setLogger(silent).compile();
  member = await testing.init();
  servers = member.get(nest.EnsembleTransport).address;
});

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

afterAll(async () => {
  await member.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Runs an example against the member of this test. */
function run<T>(example: string, result: string, around: object = {}): Promise<T> {
  const body = `${example.replaceAll('localhost:2181', servers)}${result}`;
  common.Logger.overrideLogger(false);
  return runExample<T>(body, { ...packages, ...around });
}

interface Migration {
  run(shard: number): Promise<bigint>;
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# barrier: .*\.$/);
  });

  it('lets services migrate together', async () => {
    let atWork = 0;
    let most = 0;
    const migrate = async (_shard: number, { signal }: { signal: AbortSignal }) => {
      most = Math.max(most, ++atWork);
      // Neither goes on before the other has begun.
      while (most < 2 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 1));
      atWork--;
    };
    const start = () =>
      run<{ app: INestApplicationContext; migration: Migration }>(
        examples[0]!,
        'return { app, migration: app.get(Migration) };',
        { migrate },
      );
    const [one, other] = await Promise.all([start(), start()]);
    apps.push(one.app, other.app);
    const tokens = await Promise.all([one.migration.run(1), other.migration.run(2)]);
    expect(tokens[0]).toBe(tokens[1]);
    expect(most).toBe(2);
  });

  it('meets by hand', async () => {
    await run(examples[1]!, '');
    await using zk = new client.ZooKeeper({ servers });
    expect(String((await zk.get('/migrated')).data)).toBe('by a member');
    expect(await zk.exists('/barriers/deploy')).toBeNull();
  });

  it('names every export, every option and every reason', () => {
    const reasons = ['sessionLost', 'uncertain', 'nodeDeleted', 'revoked', 'shutdown'];
    const options = ['connection', 'name', 'root', 'identity', 'drain', 'acl', 'attemptMs'];
    const names = [...Object.keys(barrier).filter((name) => name !== 'Round'), ...reasons];
    expect([...names, ...options].filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
