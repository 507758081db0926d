import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pythonWithKazoo } from './installed.js';
import { Program } from './programs.js';
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

async function succeed(program: Program): Promise<void> {
  const { status } = await program.end(90_000);
  expect({ status, output: program.output }).toEqual({
    status: 0,
    output: expect.stringMatching(/done\n/),
  });
}

describe('kazoo on our server', () => {
  it.each(['operations', 'transactions', 'permissions', 'watches', 'locks'])(
    'does %s',
    async (scenario) => {
      await succeed(start(scenario));
    },
  );

  it('reconnects to its session when the server is killed and comes back', async () => {
    const program = start('reconnect');
    await program.waitFor(/kill the server/);
    await server.kill();
    await program.waitFor(/start the server/);
    await server.start();
    await succeed(program);
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
