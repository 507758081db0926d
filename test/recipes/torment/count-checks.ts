import { linesOf, type History, type Line } from './history.js';

/** More changes in doubt than that are not tried out. */
const DOUBTS_MAX = 16;

/** What was acknowledged has happened once; what was refused has not; the rest at most once. */
export function countViolations(history: History): string[] {
  return [
    ...counterViolations(history),
    ...valueViolations(history),
    ...queueViolations(history),
    ...configViolations(history),
  ];
}

function counterViolations({ lines, data }: History): string[] {
  const added = linesOf(lines, 'added');
  const certain = added.filter(({ isAmbiguous }) => !isAmbiguous);
  const befores = certain.map(({ before }) => before);
  const twice = befores.filter((before, at) => befores.indexOf(before) !== at);
  const violations = twice.map((before) => `counter: two changed ${before}`);
  const doubts = added.filter(({ isAmbiguous }) => isAmbiguous).map(({ delta }) => delta);
  doubts.push(...begunOnly(lines, 'adding', ['added', 'notAdded']).map(({ delta }) => delta));
  const sum = certain.reduce((total, { delta }) => total + delta, 0);
  if (doubts.length > DOUBTS_MAX) violations.push(`counter: ${doubts.length} are in doubt`);
  else if (!isSumOfSome(doubts, data.count - sum)) {
    violations.push(`counter: it has ${data.count}, not ${sum} and some of ${doubts.join(', ')}`);
  }
  return violations;
}

function isSumOfSome(numbers: readonly number[], wanted: number): boolean {
  let sums = new Set([0]);
  for (const number of numbers) sums = new Set([...sums, ...[...sums].map((sum) => sum + number)]);
  return sums.has(wanted);
}

/** The last of what each worker began, where it never said what became of it: it was killed. */
function begunOnly<K extends Line['kind']>(
  lines: readonly Line[],
  begin: K,
  ends: readonly Line['kind'][],
): Extract<Line, { readonly kind: K }>[] {
  const open = new Map<string, Extract<Line, { readonly kind: K }>>();
  for (const line of lines) {
    if (line.kind === begin) open.set(line.worker, line as Extract<Line, { readonly kind: K }>);
    else if (ends.includes(line.kind)) open.delete(line.worker);
  }
  return [...open.values()];
}

function valueViolations({ lines, data: { value } }: History): string[] {
  const written = linesOf(lines, 'written');
  const certain = written.filter(({ isAmbiguous }) => !isAmbiguous);
  const doubts =
    written.length - certain.length + begunOnly(lines, 'writing', ['written', 'notWritten']).length;
  const violations = outOfRange('value', value.writes, certain.length, doubts);
  const versions = certain.map(({ version }) => version);
  if (new Set(versions).size < versions.length) violations.push('value: two wrote one version');
  if (value.writes !== value.version + 1) {
    violations.push(`value: ${value.writes} writes made version ${value.version}`);
  }
  return violations;
}

function configViolations({ lines, data: { config } }: History): string[] {
  const published = linesOf(lines, 'published');
  const doubts =
    linesOf(lines, 'notPublished').filter(({ isCertain }) => !isCertain).length +
    begunOnly(lines, 'publishing', ['published', 'notPublished']).length;
  const violations = outOfRange('config', config.version, published.length, doubts);
  const versions = published.map(({ version }) => version);
  if (new Set(versions).size < versions.length)
    violations.push('config: two published one version');
  return violations;
}

function outOfRange(what: string, found: number, certain: number, doubts: number): string[] {
  if (found >= certain && found <= certain + doubts) return [];
  return [`${what}: ${found} changes, where ${certain} are certain and ${doubts} in doubt`];
}

function queueViolations({ lines, data }: History): string[] {
  const done = new Set(data.ledgers.queue.map(({ what }) => what));
  const put = linesOf(lines, 'put').filter(({ isAmbiguous }) => !isAmbiguous);
  const lost = put.filter(({ item }) => !done.has(item));
  const refused = linesOf(lines, 'notPut').filter(({ item }) => done.has(item));
  const begun = new Set(linesOf(lines, 'putting').map(({ item }) => item));
  const madeUp = [...done].filter((item) => !begun.has(item));
  return [
    ...lost.map(({ item }) => `queue: ${item} was put, and nobody has worked on it`),
    ...refused.map(({ item }) => `queue: ${item} was refused, and somebody has worked on it`),
    ...madeUp.map((item) => `queue: nobody put ${item}, and somebody has worked on it`),
  ];
}
