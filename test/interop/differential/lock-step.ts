import { areKnownDifferences } from './known-differences.js';
import type { Side } from './side.js';
import { describeStep, type Step } from './steps.js';

/** Where two servers said different things about the same step. */
export interface Difference {
  readonly index: number;
  readonly step: Step;
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** Nodes that go with a session go in no particular order. */
function isUnordered(step: Step): boolean {
  if (step.do === 'send') return step.operations.some(({ op }) => op === 'closeSession');
  return step.do === 'expire';
}

function comparable(step: Step, lines: readonly string[]): string[] {
  return isUnordered(step) ? [...lines].sort() : [...lines];
}

/** Does all steps on both sides at once; the first difference that is not a known one, or null. */
export async function runInLockStep(
  ours: Side,
  theirs: Side,
  steps: readonly Step[],
): Promise<Difference | null> {
  for (const [index, step] of steps.entries()) {
    const seen = await Promise.all([perform(ours, step), perform(theirs, step)]);
    const [mine, reference] = seen.map((lines) => comparable(step, lines)) as [string[], string[]];
    if (mine.join('\n') === reference.join('\n')) continue;
    if (areKnownDifferences(mine, reference)) continue;
    return { index, step, ours: mine, theirs: reference };
  }
  return null;
}

async function perform(side: Side, step: Step): Promise<string[]> {
  try {
    return await side.perform(step);
  } catch (error) {
    return [...side.lines, error instanceof Error ? error.message : String(error)];
  }
}

/** What a person needs to see what is wrong. */
export function describeDifference({ index, step, ours, theirs }: Difference): string {
  return [
    `step ${index}: ${describeStep(step)}`,
    ...ours.filter((line) => !theirs.includes(line)).map((line) => `  only ours:   ${line}`),
    ...theirs.filter((line) => !ours.includes(line)).map((line) => `  only theirs: ${line}`),
    '  all of ours:',
    ...ours.map((line) => `    ${line}`),
    '  all of theirs:',
    ...theirs.map((line) => `    ${line}`),
  ].join('\n');
}
