import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { compileJava, curatorClasspath } from './installed.js';
import { Program } from './programs.js';
import { succeed, succeedAcrossRestart } from './scenarios.js';
import { TestServer, removeAll, temporaryDirectory } from './servers.js';

// Each test is the method of its name in curator/Recipes.java.

let server: TestServer;
let classes: string;

beforeAll(async () => {
  server = await TestServer.start('aviary');
  classes = temporaryDirectory();
  await compileJava(fileURLToPath(new URL('curator/Recipes.java', import.meta.url)), classes);
});

afterAll(removeAll);

function start(scenario: string): Program {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  const classpath = `${curatorClasspath()}:${classes}`;
  const args = ['-XX:TieredStopAtLevel=1', quiet, '-cp', classpath, 'Recipes', server.hosts];
  return Program.start('java', [...args, scenario]);
}

describe('Curator on our server', () => {
  it.each(['operations', 'mutex', 'readWriteLock', 'semaphore', 'leaderLatch', 'values', 'cache'])(
    'does %s',
    async (scenario) => {
      await succeed(start(scenario));
    },
  );

  it('holds its lock and its node while the server is killed and comes back', async () => {
    await succeedAcrossRestart(start('reconnect'), server);
  });
});
