import { parseDocument, stringify } from 'yaml';
import { jsonFault } from './json-fault.js';

/** How the data of one node are written. */
export type TextFormat = 'json' | 'yaml';

/** How deep objects and lists may lie in each other. */
const DEPTH_MAX = 100;
/**
 * How many values the aliases of a YAML text may stand for: else a short text could be a huge one.
 */
const ALIASES_MAX = 100;

/** Data that the parser or the limits refuse. The message says where. */
export class DocumentError extends Error {
  /** The field, with dots between its names; empty: the whole, or not known. */
  readonly field: string;

  constructor(message: string, field = '') {
    super(message);
    this.name = new.target.name;
    this.field = field;
  }
}

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
 * @throws {DocumentError} It is not made of plain values, or too long.
 */
export function encodeValue(value: unknown, format: TextFormat, bytesMax: number): Buffer {
  checkDocument(value);
  let text: string | undefined;
  try {
    text =
      format === 'json'
        ? `${JSON.stringify(value, null, 2)}\n`
        : stringify(value, { aliasDuplicateObjects: false });
  } catch (error) {
    throw new DocumentError(`it cannot be written as ${format}: ${(error as Error).message}`);
  }
  const bytes = Buffer.from(text);
  // What is read back must be what was meant: no NaN, no date, no undefined in a list.
  parseBytes(bytes, format, bytesMax);
  return bytes;
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

/** @throws {DocumentError} It is too deep, contains itself, or has unsafe names. */
export function checkDocument(value: unknown, path: readonly string[] = [], around: object[] = []) {
  if (typeof value !== 'object' || value === null) return;
  if (around.includes(value)) throw new DocumentError('it contains itself', path.join('.'));
  if (path.length > DEPTH_MAX) {
    throw new DocumentError(`it is nested deeper than ${DEPTH_MAX} levels`);
  }
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
