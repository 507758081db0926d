import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import * as client from '../src/index.js';
import { Fixture } from './fixture.js';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

let fixture: Fixture;

beforeEach(async () => {
  fixture = await Fixture.start();
});

afterEach(() => fixture.stop());

/** The first example, as a function of what it takes from outside. */
async function exampleFunction(): Promise<
  (zk: typeof client.ZooKeeper, exists: typeof client.NodeExistsError, out: object) => Promise<void>
> {
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const lines = block.split('\n').filter((line) => !line.startsWith('import '));
  expect(lines.filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10);
  const source = `async function example(ZooKeeper, NodeExistsError, console) {${lines.join('\n')}}`;
  const { code } = await transform(source, {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function(`${code}; return example;`)() as never;
}

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(readme.split('\n')[0]).toMatch(/^A ZooKeeper client: .*\.$/);
  });

  it('has an example that works', async () => {
    const example = await exampleFunction();
    const { clock, network } = fixture;
    class LocalZooKeeper extends client.ZooKeeper {
      constructor(options: client.ZooKeeperOptions) {
        super({ ...options, servers: '127.0.0.1:1', clock, network });
        fixture.clients.push(this);
      }
    }
    const printed: unknown[][] = [];
    const console = { log: (...words: unknown[]) => printed.push(words) };
    await fixture.settled(example(LocalZooKeeper, client.NodeExistsError, console));
    const { tree } = fixture.ensemble;
    const price = () => Buffer.from(tree.get('/price').data ?? []).toString();
    expect(price()).toBe('101');
    expect(fixture.ensemble.operations.applied).toContain('create /sold');
    // `await using` has closed the session, and the ephemeral node is gone with it.
    expect(tree.nodes.has('/sold')).toBe(false);
    await fixture.settled(example(LocalZooKeeper, client.NodeExistsError, console));
    expect(price()).toBe('102');
    expect(printed).toContainEqual(['price', '102']);
  });

  it('names every error class and every state', () => {
    const errors = Object.keys(client).filter((name) => name.endsWith('Error'));
    const rare = [
      'BadArgumentsError',
      'EphemeralOnLocalSessionError',
      'MarshallingError',
      'NoWatcherError',
    ];
    const missing = [...errors, ...['connecting', 'suspended', 'reconnected', 'lost']].filter(
      (name) => !readme.includes(`\`${name}\``) && !rare.includes(name),
    );
    expect(missing).toEqual([]);
  });
});
