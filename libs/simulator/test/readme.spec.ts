import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import {
  RegisterHistory,
  World,
  WriteHistory,
  checkRegisters,
  powerCut,
  type SimulatedProcess,
} from '@aviary/simulator';
import { ToyClient } from './toy-client.js';
import { ToyServer } from './toy-server.js';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

describe('the README', () => {
  it('has an example that works', async () => {
    const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const history = new RegisterHistory();
    const boots: SimulatedProcess[] = [];
    const scope = {
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
    };
    const names = Object.keys(scope).join(', ');
    const { code } = await transform(`async function example({ ${names} }) {${block}}`, {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    const example = new Function(`${code}; return example;`)() as (from: object) => Promise<void>;
    await example(scope);
    // The server died once of the power cut and came back.
    expect(boots).toHaveLength(2);
    expect(history.operations.length).toBeGreaterThan(1_000);
  });
});
