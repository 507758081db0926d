import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import * as client from '@aviary/client';
import * as nest from '@aviary/nest';
import * as barrier from '../src/index.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...client, ...nest, ...barrier };

const apps: INestApplicationContext[] = [];
const member = readmeMember();

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** Runs an example against the member of this test. */
function run<T>(example: string, result: string, around: object = {}): Promise<T> {
  return member.run<T>(example, result, { ...packages, ...around });
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
    const printed: unknown[][] = [];
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
        { migrate, console: { log: (...words: unknown[]) => printed.push(words) } },
      );
    const [one, other] = await Promise.all([start(), start()]);
    apps.push(one.app, other.app);
    const tokens = await Promise.all([one.migration.run(1), other.migration.run(2)]);
    expect(tokens[0]).toBe(tokens[1]);
    expect(most).toBe(2);
    expect(printed).toEqual([
      ['round', 1],
      ['round', 1],
    ]);
  });

  it('meets by hand', async () => {
    await run(examples[1]!, '');
    await using zk = new client.ZooKeeper({ servers: member.servers });
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
