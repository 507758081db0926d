import { describe, expect, it } from '@jest/globals';
import { violationsOf } from './checks.js';
import {
  PARTS,
  type Event,
  type History,
  type LedgerEntry,
  type LedgerName,
  type Line,
  type ServerData,
  type Sight,
} from './history.js';
import { disagreements } from './view-checks.js';

const SECOND = 1_000_000;
const HEALED_AT = 100 * SECOND;
const NO_LEDGERS: ServerData['ledgers'] = {
  mutex: [],
  readWrite: [],
  semaphore: [],
  leader: [],
  queue: [],
  barrier: [],
  partition: [],
};

/** What a history is to be, but for what nobody complains of. */
interface Doctored extends Partial<Omit<History, 'data' | 'lines'>> {
  readonly lines?: readonly Line[];
  readonly ledgers?: Partial<Record<LedgerName, readonly LedgerEntry[]>>;
  readonly data?: Partial<ServerData>;
}

/** A history of one worker, w1.0, that did everything after the last fault and closed. */
function history({ lines = [], ledgers = {}, data = {}, ...facts }: Doctored): History {
  const did = PARTS.map((part): Line => at(HEALED_AT + 1, 'w1.0', { kind: 'did', part }));
  const closed = at(HEALED_AT + 2, 'w1.0', { kind: 'closed', watches: 0, ephemerals: [] });
  return {
    lines: [...lines, ...did, closed],
    survivors: new Map([['w1', 'w1.0']]),
    healedAt: HEALED_AT,
    permits: 2,
    quorum: 2,
    owners: new Map([['0', 'w1']]),
    data: {
      count: 0,
      value: { writes: 0, version: -1, zxid: 0 },
      config: { serial: 0, version: 0, zxid: 0 },
      tree: [],
      leftovers: [],
      ...data,
      ledgers: { ...NO_LEDGERS, ...ledgers },
    },
    ...facts,
  };
}

function at(time: number, worker: string, event: Event): Line {
  return { ...event, at: time, worker };
}

/** Lines of one worker, a microsecond apart. */
function told(worker: string, ...events: readonly Event[]): Line[] {
  return events.map((event, index) => at(index + 1, worker, event));
}

/** `worker token what seen`, as an entry of a ledger. */
function entries(...texts: readonly string[]): LedgerEntry[] {
  return texts.map((text) => {
    const [worker = '', token, what = '', seen = 0] = text.split(' ');
    return { worker, token: Number(token), what, seen: Number(seen) };
  });
}

function accuse(doctored: Doctored): string[] {
  return violationsOf(history(doctored));
}

describe('I1, I2, I6: what the servers took under guards', () => {
  it('has nothing against tokens that rise', () => {
    const ledgers = {
      mutex: entries('a 1 - 1', 'a 1 - 2', 'b 2 - 3'),
      readWrite: entries('a 1 write 1', 'b 2 read 1', 'c 3 read 1', 'b 2 read 1', 'a 4 write 2'),
      semaphore: entries('a 1', 'b 2', 'a 1', 'c 3', 'b 2', 'c 3'),
      leader: entries('a 5', 'b 6'),
      barrier: entries('a 1 1', 'b 1 1', 'b 2 2'),
      partition: entries('a 9 x', 'b 4 y', 'b 11 x'),
    };
    expect(accuse({ ledgers })).toEqual([]);
  });

  it.each<readonly [LedgerName, readonly LedgerEntry[], RegExp]>([
    ['mutex', entries('a 1 - 1', 'b 2 - 2', 'a 1 - 3'), /^mutex : a wrote with 1 after b with 2$/],
    ['mutex', entries('a 1 - 1', 'b 2 - 1'), /^mutex: b wrote 1 as visit 2$/],
    ['mutex', entries('a 1 - 1', 'b 1 - 2'), /^mutex: a and b had 1$/],
    ['leader', entries('a 5', 'b 6', 'a 5'), /^leader : a wrote with 5 after b with 6$/],
    ['partition', entries('a 5 x', 'b 6 x', 'a 5 x'), /^partition x: a wrote with 5 after b/],
    ['barrier', entries('a 5 1', 'b 6 1', 'a 5 2'), /^barrier : a wrote with 5 after b with 6$/],
    ['semaphore', entries('a 1', 'b 2', 'c 3', 'a 1', 'b 2'), /^semaphore: 1, 2, 3 are out of 2/],
    ['readWrite', entries('b 2 read 0', 'a 1 write 1'), /^readWrite: a write with 1 after 2$/],
    ['readWrite', entries('b 2 write 1', 'a 1 read 1'), /^readWrite: a read with 1 after 2$/],
    [
      'readWrite',
      entries('b 2 write 1', 'a 3 read 0'),
      /^readWrite: a read 0 where 1 was written$/,
    ],
    ['readWrite', entries('b 2 write 1', 'a 3 write 1'), /^readWrite: a wrote 1 on 1$/],
  ])('finds what is wrong with the ledger of %s: %j', (ledger, found, violation) => {
    expect(accuse({ ledgers: { [ledger]: found } })).toEqual([expect.stringMatching(violation)]);
  });

  it('finds an item of a queue that a consumer wrote for after a later one', () => {
    const ledgers = { queue: entries('a 5 x', 'b 6 x', 'a 5 x') };
    const lines = told('a', { kind: 'putting', item: 'x' });
    expect(accuse({ ledgers, lines })).toEqual(['queue x: a wrote with 5 after b with 6']);
  });
});

