import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  RegisterHistory,
  World,
  WriteHistory,
  checkRegisters,
  powerCut,
  type SimulatedProcess,
} from '@aviary/simulator';
import { readmeIn, runExample } from '../../../test/readme-examples.js';
import { ToyClient } from './toy-client.js';
import { ToyServer } from './toy-server.js';

const readme = readmeIn(join(import.meta.dirname, '..'));

describe('the README', () => {
  it('has an example that works', async () => {
    expect(readme.examples).toHaveLength(1);
    const history = new RegisterHistory();
    const boots: SimulatedProcess[] = [];
    await runExample(readme.examples[0]!, {
      World,
      Client: class extends ToyClient {
        constructor(process: SimulatedProcess) {
          super(process, 1, history, new WriteHistory());
        }
      },
      startServer: (process: SimulatedProcess) => {
        boots.push(process);
        return ToyServer.start(process, 'none');
      },
      checkRegisters,
      expect,
      history,
      initial: () => ({ version: 0, value: '0' }),
      powerCut,
      seed: 1,
    });
    // The server died once of the power cut and came back.
    expect(boots).toHaveLength(2);
    expect(history.operations.length).toBeGreaterThan(1_000);
  });
});
