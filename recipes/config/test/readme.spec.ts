import 'reflect-metadata';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import * as config from '../src/index.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...nest, ...config, z };

interface TreeExample {
  readonly zk: ZooKeeper;
  readonly configs: config.ConfigClient;
  readonly orders: config.LiveConfig<unknown>;
}

const apps: INestApplicationContext[] = [];
const member = readmeMember();

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** What an example prints, and how to wait for it. */
class Printer {
  readonly printed: unknown[][] = [];
  private wake: () => void = () => undefined;
  readonly console = {
    log: (...words: unknown[]) => {
      this.printed.push(words);
      this.wake();
    },
  };

  async until(isThere: (words: unknown[]) => boolean): Promise<unknown[]> {
    for (;;) {
      const found = this.printed.find(isThere);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

/** Runs an example against the member of this test; resolves with its application. */
async function run(example: string, { console }: Printer): Promise<INestApplicationContext> {
  const app = await member.run<INestApplicationContext>(example, 'return app;', {
    ...packages,
    console,
  });
  apps.push(app);
  return app;
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# config: .*\.$/);
  });

  it('follows a configuration, and publishes it', async () => {
    const following = new Printer();
    const publishing = new Printer();
    await run(examples[0]!, following);
    expect(following.printed).toEqual([[120]]);
    await run(examples[1]!, publishing);
    expect(await following.until((words) => words.length === 3)).toEqual([['vat'], 0.2, 0.19]);
    await publishing.until(([first]) => first === '1 of 1 on version 1');
    const said = publishing.printed.map(([first]) => first);
    expect(said).toContain(true);
    expect(said.join()).toMatch(/no earlier version in the history/);
  });

  it('publishes a tree of properties', async () => {
    const printer = new Printer();
    const ending = 'return { zk, configs, orders };';
    const scope = { ...packages, ZooKeeper, console: printer.console };
    const { zk, configs, orders } = await member.run<TreeExample>(examples[2]!, ending, scope);
    const read = { db: { url: 'pg://orders', pool: '9' } };
    await printer.until(([all]) => isDeepStrictEqual(all, read));
    await printer.until(([all]) => (all as { debug?: string }).debug === 'true');
    const found = await zk.children('/config/orders');
    expect([...found.children].sort()).toEqual(['db', 'debug']);
    expect(orders.value).toEqual({ db: { url: 'pg://orders', pool: '5' }, debug: 'true' });
    const records = '/config-records/config%2Forders/history';
    expect(text).toContain(`${records}/t<n>-<id>-<seq>`);
    const names = (await zk.children(records)).children;
    expect(names.every((name) => /^t\d+-/.test(name))).toBe(true);
    await configs.close();
    await zk.close();
  });

  it('says where nodes stand', async () => {
    await using zk = new ZooKeeper({ servers: member.servers });
    await using other = new ZooKeeper({ servers: member.servers });
    const client = new config.ConfigClient(other);
    await client.publish('pricing', { vat: 0.1 });
    await client.watch('pricing').ready();
    const records = '/config-records/config%2Fpricing';
    expect(text).toContain(`${records}/history/v<n>-<id>-<seq>`);
    expect(text).toContain(`${records}/acks/<id>`);
    expect((await zk.children(`${records}/history`)).children.length).toBeGreaterThan(0);
    await client.close();
  });

  it('names every export and every option', () => {
    const options = [
      'bytesMax',
      'historyMax',
      'validationMs',
      'acknowledge',
      'recordsRoot',
      'drain',
    ];
    const names = [...Object.keys(config), ...options];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(3);
  });
});
