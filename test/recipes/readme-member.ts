import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { EnsembleModule, EnsembleTransport } from '@aviary/nest';
import { Logger, type INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { runExample } from '../readme-examples.js';

/** Where the examples of the recipes' READMEs connect to. */
const PRINTED_SERVERS = 'localhost:2181';

const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };

/** A member for the examples of a README, from before the first test of a file until after the last. */
export interface ReadmeMember {
  /** Its connection string. */
  readonly servers: string;

  /** Runs an example against it, as it is printed, and `ending` after it; see {@link runExample}. */
  run<Result = void>(example: string, ending: string, scope: object): Promise<Result>;
}

/** To be called once in a test file, outside of all tests. */
export function readmeMember(): ReadmeMember {
  const dataDir = mkdtempSync(join(tmpdir(), 'aviary-readme-'));
  let member: INestApplicationContext;
  let servers: string;

  beforeAll(async () => {
    const options = { dataDir, clientPort: 0, tickTimeMs: 500, preAllocBytes: 64 << 10 };
    const imports = [EnsembleModule.forRoot(options)];
    const testing = await Test.createTestingModule({ imports }).setLogger(silent).compile();
    member = await testing.init();
    servers = member.get(EnsembleTransport).address;
  });

  afterAll(async () => {
    await member.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  return {
    get servers() {
      return servers;
    },
    run(example, ending, scope) {
      Logger.overrideLogger(false);
      return runExample(`${example.replaceAll(PRINTED_SERVERS, servers)}${ending}`, scope);
    },
  };
}
