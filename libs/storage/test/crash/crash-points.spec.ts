import { expect, it } from '@jest/globals';
import { deaths, play } from './crash-scenario.js';
import { restarts, snapshots } from './scenarios.js';

it.each([
  ['restarts', restarts],
  ['snapshots', snapshots],
] as const)(
  '%s',
  async (name, scenario) => {
    const started = Date.now();
    const counts = new Map<string, number>();
    let runs = 0;
    let torn = 0;
    const s0 = Number(process.env.SEED0 ?? 1);
    for (let seed = s0; seed < s0 + Number(process.env.SEEDS ?? 1); seed++) {
      const { operations, violations } = await play(scenario, { seed });
      console.log(operations, violations);
      for (let at = 1; at <= operations; at++) {
        for (const death of deaths) {
          const report = await play(scenario, {
            seed,
            crash: { at, death },
            crashAgainAfter: (at % 40) + 1,
          });
          runs++;
          torn += report.tornTails;
          for (const v of report.violations) {
            const key = v.replace(/\d+/g, 'N');
            if (!counts.has(key)) console.log(seed, at, death, v);
            counts.set(key, (counts.get(key) ?? 0) + 1);
          }
        }
      }
    }
    console.log(name, runs, torn, Date.now() - started, counts);
    expect(1).toBe(1);
  },
  600_000,
);
