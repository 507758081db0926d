import 'reflect-metadata';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as common from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import * as core from '@nestjs/core';
import * as microservices from '@nestjs/microservices';
import { describe, expect, it } from '@jest/globals';
import { ZooKeeper } from '@aviary/client';
import * as nest from '@aviary/nest';
import { firstValueFrom } from 'rxjs';
import { freePort } from '../../../test/free-port.js';
import { readmeIn } from '../../../test/readme-examples.js';
import { readmeMember } from '../../../test/recipes/readme-member.js';
import * as membership from '../src/index.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));
const printed: unknown[][] = [];
const member = readmeMember();

/** Runs an example against the member of this test, as it is printed; resolves with what it made. */
async function run<Made>(at: number, name: string): Promise<Made> {
  const here = examples[at]!.replace("'10.0.0.7', port: 4000", "'127.0.0.1', port: 4000")
    .replaceAll('4000', `${await freePort()}`)
    .replace("wait: '5s'", "wait: '3s'");
  const console = { log: (...words: unknown[]) => printed.push(words) };
  const rooms = { ...common, ...core, ...microservices, ...nest, ...membership };
  return await member.run<Made>(here, `return ${name};`, {
    ...rooms,
    ZooKeeper,
    console,
    firstValueFrom,
  });
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
    await using zk = new ZooKeeper({ servers: member.servers });
    expect(await new membership.Groups(zk).members('workers')).toEqual([]);
  });

  it('registers a service and finds it', async () => {
    const zk = await run<ZooKeeper>(1, 'zk');
    expect(printed.splice(0)).toEqual([['http://10.0.0.7:8080']]);
    expect(await new membership.Services(zk).service('inventory').instances()).toEqual([]);
    await zk.close();
  });

  it('calls a service that is found, over TCP', async () => {
    const [app, orders] = await run<INestApplicationContext[]>(2, '[inventory, orders]');
    expect(printed.splice(0)).toEqual([[{ item: 'nut', left: 3 }]]);
    await app!.close();
    const client = orders!.get<microservices.ClientProxy>('INVENTORY');
    await expect(firstValueFrom(client.send('stock.get', { item: 'nut' }))).rejects.toThrow(
      membership.NoInstanceError,
    );
    await orders!.close();
  });

  it('names every export, every option and every state', () => {
    const options = ['connection', 'name', 'root', 'servicesRoot', 'identity', 'acl', 'payload'];
    const client = ['service', 'membership', 'services', 'wait', 'attempt', 'tcp', 'clientOf'];
    const join = ['id', 'ttlMs', 'owner'];
    const registry = ['port', 'sslPort', 'address', 'id', 'metadata', 'drain', 'when'];
    const states = ['joining', 'joined', 'suspended', 'lost', 'conflict', 'left'];
    const names = [
      ...Object.keys(membership),
      ...options,
      ...registry,
      ...client,
      ...join,
      ...states,
    ];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    expect(examples).toHaveLength(3);
  });
});
