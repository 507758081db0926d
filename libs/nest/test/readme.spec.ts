import 'reflect-metadata';
import { join } from 'node:path';
import * as client from '@aviary/client';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import * as terminus from '@nestjs/terminus';
import type { INestApplication, INestApplicationContext, INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { filter, firstValueFrom, interval } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as nest from '../src/index.js';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import { freePorts } from '../../../test/free-port.js';
import { KeptLog, memberIn, Takedown } from './hosted-member.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

/** What the examples can import. */
const packages = { ...common, ...core, ...terminus, ...client, ...nest };

let takedown: Takedown;
let address: string;

beforeEach(async () => {
  takedown = new Takedown();
  const imports = [memberIn(takedown.directory())];
  const module = await Test.createTestingModule({ imports }).setLogger(new KeptLog()).compile();
  address = takedown.app(await module.init()).get(nest.EnsembleTransport).address;
});

afterEach(() => takedown.run());

/** Runs an example against the member of this test; resolves with its application. */
async function run<App extends INestApplicationContext | INestMicroservice>(
  example: string,
  printed: unknown[][] = [],
): Promise<App> {
  const body = example
    .replaceAll('localhost:2181', address)
    .replaceAll("'./data', clientPort: 2181", `'${takedown.directory()}', clientPort: 0`);
  const console = { log: (...words: unknown[]) => printed.push(words) };
  common.Logger.overrideLogger(false);
  return takedown.app(await runExample<App>(`${body}return app;`, { ...packages, console }));
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# nest: .*\.$/);
  });

  it('has these examples', () => {
    expect(examples).toHaveLength(6);
  });

  it('injects a client', async () => {
    const printed: unknown[][] = [];
    await run(examples[0]!, printed);
    expect(printed).toEqual([['hello, /greeted/world-0000000000']]);
    await using zk = new client.ZooKeeper({ servers: address });
    expect((await zk.children('/readme/greeted')).children).toEqual(['world-0000000000']);
  });

  it('has a second connection, which is lazy', async () => {
    const printed: unknown[][] = [];
    const app = await run<INestApplicationContext>(examples[1]!, printed);
    await app.get<client.ZooKeeper>(nest.getZooKeeperToken('audit')).exists('/');
    expect(app.get(client.ZooKeeper).state).toMatchObject({ timeoutMs: 10_000 });
    expect(printed).toEqual([
      ['audit', 'connecting'],
      ['audit', 'connected'],
    ]);
  });

  it('hosts a member', async () => {
    const printed: unknown[][] = [];
    await run(examples[2]!, printed);
    expect(printed).toEqual([
      ['member', 'serving'],
      [expect.objectContaining({ numChildren: expect.any(Number) })],
    ]);
  });

  it('hosts the members of an ensemble', async () => {
    let example = examples[3]!;
    for (const id of [1, 2, 3]) {
      const ports = await freePorts(3);
      const line = `127.0.0.1:${ports[0]}:${ports[1]};127.0.0.1:${ports[2]}`;
      example = example.replace(`zk${id}:2888:3888;2181`, line);
    }
    const printed: unknown[][] = [];
    const members: nest.EnsembleTransport[] = [];
    for (const id of ['1', '2']) {
      const dataDir = takedown.directory();
      const process = { env: { SERVER_ID: id } };
      const body = example.replace('./data', dataDir);
      const app = await runExample<INestApplicationContext>(`${body}return app;`, {
        ...packages,
        console: { log: (...words: unknown[]) => printed.push(words) },
        process,
      });
      members.push(takedown.app(app).get(nest.EnsembleTransport));
    }
    for (const member of members) {
      await firstValueFrom(member.mode$.pipe(filter(() => member.isUp)));
    }
    await using zk = new client.ZooKeeper({ servers: members.map((member) => member.address) });
    expect(await zk.exists('/')).not.toBeNull();
    await zk.close();
    await firstValueFrom(
      interval(10).pipe(filter(() => printed.some(([, mode]) => mode === 'leader'))),
    );
    expect(printed).toContainEqual(['member', 'looking', false]);
    expect(printed).toContainEqual(['member', 'leader', true]);
  });

  it('hosts a member as a microservice', async () => {
    const app = await run<INestMicroservice>(examples[4]!);
    await using zk = new client.ZooKeeper({ servers: app.get(nest.EnsembleTransport).address });
    expect(await zk.exists('/')).not.toBeNull();
  });

  it('tells the health of a member', async () => {
    const example = examples[5]!.replace('listen(3000)', "listen(0, '127.0.0.1')");
    const app = await run<INestApplication>(example);
    const answer = await fetch(`${await app.getUrl()}/ready`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      status: 'ok',
      details: { ensemble: { status: 'up', mode: 'standalone' } },
    });
  });

  it('names every export', () => {
    const missing = Object.keys(nest).filter(
      (name) => !text.includes(name) && name !== 'ENSEMBLE_TRANSPORT',
    );
    expect(missing).toEqual([]);
  });
});
