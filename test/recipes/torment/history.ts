/** What is held by one at a time, or by readers, or by as many as there are permits. */
export type HoldKind = 'mutex' | 'read' | 'write' | 'permit' | 'leader' | 'item';

/** Where a worker does something again and again; each is seen to go on after the last fault. */
export const PARTS = [
  'mutex',
  'readWrite',
  'semaphore',
  'leader',
  'group',
  'counter',
  'value',
  'put',
  'consume',
  'barrier',
  'publish',
  'config',
  'tree',
  'cache',
  'partition',
] as const;
export type Part = (typeof PARTS)[number];

/** Transactions are named by their zxids, as numbers: they are exact for 2^21 epochs. */
export type Token = number;

/** One node of the tree that is cached. */
export interface TreeEntry {
  readonly name: string;
  readonly mzxid: Token;
  readonly text: string;
}

/** What a worker sees, when it is asked. */
export interface Sight {
  readonly members: readonly string[];
  readonly tree: readonly TreeEntry[];
  readonly count: number;
  readonly valueZxid: Token;
  readonly configZxid: Token;
  readonly items: readonly string[];
}

/** What happens in a worker. */
export type Event =
  /** Its timers did not run: it was stopped, or there was no processor for it. Microseconds. */
  | { readonly kind: 'stalled'; readonly from: number; readonly to: number }
  /** It does one thing again and again, and has done it. */
  | { readonly kind: 'did'; readonly part: Part }
  /** An error that the recipe may have. */
  | { readonly kind: 'failed'; readonly part: Part; readonly error: string }
  /** A call that named the longest wait took longer. */
  | {
      readonly kind: 'late';
      readonly what: string;
      readonly limitMs: number;
      readonly from: number;
    }
  | {
      readonly kind: 'acquired';
      readonly hold: HoldKind;
      readonly what: string;
      readonly token: Token;
    }
  /** Told before the release, and when the signal fires. */
  | {
      readonly kind: 'ended';
      readonly hold: HoldKind;
      readonly what: string;
      readonly token: Token;
    }
  | { readonly kind: 'adding'; readonly delta: number }
  | {
      readonly kind: 'added';
      readonly delta: number;
      readonly before: number;
      readonly isAmbiguous: boolean;
    }
  | { readonly kind: 'notAdded'; readonly delta: number }
  | { readonly kind: 'counted'; readonly value: number }
  | { readonly kind: 'writing' }
  | { readonly kind: 'written'; readonly version: number; readonly isAmbiguous: boolean }
  | { readonly kind: 'notWritten' }
  | { readonly kind: 'valued'; readonly zxid: Token }
  | { readonly kind: 'putting'; readonly item: string }
  | { readonly kind: 'put'; readonly item: string; readonly isAmbiguous: boolean }
  | { readonly kind: 'notPut'; readonly item: string }
  | { readonly kind: 'publishing'; readonly serial: number }
  | { readonly kind: 'published'; readonly serial: number; readonly version: number }
  | { readonly kind: 'notPublished'; readonly serial: number; readonly isCertain: boolean }
  | {
      readonly kind: 'configured';
      readonly serial: number;
      readonly twin: number;
      readonly zxid: Token;
    }
  | { readonly kind: 'cached'; readonly zxid: Token; readonly nodes: readonly TreeEntry[] }
  | {
      readonly kind: 'members';
      readonly isStale: boolean;
      readonly members: readonly { readonly id: string; readonly czxid: Token }[];
    }
  | { readonly kind: 'arriving'; readonly attempt: number }
  | { readonly kind: 'entered'; readonly attempt: number; readonly round: Token }
  | { readonly kind: 'leaving'; readonly attempt: number; readonly round: Token }
  | { readonly kind: 'left'; readonly attempt: number; readonly round: Token }
  /** Neither entered nor left as it should: the error says why. */
  | { readonly kind: 'gone'; readonly attempt: number; readonly error: string }
  /** It holds the mutex, and gives it up later than it would. */
  | { readonly kind: 'lingering' }
  | { readonly kind: 'resting' }
  | { readonly kind: 'sight'; readonly sight: Sight }
  /** All recipes are closed; the session is not yet. */
  | {
      readonly kind: 'closed';
      readonly watches: number;
      readonly ephemerals: readonly string[];
    }
  /** Told by the test: what it does to a worker. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'killed' };

/** One event, when and where it happened. */
export type Line = Event & {
  /** Microseconds of the machine's monotonic clock, which all of its processes share. */
  readonly at: number;
  /** The process: `w2.1` is the second one that is called w2. */
  readonly worker: string;
};

/** The lines of one kind. */
export type LineOf<K extends Event['kind']> = Extract<Line, { readonly kind: K }>;

/**
 * What workers write in guarded transactions: the servers say in what order, and that the guard held.
 */
export interface LedgerEntry {
  readonly worker: string;
  readonly token: Token;
  /** The mode of a lock, an item, a round's attempt: whose order the tokens tell. */
  readonly what: string;
  /** What was read under the guard. */
  readonly seen: number;
}

export const LEDGERS = [
  'mutex',
  'readWrite',
  'semaphore',
  'leader',
  'queue',
  'barrier',
  'partition',
] as const;
export type LedgerName = (typeof LEDGERS)[number];

/** What the servers have when all workers rest. */
export interface ServerData {
  /** Each in the order in which the servers applied it. */
  readonly ledgers: Readonly<Record<LedgerName, readonly LedgerEntry[]>>;
  readonly count: number;
  readonly value: { readonly writes: number; readonly version: number; readonly zxid: Token };
  readonly config: { readonly serial: number; readonly version: number; readonly zxid: Token };
  readonly tree: readonly TreeEntry[];
  /** Nodes that should not be there any more: contenders, items, claims, dead letters. */
  readonly leftovers: readonly string[];
}

/** All that is known of one torment. */
export interface History {
  /** Of each worker in its own order. */
  readonly lines: readonly Line[];
  /** The processes that lived to the end, by their names in groups. */
  readonly survivors: ReadonlyMap<string, string>;
  /** When everything was whole again. */
  readonly healedAt: number;
  readonly data: ServerData;
  readonly permits: number;
  readonly quorum: number;
  /** Who is to have which item in the end. */
  readonly owners: ReadonlyMap<string, string>;
}

/** The lines of one kind, in order. */
export function linesOf<K extends Event['kind']>(
  lines: readonly Line[],
  ...kinds: readonly K[]
): LineOf<K>[] {
  return lines.filter((line): line is LineOf<K> =>
    (kinds as readonly string[]).includes(line.kind),
  );
}

/** The lines of each worker. */
export function byWorker<L extends Line>(lines: readonly L[]): Map<string, L[]> {
  const all = new Map<string, L[]>();
  for (const line of lines) {
    const own = all.get(line.worker);
    if (own === undefined) all.set(line.worker, [line]);
    else own.push(line);
  }
  return all;
}
