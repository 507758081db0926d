import { describe, expect, it } from '@jest/globals';
import { Election } from '../../src/index.js';
import type { ElectionClass } from './member.js';
import { graveErrors } from './grave-errors.js';
import { lesserErrors } from './lesser-errors.js';
import { mutant } from './mutants.js';
import { scenarioFiles, stepsOf } from './scenario-files.js';
import { ScriptedEnsemble } from './scripted-ensemble.js';
import { SimulatedEnsemble } from './simulated-ensemble.js';

const SEEDS_MAX = 400;
const scenarios = scenarioFiles.map((file) => stepsOf(file));

/** The first scenario that goes differently; null: none does. */
function scenarioThatFinds(electionClass: ElectionClass): string | null {
  for (const steps of scenarios) {
    const ensemble = new ScriptedEnsemble(electionClass);
    for (const { command, at, expected } of steps) {
      try {
        if (ensemble.run(command).join('\n') !== expected.join('\n')) return at;
      } catch {
        return at;
      }
    }
  }
  return null;
}

/** The first seed whose ensemble breaks a promise; null: none does. */
function seedThatFinds(electionClass: ElectionClass): number | null {
  for (let seed = 0; seed < SEEDS_MAX; seed++) {
    try {
      const mix = seed % 2 === 0 ? 'ours' : 'mixed';
      if (new SimulatedEnsemble(seed, mix, electionClass).run().violations.length > 0) return seed;
    } catch {
      return seed;
    }
  }
  return null;
}

describe('a planted error', () => {
  it.each([...graveErrors, ...lesserErrors])('is found by a scenario: $error', (mutation) => {
    expect(scenarioThatFinds(mutant(mutation))).not.toBeNull();
  });

  it.each(graveErrors)('is found by a seed: $error', (mutation) => {
    expect(seedThatFinds(mutant(mutation))).not.toBeNull();
  });

  it('is all that is found', () => {
    expect(scenarioThatFinds(Election)).toBeNull();
  });
});
