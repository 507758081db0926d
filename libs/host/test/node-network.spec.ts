import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectRaw, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { ConnectError, type ByteStream, type Listener } from '@aviary/foundation';
import { NodeNetwork } from '@aviary/host';
import { StreamProbe } from './stream-probe.js';

const MIB = 1024 * 1024;
/** More than the buffers of two sockets hold. */
const MORE_THAN_KERNEL_BYTES = 48 * MIB;

const network = new NodeNetwork();

/** A listener, what it accepted, and what must be closed at the end of a test. */
class Port {
  readonly accepted: ByteStream[] = [];
  listener!: Listener;
  private onNext: (() => void) | null = null;

  async open(address: string | null = '127.0.0.1'): Promise<this> {
    this.listener = await network.listen({ address, port: 0 }, (stream) => {
      this.accepted.push(stream);
      this.onNext?.();
    });
    return this;
  }

  /** The stream that was accepted as number `index`, once it is. */
  async stream(index = 0): Promise<ByteStream> {
    while (this.accepted.length <= index) {
      await new Promise<void>((resolve) => (this.onNext = resolve));
    }
    return this.accepted[index]!;
  }

  connect(address = '127.0.0.1'): Promise<ByteStream> {
    return network.connect({ address, port: this.listener.local.port }, 10_000);
  }

  async connectRaw(options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
    const { port } = this.listener.local;
    const socket = connectRaw({ host: '127.0.0.1', port, ...options });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }
}

let port: Port;

beforeEach(async () => {
  port = await new Port().open();
});

afterEach(async () => {
  await port.listener.close();
  for (const stream of port.accepted) stream.destroy();
});

/** Two ends of one connection: the one that connected and the one that was accepted. */
async function pair(): Promise<{ outgoing: StreamProbe; incoming: StreamProbe }> {
  const stream = await port.connect();
  return { outgoing: new StreamProbe(stream), incoming: new StreamProbe(await port.stream()) };
}

describe('a connection', () => {
  it('carries bytes both ways, in order', async () => {
    const { outgoing, incoming } = await pair();
    for (const word of ['one ', 'two ', 'three']) outgoing.stream.write(Buffer.from(word));
    await incoming.untilReceived(13);
    incoming.stream.write(Buffer.from('answer'));
    await outgoing.untilReceived(6);
    expect(incoming.received.toString()).toBe('one two three');
    expect(outgoing.received.toString()).toBe('answer');
    expect(incoming.stream.remote).toMatchObject({ address: '127.0.0.1' });
    expect(outgoing.stream.remote).toEqual(port.listener.local);
    outgoing.stream.destroy();
    await Promise.all([outgoing.untilClosed(), incoming.untilClosed()]);
  });

  it('gives the buffer back when write says true', async () => {
    const { outgoing, incoming } = await pair();
    const buffer = Buffer.from('first');
    expect(outgoing.stream.write(buffer)).toBe(true);
    expect(outgoing.stream.queuedBytes).toBe(0);
    buffer.fill('x');
    await incoming.untilReceived(5);
    expect(incoming.received.toString()).toBe('first');
    outgoing.stream.destroy();
  });

  it('keeps what the peer does not take, and says when it has left', async () => {
    const { outgoing, incoming } = await pair();
    outgoing.stream.pause();
    const parts = Array.from({ length: MORE_THAN_KERNEL_BYTES / MIB }, (_, index) =>
      Buffer.alloc(MIB, index),
    );
    const taken = parts.map((part) => incoming.stream.write(part));
    expect(taken).toContain(false);
    expect(taken.at(-1)).toBe(false);
    expect(incoming.stream.queuedBytes).toBeGreaterThan(0);
    expect(incoming.drains).toBe(0);
    outgoing.stream.resume();
    await outgoing.untilReceived(MORE_THAN_KERNEL_BYTES);
    await incoming.until(() => incoming.drains > 0);
    expect(incoming.stream.queuedBytes).toBe(0);
    expect(incoming.drains).toBe(1);
    expect(outgoing.received.equals(Buffer.concat(parts))).toBe(true);
    outgoing.stream.destroy();
  });

  it('says so again when it has queued again', async () => {
    const { outgoing, incoming } = await pair();
    for (let round = 1; round <= 2; round++) {
      outgoing.stream.pause();
      incoming.stream.write(Buffer.alloc(MORE_THAN_KERNEL_BYTES));
      expect(incoming.stream.queuedBytes).toBeGreaterThan(0);
      outgoing.stream.resume();
      await incoming.until(() => incoming.drains === round);
    }
    outgoing.stream.destroy();
  });

  it('reads nothing while it is paused, from within onBytes on', async () => {
    const { outgoing, incoming } = await pair();
    incoming.onChunk = () => incoming.stream.pause();
    outgoing.stream.write(Buffer.alloc(MIB, 7));
    await incoming.until(() => incoming.reads === 1);
    const other = new StreamProbe(await port.connect());
    const echo = new StreamProbe(await port.stream(1));
    echo.onChunk = (chunk) => echo.stream.write(chunk);
    for (let turn = 1; turn <= 5; turn++) {
      other.stream.write(Buffer.from('x'));
      await other.untilReceived(turn);
    }
    expect(incoming.reads).toBe(1);
    incoming.onChunk = null;
    incoming.stream.resume();
    await incoming.untilReceived(MIB);
    expect(incoming.received.equals(Buffer.alloc(MIB, 7))).toBe(true);
    other.stream.destroy();
    outgoing.stream.destroy();
  });

  it('shares its read buffer with a hundred others and mixes nothing up', async () => {
    const count = 100;
    const clients: StreamProbe[] = [];
    for (let index = 0; index < count; index++) {
      clients.push(new StreamProbe(await port.connect()));
      const echo = new StreamProbe(await port.stream(index));
      echo.onChunk = (chunk) => echo.stream.write(chunk);
    }
    const messages = clients.map((_, index) => Buffer.alloc(20_000 + index, index + 1));
    for (let from = 0; from < 21_000; from += 3000) {
      for (const [index, client] of clients.entries()) {
        client.stream.write(Buffer.from(messages[index]!.subarray(from, from + 3000)));
      }
    }
    await Promise.all(clients.map((each, index) => each.untilReceived(messages[index]!.length)));
    for (const [index, client] of clients.entries()) {
      expect(client.received.equals(messages[index]!)).toBe(true);
      client.stream.destroy();
    }
  });
});

