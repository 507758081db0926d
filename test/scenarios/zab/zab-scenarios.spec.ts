import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  claimsOf,
  dialogueAtLeader,
  dialogueAtLearner,
  recordedDialogue,
} from './recorded-streams.js';
import { rewritten, stepsOf, type Scripted } from './scenario-text.js';
import { ScriptedLeader } from './scripted-leader.js';
import { ScriptedLearner } from './scripted-learner.js';

const directory = import.meta.dirname;
const files = readdirSync(directory).filter((file) => file.endsWith('.txt'));

/** Each `leader`, `follower` or `observer` line begins with a server that knows nothing of before. */
class ScriptedServer implements Scripted {
  private scripted: Scripted = new ScriptedLeader();

  run(command: string): string[] {
    if (command.startsWith('leader ')) this.scripted = new ScriptedLeader();
    if (/^(follower|observer) /.test(command)) this.scripted = new ScriptedLearner();
    return this.scripted.run(command);
  }
}

describe.each(files)('%s', (file) => {
  const path = join(directory, file);
  // The difference is reviewed.
  if (process.env.UPDATE_SCENARIOS === '1') {
    writeFileSync(path, rewritten(readFileSync(path, 'utf8'), new ScriptedServer()));
  }

  it('goes as written', () => {
    const server = new ScriptedServer();
    for (const { command, line, expected } of stepsOf(readFileSync(path, 'utf8'))) {
      const at = `${file}:${line}`;
      expect({ at, does: server.run(command) }).toEqual({ at, does: expected });
    }
  });

  const text = readFileSync(path, 'utf8');
  for (const { learner, connection, file: recording } of claimsOf(text)) {
    it(`says what real servers said on ${connection} of ${recording}`, () => {
      const steps = stepsOf(text);
      const recorded = recordedDialogue(recording, connection);
      const isLeaderSide = steps.some(({ command }) => command.startsWith(`${learner}: `));
      const ours = isLeaderSide ? dialogueAtLeader(steps, learner) : dialogueAtLearner(steps);
      expect(ours.leader.length).toBeGreaterThan(3);
      // Scenarios end before the recording does.
      expect(ours.leader).toEqual(recorded.leader.slice(0, ours.leader.length));
      expect(ours.learner).toEqual(recorded.learner.slice(0, ours.learner.length));
    });
  }
});
