import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from '@jest/globals';
import { TestEnsemble } from './members.js';
import { Program } from './programs.js';
import { removeAll } from './servers.js';

// The recipes' tests of `npm run test:recipes`, as they are, on three servers of Apache.

const LIMIT_MS = 240_000;

const root = fileURLToPath(new URL('../..', import.meta.url));

afterAll(removeAll);

it('passes the recipes’ tests on an ensemble of ZooKeeper', async () => {
  const ensemble = await TestEnsemble.start(['zookeeper', 'zookeeper', 'zookeeper']);
  const args = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
  const config = ['--config', 'jest.recipes.config.mjs', '--runInBand'];
  const environment = { ZK_HOSTS: ensemble.hosts, JEST_WORKER_ID: '' };
  const tests = Program.start(process.execPath, [...args, ...config], { cwd: root, environment });
  const { status } = await tests.end(LIMIT_MS);
  expect({ status, output: status === 0 ? '' : tests.output }).toEqual({ status: 0, output: '' });
  expect(tests.output).toMatch(/Tests: .*[1-9]\d* passed/);
});
