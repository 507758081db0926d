import { expect } from '@jest/globals';
import type { Program } from './programs.js';
import type { TestServer } from './servers.js';

// A scenario is a program of another client, which checks what it sees, says "done" and ends.

/** Waits until a scenario has come to its good end. */
export async function succeed(scenario: Program): Promise<void> {
  const { status } = await scenario.end(90_000);
  expect({ status, output: scenario.output }).toEqual({
    status: 0,
    output: expect.stringMatching(/done\n/),
  });
}

/** Kills the server and starts it again, when the scenario asks for it; waits for its good end. */
export async function succeedAcrossRestart(scenario: Program, server: TestServer): Promise<void> {
  await scenario.waitFor(/kill the server/);
  await server.kill();
  await scenario.waitFor(/start the server/);
  await server.start();
  await succeed(scenario);
}
