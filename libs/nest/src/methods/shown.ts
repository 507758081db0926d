import { inspect } from 'node:util';

const CHARACTERS_MAX = 200;

/**
 * A value that somebody gave, as messages about it show it: on one line, cut where it is long, and
 * whatever it is. JSON cannot say what is wrong with a `NaN`, and throws at a bigint.
 */
export function shown(value: unknown): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: CHARACTERS_MAX });
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  return line.length > CHARACTERS_MAX ? `${line.slice(0, CHARACTERS_MAX)}...` : line;
}
