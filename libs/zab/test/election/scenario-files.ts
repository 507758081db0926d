import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = join(import.meta.dirname, '../../../../test/scenarios/election');

/** An input, and what happens then. */
export interface Step {
  readonly command: string;
  /** Where it stands: file and line. */
  readonly at: string;
  readonly expected: readonly string[];
}

export const scenarioFiles = readdirSync(directory).filter((file) => file.endsWith('.txt'));

/** A scenario: lines with `>` are inputs, the lines under each are what the servers then do. */
export function stepsOf(file: string): Step[] {
  const steps: { command: string; at: string; expected: string[] }[] = [];
  for (const [index, line] of readFileSync(join(directory, file), 'utf8').split('\n').entries()) {
    if (line.startsWith('#') || line.trim() === '') continue;
    if (line.startsWith('>')) {
      steps.push({ command: line.slice(1), at: `${file}:${index + 1}`, expected: [] });
    } else {
      steps.at(-1)?.expected.push(line.trim());
    }
  }
  return steps;
}

/** Writes down what happens now; the difference is then reviewed. */
export function rewrite(file: string, run: (command: string) => readonly string[]): void {
  const path = join(directory, file);
  const lines: string[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (!line.startsWith('>') && !line.startsWith('#') && line.trim() !== '') continue;
    lines.push(line);
    if (line.startsWith('>')) lines.push(...run(line.slice(1)).map((text) => `  ${text}`));
  }
  writeFileSync(path, `${lines.join('\n').trimEnd()}\n`);
}
