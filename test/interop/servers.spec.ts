import { afterAll, describe, expect, it } from '@jest/globals';
import { SERVER_KINDS, TestServer, removeAll } from './servers.js';

afterAll(removeAll);

describe.each(SERVER_KINDS)('a server under test: %s', (kind) => {
  it('starts, says what it is, is killed, starts again and stops when asked', async () => {
    const server = await TestServer.start(kind);
    expect(await server.ask('ruok')).toBe('imok');
    expect(await server.ask('isro')).toBe('rw');
    const { pid } = server;
    await server.kill();
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(await server.metric('zk_znode_count')).toBeGreaterThan(0);
    await server.stop();
  });
});
