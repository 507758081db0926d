import { isDeepStrictEqual } from 'node:util';
import { Lexer, parseDocument, stringify } from 'yaml';
import { DocumentError } from './document-error.js';
import { plainValue } from './plain-value.js';
import { jsonFault } from './json-fault.js';

/** How the data of one node are written. */
export type TextFormat = 'json' | 'yaml';

/** How deep objects and lists may lie in each other. */
const DEPTH_MAX = 100;
/**
 * How many values the aliases of a YAML text may stand for: else a short text could be a huge one.
 */
const ALIASES_MAX = 100;

/**
 * Reads the data of a node.
 *
 * @throws {DocumentError} More than `bytesMax`, no text, not in this format, too deep, or with
 * names that would reach for the prototypes of objects.
 */
export function parseBytes(data: Uint8Array | null, format: TextFormat, bytesMax: number): unknown {
  if (data === null || data.length === 0) throw new DocumentError('the node has no data');
  if (data.length > bytesMax) {
    throw new DocumentError(`it has ${data.length} bytes, more than the ${bytesMax} allowed`);
  }
  const text = textOf(data);
  const value = format === 'json' ? parseJson(text) : parseYaml(text);
  checkDocument(value);
  return value;
}

/**
 * Writes a value as the data of a node.
 *
 * Dates and whatever else has a `toJSON` are written as that says; undefined properties are left out.
 *
 * @throws {DocumentError} It is made of something that would not be read back, or too long.
 */
export function encodeValue(value: unknown, format: TextFormat, bytesMax: number): Buffer {
  checkDocument(value);
  const plain = plainValue(value);
  const text =
    format === 'json'
      ? `${JSON.stringify(plain, null, 2)}\n`
      : stringify(plain, { aliasDuplicateObjects: false });
  const bytes = Buffer.from(text);
  if (isDeepStrictEqual(parseBytes(bytes, format, bytesMax), plain)) return bytes;
  throw new DocumentError(`as ${format} it would not be read back as what it is`);
}

/** UTF-8 text. @throws {DocumentError} */
export function textOf(data: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw new DocumentError('it is not UTF-8 text');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const fault = jsonFault(text);
    if (fault === null) throw new DocumentError((error as Error).message);
    const { offset, expected } = fault;
    const found = offset === text.length ? 'the end' : JSON.stringify(text.charAt(offset));
    const where = placeOf(text, offset);
    throw new DocumentError(`it is no JSON at ${where}: expected ${expected}, found ${found}`);
  }
}

function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return `line ${line}, column ${offset - before.lastIndexOf('\n')}`;
}

function parseYaml(text: string): unknown {
  checkNesting(text);
  const document = parseDocument(text, { merge: true, prettyErrors: false, version: '1.2' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const where = placeOf(text, problem.pos[0]);
    throw new DocumentError(`it is no YAML at ${where}: ${problem.message}`);
  }
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    throw new DocumentError(`it is no YAML that is allowed: ${(error as Error).message}`);
  }
}

/**
 * The parser takes minutes over what nests thousands of levels deep, and nothing else of the process
 * goes on meanwhile. @throws {DocumentError}
 */
function checkNesting(text: string): void {
  let brackets = 0;
  let dashes = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') brackets++;
    else if (token === ']' || token === '}') brackets--;
    else if (token === '-' || token === '?') dashes++;
    else if (token === '\n') dashes = 0;
    if (brackets > DEPTH_MAX || dashes > DEPTH_MAX) throw tooDeep();
  }
}

function tooDeep(): DocumentError {
  return new DocumentError(`it is nested deeper than ${DEPTH_MAX} levels`);
}

/** @throws {DocumentError} It is too deep, contains itself, or has unsafe names. */
export function checkDocument(value: unknown, path: readonly string[] = [], around: object[] = []) {
  if (typeof value !== 'object' || value === null) return;
  if (around.includes(value)) throw new DocumentError('it contains itself', path.join('.'));
  if (path.length > DEPTH_MAX) throw tooDeep();
  around.push(value);
  for (const [name, inner] of Object.entries(value)) {
    if (isUnsafeName(name, inner)) {
      const where = path.length === 0 ? '' : ` in ${path.join('.')}`;
      throw new DocumentError(`the name "${name}"${where} is not allowed`, path.join('.'));
    }
    checkDocument(inner, [...path, name], around);
  }
  around.pop();
}

/** Whether whoever merges objects name by name would write into the prototype of all objects. */
function isUnsafeName(name: string, value: unknown): boolean {
  if (name === '__proto__') return true;
  if (name !== 'constructor' || typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, 'prototype');
}
