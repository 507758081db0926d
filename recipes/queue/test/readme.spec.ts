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
import * as queue from '../src/index.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));
const printed: unknown[][] = [];
const delivered: unknown[] = [];
const member = readmeMember();

/** Runs an example against the member of this test, as it is printed; resolves with what it made. */
function run<Made>(at: number, name: string): Promise<Made> {
  const console = { log: (...words: unknown[]) => printed.push(words) };
  const deliver = (to: string): Promise<void> => Promise.resolve(void delivered.push(to));
  const around = { ZooKeeper, console, deliver };
  return member.run<Made>(examples[at]!, `return ${name};`, {
    ...common,
    ...core,
    ...nest,
    ...queue,
    ...around,
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# queue: .*\.$/);
  });

  it('puts and consumes in an application', async () => {
    const app = await run<INestApplicationContext>(0, 'app');
    await until(() => printed.length > 0);
    expect(printed.splice(0)).toEqual([['sent to', 'ann', 'at attempt', 1]]);
    expect(delivered).toEqual(['ann']);
    await app.close();
  });

  it('puts and consumes without Nest', async () => {
    const { zk, queues } = await run<{ zk: ZooKeeper; queues: queue.QueueClient }>(
      1,
      '{ zk, queues }',
    );
    await until(() => printed.length > 1);
    expect(printed).toEqual([[['the fire alarm']], ['a letter', 1]]);
    await queues.close();
    await zk.close();
  });

  it('names every export, every option and every setting', () => {
    const options = ['connection', 'name', 'root', 'wait', 'drain', 'receipts', 'identity', 'acl'];
    const settings = ['layout', 'codec', 'lockPath', 'deadLetter', 'maxItems', 'concurrency'];
    const names = Object.keys(queue).filter((name) => name !== 'Consumer');
    const all = [...names, ...options, ...settings, 'mode', 'retry', 'backoffMax'];
    expect(all.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
