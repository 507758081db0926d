/** How a name of a parameter list is found among the arguments. */
export interface ParameterPlace {
  readonly index: number;
  /** For a name inside of `{ ... }`: the field of the argument. */
  readonly field: string | null;
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/**
 * The names in the parameter list of a method, read from its source: `id`, and for `{ id }` or
 * `{ id: orderId }` what stands for a field. What is nested deeper, and rest parameters, have none.
 *
 * A compiler that renames parameters, or moves those with defaults into the body, leaves other names
 * or none. So whoever looks one up must be ready not to find it, and must say so.
 */
export function parameterPlaces(
  method: (...args: never[]) => unknown,
): Map<string, ParameterPlace> {
  const places = new Map<string, ParameterPlace>();
  parameterTexts(Function.prototype.toString.call(method)).forEach((text, index) => {
    const target = beforeDefault(text);
    if (target.startsWith('{') && target.endsWith('}')) {
      for (const entry of splitAtCommas(target.slice(1, -1))) {
        const [field = '', alias = field] = beforeDefault(entry).split(/\s*:\s*/);
        if (IDENTIFIER.test(field) && IDENTIFIER.test(alias)) places.set(alias, { index, field });
      }
    } else if (IDENTIFIER.test(target)) {
      places.set(target, { index, field: null });
    }
  });
  return places;
}

/** One text for each parameter, without comments. */
function parameterTexts(source: string): string[] {
  const text = withoutComments(source);
  const opening = firstAtDepthZero(text, 0, (unit) => unit === '(');
  if (opening === -1) return [];
  const closing = skip(text, opening);
  return splitAtCommas(text.slice(opening + 1, closing - 1));
}

function beforeDefault(text: string): string {
  const at = firstAtDepthZero(text, 0, (unit) => unit === '=');
  return (at === -1 ? text : text.slice(0, at)).trim();
}

function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  for (let from = 0; ;) {
    const comma = firstAtDepthZero(text, from, (unit) => unit === ',');
    if (comma === -1) return [...parts, text.slice(from)].map((part) => part.trim());
    parts.push(text.slice(from, comma));
    from = comma + 1;
  }
}

/** Where the first such character stands outside of brackets and strings; -1: nowhere. */
function firstAtDepthZero(text: string, from: number, isWanted: (unit: string) => boolean): number {
  for (let at = from; at < text.length;) {
    if (isWanted(text.charAt(at))) return at;
    at = skip(text, at);
  }
  return -1;
}

/** The place behind what begins at `at`: a string, something in brackets, or one character. */
function skip(text: string, at: number): number {
  const first = text.charAt(at);
  if (first === "'" || first === '"' || first === '`') {
    for (let end = at + 1; end < text.length; end++) {
      if (text.charAt(end) === '\\') end++;
      else if (text.charAt(end) === first) return end + 1;
    }
    return text.length;
  }
  const closing = CLOSING[first];
  if (closing === undefined) return at + 1;
  for (let end = at + 1; end < text.length; end = skip(text, end)) {
    if (text.charAt(end) === closing) return end + 1;
  }
  return text.length;
}

/** Comments become spaces; strings stay as they are. */
function withoutComments(source: string): string {
  const pieces =
    /\/\*[^]*?\*\/|\/\/[^\n]*|'(?:\\[^]|[^'\\])*'|"(?:\\[^]|[^"\\])*"|`(?:\\[^]|[^`\\])*`/g;
  return source.replace(pieces, (piece) => (piece.startsWith('/') ? ' ' : piece));
}
