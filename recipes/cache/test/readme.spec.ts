import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';
import * as cache from '../src/index.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));
const printed: unknown[][] = [];
const member = readmeMember();

beforeAll(async () => {
  await using zk = new ZooKeeper({ servers: member.servers });
  await zk.create('/prices');
  await zk.create('/prices/kiwi', '3');
});

/** Runs an example against the member of this test, as it is printed; resolves with what it made. */
function run<Made>(at: number, name: string): Promise<Made> {
  const console = { log: (...words: unknown[]) => printed.push(words) };
  return member.run<Made>(examples[at]!, `return ${name};`, {
    ...common,
    ...core,
    ...nest,
    ...cache,
    ZooKeeper,
    console,
  });
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# cache: .*\.$/);
  });

  it('keeps prices for an application', async () => {
    const app = await run<INestApplicationContext>(0, 'app');
    expect(printed.splice(0)).toEqual([
      ['a kiwi is', 3],
      ['created', '/prices'],
      ['created', '/prices/kiwi'],
    ]);
    await app.close();
  });

  it('keeps them without Nest', async () => {
    const zk = await run<ZooKeeper>(1, 'zk');
    expect(printed.splice(0)).toEqual([
      [false, true],
      ['kiwi', '3'],
    ]);
    await zk.close();
  });

  it('names every export and every option', () => {
    const options = ['connection', 'name', 'root', 'loadWithin', 'log'];
    const internal = ['TreeSnapshot'];
    const names = [...Object.keys(cache), ...options].filter((name) => !internal.includes(name));
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