describe('I1, I5: what holders knew', () => {
  const acquired = (token: number): Event => ({ kind: 'acquired', hold: 'mutex', what: '', token });
  const ended = (token: number): Event => ({ kind: 'ended', hold: 'mutex', what: '', token });
  const meeting = [
    at(1 * SECOND, 'a', acquired(1)),
    at(3 * SECOND, 'b', acquired(2)),
    at(4 * SECOND, 'a', ended(1)),
    at(5 * SECOND, 'b', ended(2)),
  ];

  it('finds one who held beside a later one', () => {
    expect(accuse({ lines: meeting })).toEqual([
      'mutex : a with 1 held for 1000000 us beside b with 2',
    ]);
  });

  it('pardons one who was stopped until then, or killed, and nobody else', () => {
    const stall: Event = { kind: 'stalled', from: 2 * SECOND, to: 4 * SECOND };
    expect(accuse({ lines: [...meeting, at(4 * SECOND, 'a', stall)] })).toEqual([]);
    expect(accuse({ lines: [...meeting, at(4 * SECOND, 'b', stall)] })).toHaveLength(1);
    const early: Event = { kind: 'stalled', from: 2 * SECOND, to: 3 * SECOND };
    expect(accuse({ lines: [...meeting, at(3 * SECOND, 'a', early)] })).toHaveLength(1);
    const dead = [meeting[0]!, at(2 * SECOND, 'a', { kind: 'killed' }), meeting[1]!, meeting[3]!];
    expect(accuse({ lines: dead })).toEqual([]);
  });

  it('lets readers meet, but no writer', () => {
    const meet = (hold: 'read' | 'write') =>
      meeting.map((line) =>
        line.kind === 'acquired' || line.kind === 'ended'
          ? { ...line, hold: line.worker === 'a' ? ('read' as const) : hold }
          : line,
      );
    expect(accuse({ lines: meet('read') })).toEqual([]);
    expect(accuse({ lines: meet('write') })).toHaveLength(1);
  });
});

describe('what was acknowledged and what was not', () => {
  const adding = (delta: number): Event => ({ kind: 'adding', delta });
  const added = (delta: number, before: number, isAmbiguous = false): Event => {
    return { kind: 'added', delta, before, isAmbiguous };
  };
  const sums = [
    ...told('a', adding(1), added(1, 0), adding(20), added(20, 1, true), adding(300)),
    ...told('b', adding(4_000), { kind: 'notAdded', delta: 4_000 }),
  ];

  it.each([1, 21, 301, 321])('is content with a counter of %d', (count) => {
    expect(accuse({ lines: sums, data: { count } })).toEqual([]);
  });

  it.each([0, 2, 4_001, 41])('finds that a counter of %d is wrong', (count) => {
    expect(accuse({ lines: sums, data: { count } })).toEqual([
      `counter: it has ${count}, not 1 and some of 20, 300`,
    ]);
  });

  it('finds two that changed the same number', () => {
    const lines = told('a', adding(1), added(1, 0), adding(2), added(2, 0));
    expect(accuse({ lines, data: { count: 3 } })).toEqual(['counter: two changed 0']);
  });

  it('counts writes of a value', () => {
    const written: Event = { kind: 'written', version: 0, isAmbiguous: false };
    const lines = told('a', { kind: 'writing' }, written, { kind: 'writing' });
    const value = (writes: number) => ({ value: { writes, version: writes - 1, zxid: 1 } });
    expect(accuse({ lines, data: value(1) })).toEqual([]);
    expect(accuse({ lines, data: value(2) })).toEqual([]);
    expect(accuse({ lines, data: value(3) })).toEqual([
      'value: 3 changes, where 1 are certain and 1 in doubt',
    ]);
    expect(accuse({ lines: [...lines, ...told('b', written)], data: value(2) })).toEqual([
      'value: two wrote one version',
    ]);
    const other = { value: { writes: 1, version: 3, zxid: 1 } };
    expect(accuse({ lines, data: other })).toEqual(['value: 1 writes made version 3']);
  });

  it('counts versions of a configuration', () => {
    const published: Event = { kind: 'published', serial: 1, version: 1 };
    const unknown: Event = { kind: 'notPublished', serial: 2, isCertain: false };
    const refused: Event = { kind: 'notPublished', serial: 3, isCertain: true };
    const lines = told('w9', published, unknown, refused);
    const config = (version: number) => ({ config: { serial: 1, version, zxid: 1 } });
    expect(accuse({ lines, data: config(1) })).toEqual([]);
    expect(accuse({ lines, data: config(2) })).toEqual([]);
    expect(accuse({ lines, data: config(3) })).toHaveLength(1);
    expect(accuse({ lines: [...lines, ...told('w8', published)], data: config(2) })).toEqual([
      'config: two published one version',
    ]);
  });

  it('follows the items of a queue', () => {
    const put = (item: string, isAmbiguous = false): Event => ({ kind: 'put', item, isAmbiguous });
    const putting = (item: string): Event => ({ kind: 'putting', item });
    const refused: Event = { kind: 'notPut', item: 'z' };
    const begun = ['x', 'y', 'z'].map(putting);
    const lines = told('a', ...begun, put('x'), put('y', true), refused);
    const done = (...items: string[]) => ({
      queue: items.map((what, index) => ({ worker: 'a', token: index, what, seen: 0 })),
    });
    expect(accuse({ lines, ledgers: done('x') })).toEqual([]);
    expect(accuse({ lines, ledgers: done('x', 'y') })).toEqual([]);
    expect(accuse({ lines, ledgers: done('y') })).toEqual([
      'queue: x was put, and nobody has worked on it',
    ]);
    expect(accuse({ lines, ledgers: done('x', 'z') })).toEqual([
      'queue: z was refused, and somebody has worked on it',
    ]);
    expect(accuse({ lines, ledgers: done('x', 'u') })).toEqual([
      'queue: nobody put u, and somebody has worked on it',
    ]);
  });
});

