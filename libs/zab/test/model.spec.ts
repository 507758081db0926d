import { describe, expect, it } from '@jest/globals';
import { Ensemble, type EnsembleOptions } from './model/ensemble.js';

/** `SEED=7 SEEDS=1` runs one ensemble again, `SHOW=1` says how much happened. */
const SEEDS = Number(process.env.SEEDS ?? 1_000);
const FIRST = Number(process.env.SEED ?? 0);

const SHAPES: readonly Omit<EnsembleOptions, 'seed'>[] = [
  { voters: 3, observers: 0, nonVoters: 0, chaosMs: 3_000 },
  { voters: 3, observers: 1, nonVoters: 1, chaosMs: 2_500 },
  { voters: 5, observers: 1, nonVoters: 0, chaosMs: 2_000 },
];

describe('ensembles of three and five under crashes, pauses, partitions and broken connections', () => {
  const totals: Record<string, number> = {};

  it(`keep what they promise, and converge once healed, ${SEEDS} times`, () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const ensemble = new Ensemble({ seed, ...SHAPES[seed % SHAPES.length]! });
      try {
        ensemble.run();
      } catch (error) {
        const trace = ensemble.trace.slice(-30).join('\n');
        throw new Error(`SEED=${seed} SEEDS=1: ${String(error)}\n${trace}`, { cause: error });
      }
      for (const [what, count] of Object.entries(ensemble.counts)) {
        totals[what] = (totals[what] ?? 0) + count;
      }
    }
  });

  it('go the same way with the same seed', () => {
    const [one, other] = [1, 2].map(() => new Ensemble({ seed: 4, ...SHAPES[1]! }));
    one!.run();
    other!.run();
    expect(other!.trace).toEqual(one!.trace);
    expect(other!.counts).toEqual(one!.counts);
  });

  it('do everything there is to do on the way', () => {
    if (process.env.SHOW !== undefined) process.stdout.write(`${JSON.stringify(totals)}\n`);
    const { needsLog: _, ...seen } = totals;
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  });
});
