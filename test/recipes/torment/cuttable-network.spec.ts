import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CuttableNetwork } from './cuttable-network.js';

/** Time enough for what must not arrive to arrive. */
const A_WHILE_MS = 50;

let network: CuttableNetwork;
let server: Server;
let accepted: Socket[];
let port: number;

beforeEach(async () => {
  network = new CuttableNetwork();
  accepted = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = await network.door({
    from: 'ann',
    to: 'bob',
    port: (server.address() as AddressInfo).port,
    rewrite: (bytes) => Buffer.from(bytes.toString().toUpperCase()),
  });
});

afterEach(async () => {
  await network.close();
  for (const socket of accepted) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** A connection, and what the other end has received so far. */
async function connection() {
  const ann = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(ann, 'connect');
  ann.on('error', () => undefined);
  const atAnn: string[] = [];
  ann.on('data', (bytes: Buffer) => atAnn.push(bytes.toString()));
  return { ann, atAnn };
}

/** As {@link connection}, when it has been accepted behind the door. */
async function throughConnection() {
  const made = await connection();
  if (accepted.length === 0) await once(server, 'connection');
  const bob = accepted[0]!;
  const atBob: string[] = [];
  bob.on('data', (bytes: Buffer) => atBob.push(bytes.toString()));
  return { ...made, bob, atBob };
}

describe('a network that can be cut', () => {
  it('passes bytes and ends on, the first ones changed', async () => {
    const { ann, atAnn, bob, atBob } = await throughConnection();
    ann.write('one');
    await once(bob, 'data');
    ann.end('two');
    await once(bob, 'end');
    bob.end('three');
    await once(ann, 'end');
    expect([atBob, atAnn]).toEqual([['ONE', 'two'], ['three']]);
  });

  it('passes a reset on', async () => {
    const { ann, bob } = await throughConnection();
    bob.resetAndDestroy();
    await closed(ann);
  });

  it('stops bytes and ends one way, lets the others pass, and resets both ends in the end', async () => {
    const { ann, atAnn, bob, atBob } = await throughConnection();
    network.cut('ann', 'bob');
    ann.end('lost');
    bob.write('heard');
    await once(ann, 'data');
    await sleep(A_WHILE_MS);
    expect([atBob, atAnn]).toEqual([[], ['heard']]);
    expect(bob.readableEnded).toBe(false);
    network.heal();
    await Promise.all([closed(bob), closed(ann)]);
    expect(atBob).toEqual([]);
  });

  it('hides from one end that the other is gone', async () => {
    const { ann, bob } = await throughConnection();
    network.cut('bob', 'ann');
    bob.resetAndDestroy();
    await sleep(A_WHILE_MS);
    expect(ann.closed).toBe(false);
    network.heal();
    await closed(ann);
  });

  it('takes new connections that lead nowhere, whichever way is cut', async () => {
    for (const [from, to] of [
      ['ann', 'bob'],
      ['bob', 'ann'],
    ] as const) {
      network.cut(from, to);
      const { ann } = await connection();
      await sleep(A_WHILE_MS);
      expect(accepted).toEqual([]);
      network.heal();
      await closed(ann);
    }
  });

  it('leaves connections of others alone', async () => {
    const { ann, atBob, bob } = await throughConnection();
    network.cut('ann', 'cas');
    network.heal();
    ann.write('on');
    await once(bob, 'data');
    expect(atBob).toEqual(['ON']);
  });
});
