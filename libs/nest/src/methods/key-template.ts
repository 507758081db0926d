import { pathProblem } from '@aviary/foundation';
import { parameterPlaces, type ParameterPlace } from './parameter-names.js';

/** Makes the key of a call from its arguments. @throws what `refuseCall` throws. */
export type KeyOfCall = (args: readonly unknown[]) => string;

/** What is to be thrown for a template. Both are told what is wrong, and do not return. */
export interface KeyRefusals {
  /** The template does not fit the method. Called while it is compiled. */
  refuseTemplate(problem: string): never;
  /** The arguments of a call make no key. */
  refuseCall(problem: string): never;
}

interface Placeholder extends ParameterPlace {
  /** As it stands between the braces. */
  readonly text: string;
  readonly path: readonly string[];
}

const PLACEHOLDER = /^([\p{ID_Start}$_][\p{ID_Continue}$]*|\d+)((?:\.[\p{ID_Continue}$]+)*)$/u;
const PLAIN = /^[\w-]+$/;

/**
 * Compiles a template such as `orders/{order.id}/settle`.
 *
 * What stands between braces names a parameter of `method` (or a field that it destructures, or the
 * position of an argument), and fields of it behind dots. A value becomes part of one component of
 * the path: slashes and what a path must not contain are escaped with percent signs, so none climbs
 * out of its place, and different values have different keys. Two values in one component (`{a}-{b}`)
 * can be told apart only if they do not contain what stands between them.
 *
 * @param method The one that was written, without wrappers: see `originalOf`.
 * @throws what `refusals` say.
 */
export function compileTemplate(
  template: string,
  method: (...args: never[]) => unknown,
  refusals: KeyRefusals,
): KeyOfCall {
  const refuse = (problem: string): never => refusals.refuseTemplate(problem);
  const parts = template.split(/\{([^{}]*)\}/);
  const literals = parts.filter((_, at) => at % 2 === 0);
  if (literals.some((text) => /[{}]/.test(text))) refuse('its braces do not match');
  const sample = literals.join('x');
  const problem = pathProblem(sample.startsWith('/') ? sample : `/${sample}`);
  if (sample === '' || sample === '/' || problem !== null) {
    refuse(`it is not a path below the root: ${problem ?? 'it is empty'}`);
  }
  const places = parameterPlaces(method);
  const wanted = parts.filter((_, at) => at % 2 === 1);
  const placeholders = wanted.map((text) => placeholderOf(text, places, refuse));
  return (args) => {
    let key = literals[0] ?? '';
    placeholders.forEach((placeholder, at) => {
      const { text } = placeholder;
      const value = valueText(valueAt(placeholder, args), text, (what) =>
        refusals.refuseCall(what),
      );
      key += escapeComponent(value) + (literals[at + 1] ?? '');
    });
    return key;
  };
}

function placeholderOf(
  text: string,
  places: ReadonlyMap<string, ParameterPlace>,
  refuse: (problem: string) => never,
): Placeholder {
  const match = PLACEHOLDER.exec(text);
  if (match === null) return refuse(`"{${text}}" must be a parameter, or a field of one`);
  const [, first = '', rest = ''] = match;
  const path = rest.split('.').slice(1);
  const place = /^\d/.test(first) ? { index: Number(first), field: null } : places.get(first);
  if (place !== undefined) return { ...place, text, path };
  const names = [...places.keys()].join(', ');
  return refuse(
    `the method has no parameter "${first}", ` +
      `${names === '' ? 'and no other whose name is known' : `but ${names}`}; ` +
      'name one of them, or an argument by its position, as in {0} or {0.id}',
  );
}

function valueAt({ index, field, path }: Placeholder, args: readonly unknown[]): unknown {
  const start: unknown = args[index];
  return (field === null ? path : [field, ...path]).reduce(
    (value, name) =>
      value === null || value === undefined
        ? undefined
        : (value as Readonly<Record<string, unknown>>)[name],
    start,
  );
}

function valueText(value: unknown, text: string, refuse: (what: string) => never): string {
  switch (typeof value) {
    case 'string':
      if (value === '') return refuse(`${text} is empty`);
      return value.isWellFormed() ? value : refuse(`${text} is not well-formed Unicode`);
    case 'number':
      return Number.isFinite(value) ? String(value) : refuse(`${text} is ${value}`);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return refuse(`${text} is ${value === null ? 'null' : typeof value}`);
  }
}

/** One to one: the percent sign is escaped, too. */
function escapeComponent(value: string): string {
  if (PLAIN.test(value)) return value;
  if (value === '.' || value === '..') return value.replaceAll('.', '%2E');
  return Array.from(value, (character) =>
    character !== '%' && (character === '.' || pathProblem(`/${character}`) === null)
      ? character
      : percents(character),
  ).join('');
}

function percents(character: string): string {
  const bytes = [...Buffer.from(character)];
  return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
