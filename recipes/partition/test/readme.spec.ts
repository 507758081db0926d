import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import * as client from '@aviary/client';
import * as nest from '@aviary/nest';
import * as partition from '../src/index.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...client, ...nest, ...partition };

const apps: INestApplicationContext[] = [];
const member = readmeMember();

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** Runs an example against the member of this test. */
function run<T>(example: string, result: string, around: object): Promise<T> {
  return member.run<T>(example, result, { ...packages, ...around });
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# partition: .*\.$/);
  });

  it('works on orders', async () => {
    const settled = new Map<number, bigint>();
    let onAll: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (onAll = resolve));
    const ordersOf = async function* (index: number, { signal }: { signal: AbortSignal }) {
      yield index;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const settle = async (order: number, { fence }: { fence: bigint }) => {
      settled.set(order, await Promise.resolve(fence));
      if (settled.size === 8) onAll();
    };
    const around = { ordersOf, settle };
    apps.push(await run<INestApplicationContext>(examples[0]!, 'return app;', around));
    await all;
    expect([...settled.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await using zk = new client.ZooKeeper({ servers: member.servers });
    expect(settled.get(3)).toBe((await zk.exists('/partitions/orders/owners/3'))?.czxid);
  });

  it('joins by hand', async () => {
    const items: string[] = [];
    const printed: unknown[][] = [];
    let onAll: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (onAll = resolve));
    const consume = async (item: string, signal: AbortSignal) => {
      if (items.push(item) === 2) onAll();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const console = { log: (...words: unknown[]) => printed.push(words) };
    await run(examples[1]!, '', { consume, consumed: () => all, console });
    expect(items.sort()).toEqual(['eu', 'us']);
    expect(printed.map(([, , ours]) => ours)).toContain(2);
    expect(printed.at(-1)?.[2]).toBe(0);
  });

  it('names every export and every option', () => {
    const options = ['connection', 'name', 'root', 'member', 'identity', 'grace', 'settle', 'acl'];
    const names = Object.keys(partition).filter((name) => name !== 'Share');
    expect([...names, ...options].filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
