import 'reflect-metadata';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';
import * as counter from '../src/index.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));
const printed: unknown[][] = [];
const note = (...words: unknown[]) => printed.push(words);
const member = readmeMember();

/** Runs an example against the member of this test, as it is printed; resolves with what it made. */
function run<Made>(at: number, name: string): Promise<Made> {
  const console = { log: note, warn: note };
  return member.run<Made>(examples[at]!, `return ${name};`, {
    ...common,
    ...core,
    ...nest,
    ...counter,
    ZooKeeper,
    console,
  });
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# counter: .*\.$/);
  });

  it('counts in an application', async () => {
    const app = await run<INestApplicationContext>(0, 'app');
    expect(printed.splice(0)).toEqual([
      ['orders so far', 1n],
      ['the id is', 1n],
    ]);
    await app.close();
  });

  it('keeps a value without Nest', async () => {
    const zk = await run<ZooKeeper>(1, 'zk');
    const isShown = () => printed.some(([, rate]) => rate === '1.18');
    while (!isShown()) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(printed).toContainEqual([true, 1n]);
    await zk.close();
  });

  it('names every export and every option', () => {
    const options = ['connection', 'name', 'root', 'wait', 'tries', 'receipts', 'drain', 'log'];
    const names = [...Object.keys(counter), ...options, 'identity', 'acl'];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
