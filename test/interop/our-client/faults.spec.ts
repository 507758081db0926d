import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { skip } from 'rxjs';
import { encode } from '@aviary/jute';
import { OpCode, connectRequest, readOnlyField, requestHeader } from '@aviary/protocol';
import {
  ConnectionLossError,
  DeadlineExceededError,
  SessionExpiredError,
  type SessionState,
  type ZooKeeper,
} from '@aviary/client';
import { framed } from '../differential/encoding.js';
import { SERVER_KINDS, TestServer, removeAll } from '../servers.js';
import { Clients, rejection, until } from './clients.js';
import { CuttingProxy } from './cutting-proxy.js';

afterAll(removeAll);

const client = join(import.meta.dirname, '../../../libs/client/dist/index.js');

function statesOf(zk: ZooKeeper): string[] {
  const kinds: string[] = [];
  zk.state$.subscribe((state: SessionState) =>
    kinds.push(state.kind === 'lost' ? `lost ${state.reason}` : state.kind),
  );
  return kinds;
}

interface CoreInside {
  readonly password: Uint8Array;
}

/** Ends the session of `zk` from another connection, as its owner could. */
async function endFromElsewhere(zk: ZooKeeper, server: TestServer): Promise<void> {
  const inside = zk as unknown as { kernel: { host: { core: CoreInside } } };
  const { password } = inside.kernel.host.core;
  const { sessionId } = zk;
  if (sessionId === null) throw new Error('there is no session');
  const socket = connect(server.port, server.address);
  const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 6_000 };
  const handshake = encode(connectRequest, { ...request, sessionId, passwd: password });
  socket.write(framed(handshake, encode(readOnlyField, { readOnly: false })));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(framed(encode(requestHeader, { xid: 1, type: OpCode.closeSession })));
  await new Promise((resolve) => socket.once('close', resolve));
}

