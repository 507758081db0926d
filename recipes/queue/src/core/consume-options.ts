import { inspect } from 'node:util';
import { InvalidArgumentError } from '@aviary/client';

/** How items are consumed. Times are in milliseconds. */
export interface ConsumeOptions {
  /** How many items are worked on at the same time. Default: 1. */
  readonly concurrency?: number | undefined;
  /**
   * `at-least-once`: an item goes when its handler has succeeded; if the process dies it is delivered again.
   * `at-most-once`: it goes before it is delivered, as in Curator's queues without a `lockPath`.
   * Default: `at-least-once`.
   */
  readonly mode?: 'at-least-once' | 'at-most-once' | undefined;
  /** How often an item is delivered before it goes to the dead letters. Default: 5. */
  readonly attempts?: number | undefined;
  /** The limit of the pause before the second attempt; it doubles. Default: 200. */
  readonly backoffMs?: number | undefined;
  /** No pause is longer. Default: 30,000. */
  readonly backoffMsMax?: number | undefined;
}

/** Of a mode without a second delivery they would say nothing. */
const OF_ATTEMPTS = ['attempts', 'backoffMs', 'backoffMsMax'] as const;

/** @throws {InvalidArgumentError} */
export function checkConsumeOptions(options: ConsumeOptions): void {
  const { concurrency = 1, attempts = 1, mode = 'at-least-once' } = options;
  const { backoffMs = 0, backoffMsMax = 0 } = options;
  const refuse = (problem: string): never => {
    throw new InvalidArgumentError(`consume: ${problem}`);
  };
  for (const [name, value] of Object.entries({ concurrency, attempts })) {
    if (!isCount(value)) refuse(countProblem(name, value));
  }
  for (const [name, value] of Object.entries({ backoffMs, backoffMsMax })) {
    if (typeof value === 'number' && value >= 0) continue;
    refuse(`${name} must be milliseconds from 0 up, not ${inspect(value)}`);
  }
  // Callers without types can pass anything.
  if (!['at-least-once', 'at-most-once'].includes(mode)) {
    refuse(`there is no mode "${mode as string}"`);
  }
  const idle = OF_ATTEMPTS.find((name) => options[name] !== undefined);
  if (mode === 'at-most-once' && idle !== undefined) refuse(idleProblem(idle));
}

/** Whether it can be a number of items or attempts. */
export function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1;
}

/** What to say of a number of items or attempts that is none. */
export function countProblem(name: string, value: unknown): string {
  return `${name} must be a whole number from 1 up, not ${inspect(value)}`;
}

/** What to say of an option that `at-most-once` would ignore. */
export function idleProblem(name: string): string {
  return (
    `${name} and the mode "at-most-once" contradict each other, for then nothing is delivered a ` +
    'second time or kept as a dead letter: leave one of them out'
  );
}
