import { barrierViolations } from './barrier-checks.js';
import { countViolations } from './count-checks.js';
import { PARTS, linesOf, type History, type Line } from './history.js';
import { holdViolations, stallsOf } from './hold-checks.js';
import { viewViolations } from './view-checks.js';

/** What a wait may take beyond its limit, and beyond the time for which nothing ran. */
const TICK_US = 1_000_000;

/** What is seen only where something changes. */
const SILENT_PARTS: readonly string[] = ['group'];

/** Everything that a history says against the recipes; nothing, if they kept their promises. */
export function violationsOf(history: History): string[] {
  return [
    ...holdViolations(history),
    ...countViolations(history),
    ...viewViolations(history),
    ...barrierViolations(history),
    ...lateViolations(history.lines),
    ...history.data.leftovers.map((path) => `rest: ${path} is still there`),
    ...endViolations(history),
    ...standstills(history),
  ];
}

/** I9: waits that took longer than their limit. */
function lateViolations(lines: readonly Line[]): string[] {
  const stalls = stallsOf(lines);
  return linesOf(lines, 'late').flatMap(({ worker, what, limitMs, from, at }) => {
    const own = stalls.get(worker) ?? [];
    const stalledUs = own
      .map((stall) => Math.min(stall.to, at) - Math.max(stall.from, from))
      .reduce((sum, us) => sum + Math.max(0, us), 0);
    const tookUs = at - from - stalledUs;
    if (tookUs <= limitMs * 1000 + TICK_US) return [];
    return [`${worker}: ${what} took ${Math.round(tookUs / 1000)} ms of ${limitMs} ms`];
  });
}

/** I8: what was there of a worker when it had closed its recipes. */
function endViolations({ lines, survivors }: History): string[] {
  return [...survivors.values()].flatMap((worker) => {
    const end = linesOf(lines, 'closed').find((line) => line.worker === worker);
    if (end === undefined) return [`${worker} did not close`];
    return [
      ...(end.watches === 0 ? [] : [`${worker} left ${end.watches} watches`]),
      ...end.ephemerals.map((path) => `${worker} left ${path}`),
    ];
  });
}

/** What somebody should have gone on with after the last fault, and has not. */
export function standstills(history: Pick<History, 'lines' | 'survivors' | 'healedAt' | 'owners'>) {
  const { lines, survivors, healedAt, owners } = history;
  const done = new Set(
    linesOf(lines, 'did')
      .filter(({ at }) => at > healedAt)
      .map(({ worker, part }) => `${worker} ${part}`),
  );
  const sharers = new Set(owners.values());
  const publishers = linesOf(lines, 'publishing').map(({ worker }) => nameOf(worker));
  return [...survivors].flatMap(([name, worker]) =>
    PARTS.filter((part) => {
      if (SILENT_PARTS.includes(part) || done.has(`${worker} ${part}`)) return false;
      if (part === 'partition') return sharers.has(name);
      return part !== 'publish' || publishers.includes(name);
    }).map((part) => `${worker} stands still: ${part}`),
  );
}

/** What a worker shares with those that it replaces. */
function nameOf(worker: string): string {
  return worker.split('.')[0]!;
}