describe.each(SERVER_KINDS)('our client on a server of %s:', (kind) => {
  let server: TestServer;
  let clients: Clients;

  beforeAll(async () => {
    server = await TestServer.start(kind);
  });

  afterAll(() => server.kill());

  // A test that failed may have left it dead or stopped.
  beforeEach(async () => {
    server.resume();
    if (!server.isRunning) await server.start();
    clients = new Clients(server.hosts);
  });

  afterEach(() => clients.clean());

  describe('a server that is killed and comes back', () => {
    it('gives the session back, with its nodes and its watches', async () => {
      const zk = await clients.connected({ sessionTimeoutMs: 30_000 });
      const states = statesOf(zk);
      const { sessionId } = zk;
      await zk.create('/mine', '', { mode: 'ephemeral' });
      await zk.create('/data', 'before');
      const { watch } = await zk.getAndWatch('/data');
      const missing = await zk.existsAndWatch('/missing');
      const events: string[] = [];
      zk.watchTree('/').subscribe((event) =>
        events.push(event.kind === 'reset' ? `reset ${event.reason}` : event.kind),
      );
      const shown: string[] = [];
      zk.watchNode('/data').subscribe((node) => shown.push(String(node?.data)));
      await until(() => events.length === 1 && shown.length === 1);
      await server.kill();
      await until(() => zk.state.kind === 'suspended');
      const waiting = zk.get('/data');
      await server.start();
      expect((await waiting).data?.toString()).toBe('before');
      expect(states).toEqual(['connected', 'suspended', 'reconnected']);
      expect(zk.sessionId).toBe(sessionId);
      expect((await zk.exists('/mine'))?.ephemeralOwner).toBe(sessionId);
      expect(events).toEqual(['reset armed', 'reset reconnected']);
      await zk.set('/data', 'after');
      expect(await watch.fired).toMatchObject({ kind: 'dataChanged', path: '/data' });
      await zk.create('/missing');
      expect(await missing.watch.fired).toMatchObject({ kind: 'created' });
      await until(() => shown.length === 2);
      expect(shown).toEqual(['before', 'after']);
    }, 60_000);

    it('leaves what it was asked while it died unknown, and says so', async () => {
      const zk = await clients.connected({ sessionTimeoutMs: 30_000 });
      await server.pause();
      const write = rejection(zk.create('/in-between'));
      const late = await rejection(zk.create('/late', '', { deadlineMs: 200 }));
      expect(late).toBeInstanceOf(DeadlineExceededError);
      expect(late.outcome).toBe('unknown');
      await server.kill();
      const error = await write;
      expect(error).toBeInstanceOf(ConnectionLossError);
      expect(error.outcome).toBe('unknown');
      await server.start();
      await zk.connect();
    }, 60_000);
  });

  describe('a server that stands still', () => {
    it('suspends the session after two thirds of the timeout, and costs it at the whole', async () => {
      const zk = await clients.connected({ sessionTimeoutMs: 3_000 });
      const old = zk.sessionId;
      await zk.create('/mine', '', { mode: 'ephemeral' });
      const { watch } = await zk.getAndWatch('/mine');
      const start = performance.now();
      const moments: string[] = [];
      zk.state$.pipe(skip(1)).subscribe(({ kind }) => moments.push(kind));
      await server.pause();
      // Timers of this process, since a machine that stands still for a while is late with all of them.
      setTimeout(() => moments.push(zk.isSessionCertain() ? 'certain at 2.2 s' : '2.2 s'), 2_200);
      setTimeout(() => moments.push('3.2 s'), 3_200);
      const write = rejection(zk.set('/mine', 'x'));
      await until(() => !zk.isSessionCertain());
      const certainUntil = performance.now() - start;
      await until(() => moments.includes('3.2 s'));
      expect(certainUntil).toBeGreaterThan(800);
      expect(moments).toEqual(['suspended', '2.2 s', 'lost', '3.2 s']);
      expect(zk.state).toMatchObject({ reason: 'presumed', sessionId: old });
      expect(await watch.fired).toEqual({ kind: 'sessionLost' });
      expect((await write).outcome).toBe('unknown');
      server.resume();
      await zk.connect();
      expect(zk.sessionId).not.toBe(old);
      // Ended by the client, if the server still had it.
      expect(await zk.exists('/mine')).toBeNull();
    }, 60_000);
  });

  describe('an answer that is lost on its way', () => {
    it('leaves a create unknown, and a protected create found again', async () => {
      const proxy = await CuttingProxy.start(server.address, server.port);
      try {
        const zk = await clients.connected({ servers: proxy.hosts });
        proxy.loseNextAnswer();
        const error = await rejection(zk.create('/plain'));
        expect(error).toBeInstanceOf(ConnectionLossError);
        expect(error.outcome).toBe('unknown');
        expect(await zk.exists('/plain')).not.toBeNull();
        await zk.ensurePath('/queue', { mode: 'container' });
        for (let round = 0; round < 5; round++) {
          proxy.loseNextAnswer();
          const mode = 'ephemeralSequential';
          const node = await zk.createProtected('/queue/lock-', 'me', { mode });
          expect((await zk.children('/queue')).children).toEqual([node.path.slice(7)]);
          expect(node.stat.ephemeralOwner).toBe(zk.sessionId);
          proxy.loseNextAnswer();
          await zk.deleteGuaranteed(node.path, { inSession: node.sessionId });
          expect((await zk.children('/queue')).children).toEqual([]);
        }
        // Reading does not notice.
        proxy.loseNextAnswer();
        expect((await zk.get('/plain')).data).toEqual(Buffer.alloc(0));
        await clients.close();
      } finally {
        proxy.stop();
      }
    }, 60_000);
  });

  describe('a session that the server has ended', () => {
    it('is lost, and a new one is made', async () => {
      const zk = await clients.connected();
      const states = statesOf(zk);
      const old = zk.sessionId ?? 0n;
      await zk.create('/mine', '', { mode: 'ephemeral' });
      const { watch } = await zk.getAndWatch('/mine');
      const events: string[] = [];
      zk.watchTree('/').subscribe((event) =>
        events.push(event.kind === 'reset' ? `reset ${event.reason}` : event.kind),
      );
      await until(() => events.length === 1);
      await endFromElsewhere(zk, server);
      await until(() => states.length === 4);
      expect(states).toEqual(['connected', 'suspended', 'lost expired', 'connected']);
      expect(['sessionLost', 'deleted']).toContain((await watch.fired).kind);
      await until(() => events.includes('reset newSession'));
      const refused = await rejection(zk.create('/x', '', { inSession: old }));
      expect(refused).toBeInstanceOf(SessionExpiredError);
      expect(await zk.exists('/mine')).toBeNull();
      await zk.create('/mine', '', { mode: 'ephemeral' });
    }, 60_000);
  });

  describe('a process', () => {
    it('ends by itself after the client was closed, and not before', async () => {
      const script = `
      const { ZooKeeper } = await import(${JSON.stringify(client)});
      const zk = new ZooKeeper({ servers: ${JSON.stringify(server.hosts)} });
      zk.watchNode('/').subscribe();
      zk.watchTree('/').subscribe();
      await zk.getAndWatch('/', { signal: AbortSignal.timeout(60_000) });
      await new Promise((resolve) => setTimeout(resolve, 100).unref());
      await zk.close();
      process.stdout.write('closed');
    `;
      const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
        timeout: 20_000,
      });
      expect((await run).stdout).toBe('closed');
    }, 30_000);

    it('loads the client also by require', async () => {
      const script = `console.log(typeof require(${JSON.stringify(client)}).ZooKeeper)`;
      const args = ['--experimental-require-module', '--no-warnings', '-e', script];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout.trim()).toBe('function');
    });
  });
});

const hasIpv6 = existsSync('/proc/net/if_inet6') && readFileSync('/proc/net/if_inet6').length > 0;

const suite = hasIpv6 ? describe : describe.skip;
const why = hasIpv6 ? '' : ' (skipped: this kernel has no IPv6)';

suite(`a server with an IPv6 address${why}`, () => {
  it('is reached in brackets', async () => {
    const other = await TestServer.start('zookeeper', { clientPortAddress: '::1' });
    const inside = new Clients(other.hosts);
    try {
      expect(other.hosts).toMatch(/^\[::1\]:\d+$/);
      const zk = await inside.connected();
      expect((await zk.create('/a')).path).toBe('/a');
      await inside.close();
    } finally {
      await other.kill();
    }
  }, 60_000);
});