describe('I7: what is seen', () => {
  const cached = (zxid: number, mzxid: number, a: string, b: string): Event => ({
    kind: 'cached',
    zxid,
    nodes: [
      { name: 'w-a', mzxid, text: a },
      { name: 'w-b', mzxid, text: b },
    ],
  });
  const member = (czxid: number): Event => {
    return { kind: 'members', isStale: false, members: [{ id: 'w', czxid }] };
  };
  const configured = (serial: number, twin: number, zxid: number): Event => {
    return { kind: 'configured', serial, twin, zxid };
  };

  it('has nothing against what rises', () => {
    const lines = told(
      'a',
      { kind: 'counted', value: 1 },
      { kind: 'counted', value: 2 },
      { kind: 'valued', zxid: 5 },
      { kind: 'valued', zxid: 6 },
      configured(1, 1, 3),
      configured(2, 2, 4),
      cached(7, 7, 'x', 'x'),
      cached(8, 8, 'y', 'y'),
      member(1),
      member(2),
    );
    expect(accuse({ lines })).toEqual([]);
  });

  it.each<readonly [string, readonly Event[]]>([
    [
      'count: 1 after 2',
      [
        { kind: 'counted', value: 2 },
        { kind: 'counted', value: 1 },
      ],
    ],
    [
      'value: 5 after 6',
      [
        { kind: 'valued', zxid: 6 },
        { kind: 'valued', zxid: 5 },
      ],
    ],
    ['config: 3 after 4', [configured(1, 1, 4), configured(2, 2, 3)]],
    ['serial: 1 after 2', [configured(2, 2, 3), configured(1, 1, 4)]],
    ['config: 1 beside 2', [configured(1, 2, 3)]],
    ['tree: 7 after 8', [cached(8, 7, 'y', 'y'), cached(7, 7, 'y', 'y')]],
    ['tree: w-a is x beside y at 7', [cached(7, 7, 'x', 'y')]],
    ['member w of 1 after that of 2', [member(2), member(1)]],
  ])('finds %s', (violation, events) => {
    expect(accuse({ lines: told('a', ...events) })).toEqual([`a saw ${violation}`]);
  });

  it('finds a node that went back within snapshots that did not', () => {
    const lines = told('a', cached(7, 7, 'x', 'x'), cached(8, 6, 'x', 'x'));
    expect(accuse({ lines })).toEqual([
      'a saw tree: w-a of 6 after 7',
      'a saw tree: w-b of 6 after 7',
    ]);
  });

  it('finds whatever a worker sees otherwise than the servers in the end', () => {
    const sight: Sight = {
      members: ['w1.0'],
      tree: [],
      count: 0,
      valueZxid: 0,
      configZxid: 0,
      items: ['0'],
    };
    const right = history({});
    expect(disagreements('w1', sight, right)).toEqual([]);
    const wrong: readonly Partial<Sight>[] = [
      { members: ['w1.0', 'w2.0'] },
      { tree: [{ name: 'x', mzxid: 1, text: '' }] },
      { count: 1 },
      { valueZxid: 1 },
      { configZxid: 1 },
      { items: [] },
      { items: ['0', '1'] },
    ];
    for (const part of wrong) {
      expect(disagreements('w1', { ...sight, ...part }, right)).toHaveLength(1);
    }
  });
});

