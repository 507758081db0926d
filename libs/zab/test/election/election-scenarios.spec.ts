import { describe, expect, it } from '@jest/globals';
import { Election } from '../../src/index.js';
import { rewrite, scenarioFiles, stepsOf } from './scenario-files.js';
import { ScriptedEnsemble } from './scripted-ensemble.js';

describe.each(scenarioFiles)('%s', (file) => {
  if (process.env.UPDATE_SCENARIOS === '1') {
    const ensemble = new ScriptedEnsemble(Election);
    rewrite(file, (command) => ensemble.run(command));
  }

  it('goes as written', () => {
    const ensemble = new ScriptedEnsemble(Election);
    for (const { command, at, expected } of stepsOf(file)) {
      expect({ at, does: ensemble.run(command) }).toEqual({ at, does: expected });
    }
  });
});
