import type { Difference } from './lock-step.js';
import type { Step } from './steps.js';

/** Runs steps on fresh servers; the first difference, or null. */
export type Trial = (steps: readonly Step[]) => Promise<Difference | null>;

/** Steps that show a difference, and the difference that they show. */
export interface Reproduction {
  readonly steps: readonly Step[];
  readonly difference: Difference;
}

/**
 * Leaves out steps as long as some difference remains, larger parts first, until `budgetMs` is used
 * up. Not the smallest reproduction, but one that a person can read.
 */
export async function shrink(
  first: Reproduction,
  runsOnFreshServers: Trial,
  budgetMs: number,
): Promise<Reproduction> {
  const deadline = performance.now() + budgetMs;
  let best = upToDifference(first);
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let end = best.steps.length; end > 0; end -= size) {
      if (performance.now() > deadline) return best;
      const without = best.steps.filter((_, i) => i < end - size || i >= end);
      if (without.length === 0) continue;
      const difference = await runsOnFreshServers(without);
      if (difference !== null) best = upToDifference({ steps: without, difference });
      end = Math.min(end, best.steps.length + size);
    }
  }
  return best;
}

function upToDifference({ steps, difference }: Reproduction): Reproduction {
  return { steps: steps.slice(0, difference.index + 1), difference };
}
