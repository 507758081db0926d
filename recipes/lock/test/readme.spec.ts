import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import * as lock from '../src/index.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...nest, ...lock };

const apps: INestApplicationContext[] = [];
const member = readmeMember();

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** What the examples use and do not import. */
interface Surroundings {
  readonly console: { log(...words: unknown[]): void };
  readonly fetch: (url: string, options: { readonly signal: AbortSignal }) => Promise<void>;
  readonly save: (what: object, options: { readonly fence: bigint }) => Promise<void>;
}

/** Runs an example against the member of this test; resolves with its application. */
async function run(example: string, around: Surroundings): Promise<INestApplicationContext> {
  const app = await member.run<INestApplicationContext>(example, 'return app;', {
    ...packages,
    ...around,
  });
  apps.push(app);
  return app;
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# lock: .*\.$/);
  });

  it('guards a method', async () => {
    const printed: unknown[][] = [];
    const saved: unknown[] = [];
    let seen: lock.LockView | undefined;
    await run(examples[0]!, {
      console: { log: (...words) => printed.push(words) },
      fetch: async (_url, { signal }) => {
        expect(signal.aborted).toBe(false);
        await using zk = new ZooKeeper({ servers: member.servers });
        seen = await new lock.LockClient(zk, { root: '/locks' }).inspect('orders/42');
      },
      save: async (what, { fence }) => {
        saved.push(what, await Promise.resolve(fence));
      },
    });
    const token = seen?.holder?.token;
    expect(token).toBeGreaterThan(0n);
    expect(saved).toEqual([{ id: '42' }, token]);
    expect(printed).toEqual([['settled', token]]);
    await using zk = new ZooKeeper({ servers: member.servers });
    const after = await new lock.LockClient(zk, { root: '/locks' }).inspect('orders/42');
    expect(after.holder).toBeNull();
  });

  it('takes a lock by hand', async () => {
    const printed: unknown[][] = [];
    const nothing = () => Promise.resolve();
    const console = { log: (...words: unknown[]) => printed.push(words) };
    await run(examples[1]!, { console, fetch: nothing, save: nothing });
    expect(printed).toEqual([['billing-1', 0], [0]]);
    await using zk = new ZooKeeper({ servers: member.servers });
    expect(String((await zk.get('/booked')).data)).toBe('by the holder');
  });

  it('takes the other kinds', async () => {
    const printed: unknown[][] = [];
    const nothing = () => Promise.resolve();
    const console = { log: (...words: unknown[]) => printed.push(words) };
    const app = await run(examples[2]!, { console, fetch: nothing, save: nothing });
    expect(printed).toEqual([[true, true]]);
    expect(app.get(lock.LockClient).leases).toEqual([]);
    await using zk = new ZooKeeper({ servers: member.servers });
    expect(String((await zk.get('/moved')).data)).toBe('while both are held');
  });

  it('names every export, every option and every reason', () => {
    const reasons = ['sessionLost', 'uncertain', 'nodeDeleted', 'revoked', 'maxHold', 'shutdown'];
    const names = [...Object.keys(lock).filter((name) => name !== 'Lease'), ...reasons];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(3);
  });
});
