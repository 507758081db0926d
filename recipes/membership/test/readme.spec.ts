import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import * as membership from '../src/index.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));
const dataDir = mkdtempSync(join(tmpdir(), 'aviary-membership-'));
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const printed: unknown[][] = [];
let member: INestApplicationContext;
let servers: string;

beforeAll(async () => {
  const options = { dataDir, clientPort: 0, tickTimeMs: 500, preAllocBytes: 64 << 10 };
  const imports = [nest.EnsembleModule.forRoot(options)];
  const testing = await Test.createTestingModule({ imports }).setLogger(silent).compile();
  member = await testing.init();
  servers = member.get(nest.EnsembleTransport).address;
});

afterAll(async () => {
  await member.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** Runs an example against the member of this test, as it is printed; resolves with what it made. */
function run<Made>(at: number, name: string): Promise<Made> {
  common.Logger.overrideLogger(false);
  const body = `${examples[at]!.replaceAll('localhost:2181', servers)}return ${name};`;
  const console = { log: (...words: unknown[]) => printed.push(words) };
  return runExample<Made>(body, { ...common, ...core, ...nest, ...membership, ZooKeeper, console });
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^# membership: .*\.$/);
  });

  it('joins a group with an application', async () => {
    const app = await run<INestApplicationContext>(0, 'app');
    while (printed.length === 0) await pause(5);
    expect(printed.splice(0)).toEqual([['a worker in', 'eu-1']]);
    await app.close();
    await using zk = new ZooKeeper({ servers });
    expect(await new membership.Groups(zk).members('workers')).toEqual([]);
  });

  it('registers a service and finds it', async () => {
    const zk = await run<ZooKeeper>(1, 'zk');
    expect(printed.splice(0)).toEqual([['http://10.0.0.7:8080']]);
    expect(await new membership.Services(zk).service('inventory').instances()).toEqual([]);
    await zk.close();
  });

  it('names every export, every option and every state', () => {
    const options = ['connection', 'name', 'root', 'servicesRoot', 'identity', 'acl', 'payload'];
    const registry = ['port', 'sslPort', 'address', 'id', 'metadata', 'drain', 'when'];
    const states = ['joining', 'joined', 'suspended', 'lost', 'conflict', 'left'];
    const names = [...Object.keys(membership), ...options, ...registry, ...states];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(2);
  });
});