describe('closing', () => {
  it('by end sends everything first', async () => {
    const { outgoing, incoming } = await pair();
    outgoing.stream.pause();
    const all = Buffer.alloc(MORE_THAN_KERNEL_BYTES, 9);
    incoming.stream.write(all);
    incoming.stream.end();
    expect(incoming.isClosed).toBe(false);
    outgoing.stream.resume();
    await Promise.all([outgoing.untilClosed(), incoming.untilClosed()]);
    expect(outgoing.received.equals(all)).toBe(true);
    expect([outgoing.reason, incoming.reason]).toEqual([null, null]);
  });

  it('by end does not wait for a peer that never closes', async () => {
    const raw = await port.connectRaw({ allowHalfOpen: true });
    const incoming = new StreamProbe(await port.stream());
    incoming.stream.write(Buffer.from('bye'));
    incoming.stream.end();
    await incoming.untilClosed();
    const received: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => received.push(chunk));
    await once(raw, 'end');
    expect(Buffer.concat(received).toString()).toBe('bye');
    raw.destroy();
  });

  it('by end hears no more, and still brings its last words to a peer that goes on', async () => {
    const raw = await port.connectRaw({ allowHalfOpen: true });
    const incoming = new StreamProbe(await port.stream());
    incoming.onChunk = () => {
      incoming.stream.write(Buffer.from('no more'));
      incoming.stream.end();
      incoming.stream.pause();
    };
    const received: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => received.push(chunk));
    const ended = once(raw, 'end');
    for (let part = 0; part < 64; part++) raw.write(Buffer.alloc(64 * 1024));
    await ended;
    raw.end();
    await incoming.untilClosed();
    expect(Buffer.concat(received).toString()).toBe('no more');
    expect(incoming.reads).toBe(1);
    expect(incoming.reason).toBeNull();
  });

  it('by destroy loses what is queued and tells both ends', async () => {
    const { outgoing, incoming } = await pair();
    outgoing.stream.pause();
    incoming.stream.write(Buffer.alloc(MORE_THAN_KERNEL_BYTES));
    incoming.stream.destroy();
    await incoming.untilClosed();
    expect(incoming.reason).toBeNull();
    outgoing.stream.resume();
    await outgoing.untilClosed();
    expect(outgoing.receivedBytes).toBeLessThan(MORE_THAN_KERNEL_BYTES);
  });

  it('of one half by the peer closes the whole, behind what was queued', async () => {
    const raw = await port.connectRaw({ allowHalfOpen: true });
    const incoming = new StreamProbe(await port.stream());
    incoming.onChunk = () => incoming.stream.write(Buffer.from('last words'));
    raw.end('question');
    const received: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => received.push(chunk));
    await Promise.all([incoming.untilClosed(), once(raw, 'end')]);
    expect(incoming.reason).toBeNull();
    expect(Buffer.concat(received).toString()).toBe('last words');
  });

  it('of one half by the peer closes a stream that connected, too', async () => {
    const { outgoing, incoming } = await pair();
    incoming.stream.end();
    await Promise.all([outgoing.untilClosed(), incoming.untilClosed()]);
    expect(outgoing.reason).toBeNull();
  });

  it('leaves write harmless: what is written then is dropped', async () => {
    const { outgoing, incoming } = await pair();
    outgoing.stream.end();
    expect(outgoing.stream.write(Buffer.from('too late'))).toBe(true);
    await Promise.all([outgoing.untilClosed(), incoming.untilClosed()]);
    expect(outgoing.stream.write(Buffer.from('far too late'))).toBe(true);
    expect(outgoing.reason).toBeNull();
    expect(incoming.receivedBytes).toBe(0);
  });

  it('by a reset is told with its reason, once', async () => {
    const raw = await port.connectRaw();
    const incoming = new StreamProbe(await port.stream());
    raw.resetAndDestroy();
    await incoming.untilClosed();
    expect(incoming.reason).toMatchObject({ code: 'ECONNRESET' });
  });

  it('by a reset while the stream is paused is told when it writes', async () => {
    const raw = await port.connectRaw();
    const incoming = new StreamProbe(await port.stream());
    incoming.stream.pause();
    raw.resetAndDestroy();
    await once(raw, 'close');
    while (!incoming.isClosed) {
      incoming.stream.write(Buffer.from('anyone?'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((incoming.reason as NodeJS.ErrnoException).code).toMatch(/^(EPIPE|ECONNRESET)$/);
  });

  it('before start is told at start', async () => {
    const stream = await port.connect();
    const accepted = await port.stream();
    accepted.destroy();
    stream.destroy();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    const early = new StreamProbe(accepted);
    const late = new StreamProbe(stream);
    expect([early.isClosed, late.isClosed]).toEqual([false, false]);
    await Promise.all([early.untilClosed(), late.untilClosed()]);
  });
});

describe('listen', () => {
  it('shows an IPv4 peer by its IPv4 address when it listens on every interface', async () => {
    const everywhere = await new Port().open(null);
    const outgoing = await everywhere.connect();
    expect((await everywhere.stream()).remote.address).toBe('127.0.0.1');
    outgoing.destroy();
    await everywhere.listener.close();
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === '::1'),
  );

  async function takesIpv6(): Promise<void> {
    const six = await new Port().open('::1');
    const outgoing = new StreamProbe(await six.connect('::1'));
    const incoming = new StreamProbe(await six.stream());
    outgoing.stream.write(Buffer.from('six'));
    await incoming.untilReceived(3);
    expect(incoming.stream.remote.address).toBe('::1');
    expect(six.listener.local.address).toBe('::1');
    outgoing.stream.destroy();
    await six.listener.close();
  }

  async function refusesIpv6(): Promise<void> {
    const code: unknown = expect.stringMatching(/^(EADDRNOTAVAIL|EAFNOSUPPORT)$/);
    await expect(new Port().open('::1')).rejects.toMatchObject({ code });
    await expect(port.connect('::1')).rejects.toMatchObject({ code });
  }

  if (hasIpv6) it('takes IPv6 addresses', takesIpv6);
  else it('refuses IPv6 addresses, since this kernel has no IPv6', refusesIpv6);

  it('fails on a port that is taken', async () => {
    const { address, port: taken } = port.listener.local;
    await expect(network.listen({ address, port: taken }, () => undefined)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  it('closed, refuses the next connection at once and lets the others live', async () => {
    const { outgoing, incoming } = await pair();
    await port.listener.close();
    await expect(port.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    outgoing.stream.write(Buffer.from('still here'));
    await incoming.untilReceived(10);
    outgoing.stream.destroy();
  });
});

describe('connect', () => {
  it('that is refused says whom it could not reach', async () => {
    await port.listener.close();
    const { port: number } = port.listener.local;
    const error: unknown = await port.connect().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as Error).message).toBe(`cannot connect to 127.0.0.1:${number}: ECONNREFUSED`);
  });

  it('gives up after its time', async () => {
    // A process that never accepts: once its queue is full, the next handshake is not answered.
    const program = `
      const server = require('node:net').createServer();
      server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
        require('node:fs').writeSync(1, server.address().port + '\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const deaf = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(deaf.stdout), 'line')) as [string];
    const to = { address: '127.0.0.1', port: Number(line) };
    const streams: ByteStream[] = [];
    let error: unknown = null;
    while (error === null && streams.length < 32) {
      await network.connect(to, 250).then(
        (stream) => streams.push(stream),
        (reason: unknown) => (error = reason),
      );
    }
    for (const stream of streams) stream.destroy();
    deaf.kill('SIGKILL');
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
  });
});

describe('resolve', () => {
  it('takes a numeric address for its own answer', async () => {
    expect(await network.resolve('192.0.2.7')).toEqual(['192.0.2.7']);
    expect(await network.resolve('::1')).toEqual(['::1']);
  });

  it('finds all addresses of a name', async () => {
    const addresses = await network.resolve('localhost');
    expect(addresses.some((address) => ['127.0.0.1', '::1'].includes(address))).toBe(true);
  });

  it('says which name it could not resolve', async () => {
    const name = `${'long'.repeat(20)}.invalid`;
    const error: unknown = await network.resolve(name).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as Error).message).toBe(`cannot resolve host name "${name}"`);
  });
});