describe('rounds of a double barrier', () => {
  const arriving: Event = { kind: 'arriving', attempt: 1 };
  const inside = (kind: 'entered' | 'leaving' | 'left'): Event => ({ kind, attempt: 1, round: 7 });
  const gone: Event = { kind: 'gone', attempt: 1, error: 'lost' };
  /** When each of both does what. */
  const round = (one: readonly (readonly [number, Event])[], other: typeof one) => [
    ...one.map(([time, event]) => at(time * SECOND, 'a', event)),
    ...other.map(([time, event]) => at(time * SECOND, 'b', event)),
  ];
  const full = (from: number, into: number, ready: number, out: number) =>
    [
      [from, arriving],
      [into, inside('entered')],
      [ready, inside('leaving')],
      [out, inside('left')],
    ] as const;

  it('has nothing against one that all enter and leave together', () => {
    expect(accuse({ lines: round(full(1, 4, 5, 8), full(2, 3, 6, 7)) })).toEqual([]);
  });

  it('finds one that opened too early', () => {
    const violations = ['barrier: round 7 opened before 2 were there'];
    expect(accuse({ lines: round(full(1, 2, 3, 4), []) })).toEqual(violations);
    expect(accuse({ lines: round(full(1, 2, 3, 8), full(3, 4, 5, 8)) })).toEqual(violations);
    expect(accuse({ lines: round(full(1, 2, 3, 4), [[3, arriving]]) })).toEqual(violations);
  });

  it('finds one who left too early, but for those who are gone', () => {
    const early = full(1, 3, 4, 5);
    expect(accuse({ lines: round(early, full(2, 3, 6, 7)) })).toEqual([
      'barrier: a left round 7 before b had finished',
    ]);
    const lost = [...full(2, 3, 6, 7).slice(0, 2), [4.5, gone] as const];
    expect(accuse({ lines: round(early, lost) })).toEqual([]);
    const dead = [...full(2, 3, 6, 7).slice(0, 2), [4, { kind: 'killed' }] as const];
    expect(accuse({ lines: round(early, dead) })).toEqual([]);
  });
});

describe('I3, I8, I9 and progress', () => {
  it('finds what is left when all rest', () => {
    expect(accuse({ data: { leftovers: ['locks/mutex/x'] } })).toEqual([
      'rest: locks/mutex/x is still there',
    ]);
  });

  it('finds waits that were too long, but for the time in which nothing ran', () => {
    const late = at(9 * SECOND, 'a', { kind: 'late', what: 'enter', limitMs: 4_000, from: 0 });
    expect(accuse({ lines: [late] })).toEqual(['a: enter took 9000 ms of 4000 ms']);
    const stall = at(7 * SECOND, 'a', { kind: 'stalled', from: 2 * SECOND, to: 7 * SECOND });
    expect(accuse({ lines: [late, stall] })).toEqual([]);
  });

  it('finds what is left of a worker that has closed', () => {
    const { lines, ...rest } = history({});
    const without = lines.filter(({ kind }) => kind !== 'closed');
    expect(violationsOf({ ...rest, lines: without })).toEqual(['w1.0 did not close']);
    const closed = at(HEALED_AT, 'w1.0', { kind: 'closed', watches: 2, ephemerals: ['/x'] });
    expect(violationsOf({ ...rest, lines: [...without, closed] })).toEqual([
      'w1.0 left 2 watches',
      'w1.0 left /x',
    ]);
  });

  it('finds whatever does not go on after the last fault', () => {
    const expected = PARTS.filter((part) => part !== 'group' && part !== 'publish');
    expect(accuse({ healedAt: 2 * HEALED_AT })).toEqual(
      expected.map((part) => `w1.0 stands still: ${part}`),
    );
    const lines = told('w1.0', { kind: 'publishing', serial: 1 });
    const data = { config: { serial: 1, version: 1, zxid: 1 } };
    expect(accuse({ healedAt: 2 * HEALED_AT, lines, data })).toContain(
      'w1.0 stands still: publish',
    );
    const owners = new Map([['0', 'w2']]);
    expect(accuse({ healedAt: 2 * HEALED_AT, owners })).not.toContain(
      'w1.0 stands still: partition',
    );
  });
});
