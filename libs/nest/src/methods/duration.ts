import { shown } from './shown.js';

/** A time: a number of milliseconds, or a number with its unit, as in `'1.5s'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`;

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** In milliseconds; null: it is no duration. */
export function durationMs(duration: unknown): number | null {
  if (typeof duration === 'number') return duration >= 0 ? duration : null;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(duration));
  if (match === null) return null;
  return Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? NaN);
}

/**
 * An option that is a duration, in milliseconds; undefined if it is not set.
 *
 * @param refuse Is told what is wrong with it, and throws.
 */
export function durationOptionMs(
  name: string,
  given: unknown,
  refuse: (problem: string) => never,
): number | undefined {
  if (given === undefined) return undefined;
  const ms = durationMs(given);
  if (ms !== null) return ms;
  return refuse(`${name} must be milliseconds or a time such as "5s", not ${shown(given)}`);
}
