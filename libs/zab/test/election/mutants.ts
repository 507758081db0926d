import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as foundation from '@aviary/foundation';
import ts from 'typescript';
import type { ElectionClass } from './member.js';

const directory = join(import.meta.dirname, '../../src/election');

/** An error to plant: in a file of the election, one text instead of another. */
export interface Mutation {
  readonly error: string;
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

export function plant(error: string, file: string, text: string, instead = ''): Mutation {
  return { error, file, text, instead };
}

const sources = new Map(
  readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), 'utf8')]),
);
const compiled = new Map<string, string>();

function compile(source: string): string {
  let code = compiled.get(source);
  if (code === undefined) {
    const { CommonJS } = ts.ModuleKind;
    const compilerOptions = { module: CommonJS, target: ts.ScriptTarget.ES2023 };
    code = ts.transpileModule(source, { compilerOptions }).outputText;
    compiled.set(source, code);
  }
  return code;
}

/**
 * The election with an error in it, made from its sources, so that the product needs no switches.
 *
 * @throws {Error} The text is not there, or not once: the mutation has to follow the source.
 */
export function mutant({ error, file, text, instead }: Mutation): ElectionClass {
  const pieces = (sources.get(file) ?? '').split(text);
  if (pieces.length !== 2)
    throw new Error(`"${error}" fits ${pieces.length - 1} places of ${file}`);
  const modules = new Map<string, Record<string, unknown>>();
  const load = (name: string): unknown => {
    if (name === '@aviary/foundation') return foundation;
    const wanted = name.replace(/^\.\//, '').replace(/\.js$/, '.ts');
    const known = modules.get(wanted);
    if (known !== undefined) return known;
    const exports: Record<string, unknown> = {};
    modules.set(wanted, exports);
    const source = wanted === file ? pieces.join(instead) : (sources.get(wanted) ?? '');
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    new Function('require', 'exports', compile(source))(load, exports);
    return exports;
  };
  return (load('./election.js') as { Election: ElectionClass }).Election;
}
