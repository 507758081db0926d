import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as client from '../src/index.js';
import { readmeIn, runExample, withoutImports } from '../../../test/readme-examples.js';
import { Fixture } from './fixture.js';

const { text, examples } = readmeIn(join(import.meta.dirname, '..'));

let fixture: Fixture;

beforeEach(async () => {
  fixture = await Fixture.start();
});

afterEach(() => fixture.stop());

describe('the README', () => {
  it('says in its first line what this room is', () => {
    expect(text.split('\n')[0]).toMatch(/^A ZooKeeper client: .*\.$/);
  });

  it('has an example that works', async () => {
    expect(examples).toHaveLength(1);
    const example = examples[0]!;
    const lines = withoutImports(example).split('\n');
    expect(lines.filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10);
    const { clock, network } = fixture;
    class LocalZooKeeper extends client.ZooKeeper {
      constructor(options: client.ZooKeeperOptions) {
        super({ ...options, servers: '127.0.0.1:1', clock, network });
        fixture.clients.push(this);
      }
    }
    const printed: unknown[][] = [];
    const scope = {
      ZooKeeper: LocalZooKeeper,
      NodeExistsError: client.NodeExistsError,
      console: { log: (...words: unknown[]) => printed.push(words) },
    };
    await fixture.settled(runExample(example, scope));
    const { tree } = fixture.ensemble;
    const price = () => Buffer.from(tree.get('/price').data ?? []).toString();
    expect(price()).toBe('101');
    expect(fixture.ensemble.operations.applied).toContain('create /sold');
    // `await using` has closed the session, and the ephemeral node is gone with it.
    expect(tree.nodes.has('/sold')).toBe(false);
    await fixture.settled(runExample(example, scope));
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
      (name) => !text.includes(`\`${name}\``) && !rare.includes(name),
    );
    expect(missing).toEqual([]);
  });
});
