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
  it('takes the connection out of the count of the server, which then closes alone', async () => {
    const { server, accepted, client } = await serverWithClient();
    const connections = promisify(server.getConnections.bind(server));
    expect(await connections()).toBe(1);
    const incoming = new StreamProbe(adoptAccepted(accepted));
    expect(await connections()).toBe(0);
    server.close();
    await once(server, 'close');
    client.write('after');
    await incoming.untilReceived(5);
    client.destroy();
    await incoming.untilClosed();
    expect(await connections()).toBe(0);
  });

  it('leaves nothing open behind when the stream closes', async () => {
    const socketsBefore = openSockets();
    for (let round = 0; round < 20; round++) {
      const { server, accepted, client } = await serverWithClient();
      const incoming = new StreamProbe(adoptAccepted(accepted));
      client.end('x');
      server.close();
      await Promise.all([incoming.untilClosed(), once(client, 'close'), once(server, 'close')]);
    }
    expect(openSockets()).toBe(socketsBefore);
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

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
}
