import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { StandaloneServer, readConfiguration, type ServerPorts } from '@aviary/server';
import { World } from '@aviary/simulator';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import { RecordedLog } from './server-world.js';

const readme = readmeIn(join(import.meta.dirname, '..'));

describe('the README', () => {
  it('has an example that works', async () => {
    expect(readme.examples).toHaveLength(1);
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
    await world.settle(runExample(`${readme.examples[0]!}tell(warnings);`, scope));
    expect(states).toEqual([
      'serves port 2181',
      'stopped',
      'zoo.cfg line 3: snapCuont is not a setting of this server and is passed over.',
    ]);
  });
});
