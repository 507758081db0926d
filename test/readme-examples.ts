/** The examples of a README, which its test runs as they are printed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from '@swc/core';

export interface Readme {
  readonly text: string;
  /** What stands in its code blocks of TypeScript, in order. */
  readonly examples: readonly string[];
}

/** The README of a room. */
export function readmeIn(directory: string): Readme {
  const text = readFileSync(join(directory, 'README.md'), 'utf8');
  const blocks = text.matchAll(/```ts\n([\s\S]*?)```/g);
  return { text, examples: Array.from(blocks, ([, code = '']) => code) };
}

/** An example without its imports. */
export function withoutImports(example: string): string {
  return example.replace(/^import .*;\n/gm, '');
}

/**
 * Runs an example as the body of an async function. Every name of the scope stands in it, in place
 * of what it imports. Resolves with what the example returns.
 */
export async function runExample<Result = void>(example: string, scope: object): Promise<Result> {
  const names = Object.keys(scope).join(', ');
  const source = `async function example({ ${names} }) {${withoutImports(example)}}`;
  const { code } = transformSync(source, {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
  });
  /* eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call --
     The text is our own README's, and to run it is the test. */
  const run = new Function(`${code}; return example;`)() as (scope: object) => Promise<Result>;
  return run(scope);
}
