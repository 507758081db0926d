import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { SocketStream, adoptAccepted, adoptWhole } from '../src/socket-stream.js';
import { StreamProbe } from './stream-probe.js';

/** A server that pauses what it accepts, and a client that is connected to it. */
async function serverWithClient(): Promise<{ server: Server; accepted: Socket; client: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  return { server, accepted, client };
}

describe('adoptAccepted', () => {
  it('goes on when the server no longer listens, and lets the server end when it closes', async () => {
    const { server, accepted, client } = await serverWithClient();
    const connections = promisify(server.getConnections.bind(server));
    const incoming = new StreamProbe(adoptAccepted(accepted));
    server.close();
    client.write('after');
    await incoming.untilReceived(5);
    expect(await connections()).toBe(1);
    client.destroy();
    await Promise.all([incoming.untilClosed(), once(client, 'close'), once(server, 'close')]);
    expect(await connections()).toBe(0);
  });

  it('reads into the buffer that all streams share', async () => {
    const { server, accepted, client } = await serverWithClient();
    const incoming = new StreamProbe(adoptAccepted(accepted));
    const other = await serverWithClient();
    const incomingThere = new StreamProbe(adoptAccepted(other.accepted));
    client.end('here');
    await incoming.untilClosed();
    other.client.end('there');
    await incomingThere.untilClosed();
    expect(incoming.buffers.size).toBe(1);
    expect([...incoming.buffers]).toEqual([...incomingThere.buffers]);
    expect([incoming.received.toString(), incomingThere.received.toString()]).toEqual([
      'here',
      'there',
    ]);
    server.close();
    other.server.close();
    await Promise.all([once(server, 'close'), once(other.server, 'close')]);
    for (const each of [client, other.client]) if (!each.closed) await once(each, 'close');
  });

  it('leaves nothing open behind when the stream closes', async () => {
    const before = await openSockets();
    for (let round = 0; round < 20; round++) {
      const { server, accepted, client } = await serverWithClient();
      const incoming = new StreamProbe(adoptAccepted(accepted));
      client.end('x');
      server.close();
      await Promise.all([incoming.untilClosed(), once(client, 'close'), once(server, 'close')]);
    }
    // What other tests of this process have left may close meanwhile.
    expect(await openSockets()).toBeLessThanOrEqual(before);
  });

  it('keeps bytes that came before it was started', async () => {
    const { server, accepted, client } = await serverWithClient();
    const stream = adoptAccepted(accepted);
    await new Promise((resolve) => client.write('early', resolve));
    const incoming = new StreamProbe(stream);
    await incoming.untilReceived(5);
    expect(incoming.received.toString()).toBe('early');
    client.destroy();
    server.close();
    await incoming.untilClosed();
  });

  it('takes a socket that is gone already for a stream that closes', async () => {
    const { server, accepted, client } = await serverWithClient();
    accepted.destroy();
    const incoming = new StreamProbe(adoptAccepted(accepted));
    await incoming.untilClosed();
    expect(incoming.stream.remote).toEqual({ address: '', port: 0 });
    client.destroy();
    server.close();
  });
});

describe('adoptWhole', () => {
  it('reads, pauses, writes and closes as the other way does', async () => {
    const { server, accepted, client } = await serverWithClient();
    const incoming = new StreamProbe(adoptWhole(accepted));
    incoming.onChunk = () => incoming.stream.pause();
    client.write('one');
    await incoming.untilReceived(3);
    client.write('two');
    incoming.onChunk = null;
    incoming.stream.resume();
    await incoming.untilReceived(6);
    expect(incoming.received.toString()).toBe('onetwo');
    incoming.stream.write(Buffer.from('three'));
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(answer.toString()).toBe('three');
    client.end();
    await incoming.untilClosed();
    server.close();
  });

  it('makes a stream like the other', async () => {
    const { server, accepted, client } = await serverWithClient();
    const stream = adoptWhole(accepted);
    expect(stream).toBeInstanceOf(SocketStream);
    stream.destroy();
    client.destroy();
    server.close();
  });
});

/** Sockets of the process, once those that were just closed are gone. */
async function openSockets(): Promise<number> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
}
