import {
  byWorker,
  linesOf,
  type History,
  type HoldKind,
  type LedgerEntry,
  type LedgerName,
  type Line,
} from './history.js';

/** What a hold may last beyond a stall that explains it: timers are not exact. */
const SLACK_US = 250_000;

/** A time in which a worker's timers did not run. */
interface Stall {
  readonly from: number;
  readonly to: number;
}

interface Hold {
  readonly hold: HoldKind;
  readonly what: string;
  readonly worker: string;
  readonly token: number;
  readonly from: number;
  to: number;
}

/** What may not be held by two at a time, with whom each excludes. */
const EXCLUDES: Readonly<Partial<Record<HoldKind, readonly HoldKind[]>>> = {
  mutex: ['mutex'],
  write: ['write', 'read'],
  read: ['write'],
  leader: ['leader'],
  item: ['item'],
};

/** I1, I2, I4 and I6, by what the servers took under guards, and by what the holders knew. */
export function holdViolations(history: History): string[] {
  const { ledgers } = history.data;
  return [
    ...tokensThatFell('mutex', ledgers.mutex, () => ''),
    ...tokensThatFell('leader', ledgers.leader, () => ''),
    ...tokensThatFell('barrier', ledgers.barrier, () => ''),
    ...tokensThatFell('queue', ledgers.queue, ({ what }) => what),
    ...tokensThatFell('partition', ledgers.partition, ({ what }) => what),
    ...sharedTokens(history),
    ...visitsNotCounted(ledgers.mutex),
    ...readersBesideWriters(ledgers.readWrite),
    ...tooManyPermits(ledgers.semaphore, history.permits),
    ...meetings(history.lines),
  ];
}

/** Writes that came under an older guard after one under a newer. */
function tokensThatFell(
  ledger: LedgerName,
  entries: readonly LedgerEntry[],
  keyOf: (entry: LedgerEntry) => string,
): string[] {
  const newest = new Map<string, LedgerEntry>();
  const violations: string[] = [];
  for (const entry of entries) {
    const key = keyOf(entry);
    const before = newest.get(key);
    if (before !== undefined && entry.token < before.token) {
      violations.push(
        `${ledger} ${key}: ${entry.worker} wrote with ${entry.token} after ` +
          `${before.worker} with ${before.token}`,
      );
    } else newest.set(key, entry);
  }
  return violations;
}

/** Tokens that two had: each later holder's is greater. */
function sharedTokens({ data: { ledgers } }: History): string[] {
  const violations: string[] = [];
  for (const ledger of [
    'mutex',
    'readWrite',
    'semaphore',
    'leader',
    'queue',
    'partition',
  ] as const) {
    const owners = new Map<number, string>();
    for (const { token, worker } of ledgers[ledger]) {
      const owner = owners.get(token) ?? worker;
      owners.set(token, owner);
      if (owner !== worker) violations.push(`${ledger}: ${owner} and ${worker} had ${token}`);
    }
  }
  return violations;
}

/** Who reads and writes one more beside another writes the same. */
function visitsNotCounted(entries: readonly LedgerEntry[]): string[] {
  return entries.flatMap(({ worker, seen }, at) =>
    seen === at + 1 ? [] : [`mutex: ${worker} wrote ${seen} as visit ${at + 1}`],
  );
}

function readersBesideWriters(entries: readonly LedgerEntry[]): string[] {
  const violations: string[] = [];
  let newest = 0;
  let newestWriter = 0;
  let written = 0;
  for (const { what, worker, token, seen } of entries) {
    const isWriter = what === 'write';
    const limit = isWriter ? newest : newestWriter;
    if (token < limit) violations.push(`readWrite: ${worker} ${what} with ${token} after ${limit}`);
    newest = Math.max(newest, token);
    if (isWriter) {
      newestWriter = Math.max(newestWriter, token);
      if (seen !== written + 1) violations.push(`readWrite: ${worker} wrote ${seen} on ${written}`);
      written = seen;
    } else if (seen !== written) {
      violations.push(`readWrite: ${worker} read ${seen} where ${written} was written`);
    }
  }
  return violations;
}

/** A permit is out from its first guarded write to its last, if not longer. */
function tooManyPermits(entries: readonly LedgerEntry[], permits: number): string[] {
  const last = new Map(entries.map(({ token }, at) => [token, at]));
  const out = new Set<number>();
  const violations: string[] = [];
  entries.forEach(({ token }, at) => {
    out.add(token);
    if (out.size > permits) {
      violations.push(`semaphore: ${[...out].join(', ')} are out of ${permits} permits`);
    }
    if (last.get(token) === at) out.delete(token);
  });
  return violations;
}

/** Holders who met, where nothing tells why the older one had not lost its hold yet. */
function meetings(lines: readonly Line[]): string[] {
  const stalls = stallsOf(lines);
  const holds = holdsOf(lines);
  const violations: string[] = [];
  holds.forEach((one, at) => {
    for (const other of holds.slice(at + 1)) {
      if (other.from >= one.to) break;
      if (!isExclusive(one, other)) continue;
      const [older, newer] = one.token < other.token ? [one, other] : [other, one];
      const met = { from: other.from, to: Math.min(one.to, other.to) };
      const own = stalls.get(older.worker) ?? [];
      if (own.some(({ from, to }) => from <= met.from && to + SLACK_US >= met.to)) continue;
      violations.push(
        `${older.hold} ${older.what}: ${older.worker} with ${older.token} held for ` +
          `${met.to - met.from} us beside ${newer.worker} with ${newer.token}`,
      );
    }
  });
  return violations;
}

function isExclusive(one: Hold, other: Hold): boolean {
  const isSame = one.what === other.what && EXCLUDES[one.hold]?.includes(other.hold) === true;
  // A downgrade is told by the worker itself, with the token of the writer.
  return isSame && !(one.worker === other.worker && one.token === other.token);
}

/** By when they began. */
function holdsOf(lines: readonly Line[]): Hold[] {
  const open = new Map<string, Hold>();
  const holds: Hold[] = [];
  for (const line of linesOf(lines, 'acquired', 'ended', 'killed')) {
    const { worker, at } = line;
    if (line.kind === 'killed') {
      for (const hold of open.values()) if (hold.worker === worker) hold.to = Math.min(hold.to, at);
      continue;
    }
    const { hold, what, token } = line;
    const key = `${worker} ${hold} ${what} ${token}`;
    if (line.kind === 'ended') {
      const ended = open.get(key);
      if (ended !== undefined) ended.to = at;
      open.delete(key);
    } else {
      const begun: Hold = { hold, what, worker, token, from: at, to: Infinity };
      open.set(key, begun);
      holds.push(begun);
    }
  }
  return holds.sort((one, other) => one.from - other.from);
}

/** The times for which workers were stopped or starved; one that was killed stays so. */
export function stallsOf(lines: readonly Line[]): Map<string, readonly Stall[]> {
  const all = new Map<string, readonly Stall[]>();
  for (const [worker, own] of byWorker(linesOf(lines, 'stalled', 'stopped', 'killed'))) {
    const killed = own.find(({ kind }) => kind === 'killed');
    const stalls = own.flatMap((line): Stall[] => {
      if (line.kind === 'stalled') return [line];
      return killed === undefined ? [] : [{ from: line.at, to: Infinity }];
    });
    all.set(worker, stalls);
  }
  return all;
}
