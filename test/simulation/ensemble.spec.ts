import { describe, expect, it } from '@jest/globals';
import { MISTAKES } from './ensemble-mistakes.js';
import { runEnsemble } from './ensemble-scenario.js';

/** `SEED=n` runs one seed, `SEEDS=n` so many. */
const given = process.env.SEED;
const count = Number(process.env.SEEDS ?? 2);
const seeds =
  given === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(given)];

describe('an ensemble under faults', () => {
  it.each(seeds)('keeps its promises: SEED=%i npm run simulate', async (seed) => {
    const result = await runEnsemble({ seed });
    expect(result.violations).toEqual([]);
    expect(result.answered).toBeGreaterThan(50);
  });

  it('does the same again from the same seed', async () => {
    const [first, second] = [await runEnsemble({ seed: 1 }), await runEnsemble({ seed: 1 })];
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.events).toBe(first.events);
  });
});

describe('the checkers', () => {
  it.each(MISTAKES)('find a member that $name, within $seedsMax seeds', async (mistake) => {
    const { faults, sabotage, seedsMax } = mistake;
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { violations } = await runEnsemble({
        seed,
        sabotage,
        voters: 3,
        convergenceMsMax: 15_000,
        ...(faults ? { faults } : {}),
      });
      if (violations.length > 0) return;
    }
    throw new Error(`none of ${seedsMax} seeds showed the mistake`);
  });
});
