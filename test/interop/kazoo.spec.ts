import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pythonWithKazoo } from './installed.js';
import { Program } from './programs.js';
import { succeed, succeedAcrossRestart } from './scenarios.js';
import { TestServer, removeAll } from './servers.js';

// Each test is the function of its name in kazoo/scenarios.py.

const scenarios = fileURLToPath(new URL('kazoo/scenarios.py', import.meta.url));

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start('aviary');
});

afterAll(removeAll);

function start(scenario: string): Program {
  return Program.start(pythonWithKazoo(), [scenarios, server.hosts, scenario]);
}

describe('kazoo on our server', () => {
  it.each(['operations', 'transactions', 'permissions', 'watches', 'locks'])(
    'does %s',
    async (scenario) => {
      await succeed(start(scenario));
    },
  );

  it('reconnects to its session when the server is killed and comes back', async () => {
    await succeedAcrossRestart(start('reconnect'), server);
  });

  it('learns that its session has expired', async () => {
    const program = start('expiry');
    await program.waitFor(/stop the client/);
    const ephemerals = () => server.metric('zk_ephemerals_count');
    expect(await ephemerals()).toBe(1);
    program.signal('SIGSTOP');
    await server.until('the end of the session', ephemerals, (count) => count === 0);
    program.signal('SIGCONT');
    await succeed(program);
  });
});
