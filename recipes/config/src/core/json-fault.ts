/** Where a text stops being JSON. */
export interface JsonFault {
  /** In characters from the beginning. */
  readonly offset: number;
  readonly expected: string;
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/.source;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.source;
const TOKEN = new RegExp(
  `[ \\t\\n\\r]*(?:([{}[\\],:])|(${STRING})|${NUMBER}|true|false|null)`,
  'y',
);
const SPACE = /[ \t\n\r]*/y;

const EXPECTED = {
  value: 'a value',
  valueOrEnd: 'a value or "]"',
  key: 'a name in double quotes',
  keyOrEnd: 'a name in double quotes or "}"',
  colon: '":"',
  next: '"," or the end of the list or object',
  end: 'the end',
} as const;

type Expectation = keyof typeof EXPECTED;

/**
 * Finds the first place at which a text is no JSON; null: it is some. The parser of the runtime
 * says that only for some texts, and with other words in each release.
 */
export function jsonFault(text: string): JsonFault | null {
  const open: ('{' | '[')[] = [];
  let expected: Expectation = 'value';
  for (let at = 0; ;) {
    SPACE.lastIndex = at;
    SPACE.test(text);
    const offset = SPACE.lastIndex;
    if (offset === text.length && expected === 'end') return null;
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const after: Expectation | null = match === null ? null : step(expected, match, open);
    if (after === null) return { offset, expected: EXPECTED[expected] };
    expected = after;
    at = TOKEN.lastIndex;
  }
}

/** What may follow a token; null: the token may not stand here. */
function step(
  expected: Expectation,
  [, mark, string]: RegExpExecArray,
  open: ('{' | '[')[],
): Expectation | null {
  const afterValue = (): Expectation => (open.length === 0 ? 'end' : 'next');
  const innermost = open.at(-1);
  switch (expected) {
    case 'colon':
      return mark === ':' ? 'value' : null;
    case 'end':
      return null;
    case 'next':
      if (mark === ',') return innermost === '{' ? 'key' : 'value';
      if (mark !== (innermost === '{' ? '}' : ']')) return null;
      open.pop();
      return afterValue();
    case 'key':
    case 'keyOrEnd':
      if (string !== undefined) return 'colon';
      if (mark !== '}' || expected === 'key') return null;
      open.pop();
      return afterValue();
    case 'value':
    case 'valueOrEnd':
      if (mark === undefined) return afterValue();
      if (mark === ']' && expected === 'valueOrEnd') {
        open.pop();
        return afterValue();
      }
      if (mark !== '{' && mark !== '[') return null;
      open.push(mark);
      return mark === '{' ? 'keyOrEnd' : 'valueOrEnd';
  }
}
