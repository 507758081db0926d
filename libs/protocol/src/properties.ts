/** One line of a properties file. */
export interface Property {
  readonly key: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[^])/g, (_all, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(parseInt(escaped.slice(1), 16));
    return ESCAPES[escaped] ?? escaped;
  });
}

/** How many backslashes stand at the end. Not a pattern: those look from every backslash again. */
function backslashesAtEnd(text: string): number {
  let start = text.length;
  while (start > 0 && text[start - 1] === '\\') start -= 1;
  return text.length - start;
}

/** Joins lines that end in an odd number of backslashes with what follows. */
function logicalLines(text: string): { text: string; line: number }[] {
  const lines: { text: string; line: number }[] = [];
  let continued: { text: string; line: number } | null = null;
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const trimmed = raw.replace(/^[ \t\f]+/, '');
    const isContinued: boolean =
      backslashesAtEnd(trimmed) % 2 === 1 && !(continued === null && isComment(trimmed));
    const content = isContinued ? trimmed.slice(0, -1) : trimmed;
    const line: { text: string; line: number } = continued
      ? { text: continued.text + content, line: continued.line }
      : { text: content, line: index + 1 };
    continued = isContinued ? line : null;
    if (!isContinued) lines.push(line);
  }
  if (continued !== null) lines.push(continued);
  return lines;
}

function isComment(line: string): boolean {
  return line.startsWith('#') || line.startsWith('!');
}

/**
 * Parses a Java properties file, as ZooKeeper reads its configuration: `key=value`, `key: value` or
 * `key value`, comments behind `#` and `!`, backslash escapes. Values lose the blanks at their end.
 */
export function parseProperties(text: string): Property[] {
  const properties: Property[] = [];
  for (const { text: content, line } of logicalLines(text)) {
    if (content === '' || isComment(content)) continue;
    const match = /^((?:\\[^]|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*([^]*)$/.exec(content);
    if (match === null) continue;
    const key = unescape(match[1]);
    properties.push({ key, value: unescape(match[2]).trim(), line });
  }
  return properties;
}
