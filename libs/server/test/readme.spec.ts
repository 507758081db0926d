import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import { StandaloneServer, readConfiguration, type ServerPorts } from '@aviary/server';
import { World } from '@aviary/simulator';
import { RecordedLog } from './server-world.js';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

describe('the README', () => {
  it('has an example that works', async () => {
    const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const world = new World({ seed: 1 });
    const { clock, random, disk, network } = world.addHost('server').boot();
    const log = new RecordedLog();
    const states: string[] = [];
    const scope = {
      readConfiguration,
      StandaloneServer: class extends StandaloneServer {
        override async start(): Promise<void> {
          await super.start();
          states.push(`serves port ${this.address.port}`);
        }

        override async stop(): Promise<void> {
          await super.stop();
          states.push('stopped');
        }
      },
      text: 'dataDir=/data\nclientPort=2181\nsnapCuont=5\n',
      process: { env: {} },
      ports: { clock, random, disk, network, log } satisfies ServerPorts,
      stopTheProcess: (reason: string) => {
        throw new Error(reason);
      },
      tell: (told: unknown) => states.push(String(told)),
    };
    const names = Object.keys(scope).join(', ');
    const source = `async function example({ ${names} }) {${block}; tell(warnings)}`;
    const { code } = await transform(source, {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    const example = new Function(`${code}; return example;`)() as (from: object) => Promise<void>;
    await world.settle(example(scope));
    expect(states).toEqual([
      'serves port 2181',
      'stopped',
      'zoo.cfg line 3: snapCuont is not a setting of this server and is passed over.',
    ]);
  });
});
