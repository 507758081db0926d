import { describe, expect, it } from '@jest/globals';
import { readInt32, writeInt32 } from '@aviary/foundation';
import { entryOf, logFileOf, markOf } from './log-files.js';
import { RecoveryFixture } from './recovery-fixture.js';

// The decision table of the end of the newest log. The file holds three good records, then a broken
// one, then perhaps a whole one, and zeros.

const SECTOR = 512;
const FILE_BYTES = 16 * 1024;
const good = [entryOf(1, 100), entryOf(2, 130), entryOf(3, 80)];
/** Where the broken record starts: in the midst of a sector. */
const END = logFileOf(good).length;
/** It covers five sectors and ends in the midst of one. */
const broken = entryOf(4, 2_000);
const BROKEN_END = logFileOf([...good, broken]).length;
const behind = [entryOf(5, 700), entryOf(6, 60)];

/** Breaks the record that starts at END. */
type Breaking = (file: Uint8Array) => Uint8Array;

/** Loses whole sectors, from the one that `position` is in; what is before END was written before. */
function losing(position: number, count = 1): Breaking {
  return (file) => {
    const start = position - (position % SECTOR);
    file.fill(0, Math.max(start, END), start + count * SECTOR);
    return file;
  };
}

function flipping(position: number, bit = 0): Breaking {
  return (file) => {
    file[position]! ^= 1 << bit;
    return file;
  };
}

function setting(position: number, value: number): Breaking {
  return (file) => {
    writeInt32(file, position, value);
    return file;
  };
}

function zeroing(start: number, end: number): Breaking {
  return (file) => file.fill(0, start, end);
}

/** The process was killed in the midst of the write: it came so far. */
function stoppingAt(position: number): Breaking {
  return (file) => file.fill(0, position);
}

function endingAt(position: number): Breaking {
  return (file) => file.slice(0, position);
}

function both(first: Breaking, second: Breaking): Breaking {
  return (file) => second(first(file));
}

type Verdict = 'keep' | 'cut' | 'refuse';

/** What is done about it: without a mark; with one up to END or before; with one behind END. */
type Verdicts = readonly [unknown: Verdict, before: Verdict, after: Verdict];

const untouched: Verdicts = ['keep', 'keep', 'refuse'];
const cut: Verdicts = ['cut', 'cut', 'refuse'];
/** Records stand behind: only who knows that they were not acknowledged may cut them off. */
const cutIfKnown: Verdicts = ['refuse', 'cut', 'refuse'];
const refused: Verdicts = ['refuse', 'refuse', 'refuse'];

/**
 * Why the scan stops, and what was done to the record; how it is judged without a record behind it,
 * and with one (null: there cannot be one).
 */
type Row = readonly [
  why: string,
  what: string,
  breaking: Breaking,
  alone: Verdicts,
  followed: Verdicts | null,
];

const lostAndShort = both(losing(END + 600), endingAt(BROKEN_END - 300));

const rows: readonly Row[] = [
  ['padding', 'nothing was written', stoppingAt(END), untouched, null],
  ['padding', 'all its sectors are lost', zeroing(END, BROKEN_END), untouched, cutIfKnown],
  ['padding', 'its first sector is lost', losing(END), cut, cutIfKnown],
  ['padding', 'its prefix alone is zeros', zeroing(END, END + 12), refused, refused],
  ['incomplete', 'the file ends in its prefix', endingAt(END + 7), cut, null],
  ['incomplete', 'the file ends in its payload', endingAt(END + 700), cut, null],
  ['incomplete', 'the file ends before its end mark', endingAt(BROKEN_END - 1), cut, null],
  ['incomplete', 'a sector is lost and the file ends early', lostAndShort, cut, null],
  ['incomplete', 'its length was made to pass the end', flipping(END + 9, 4), refused, refused],
  ['badLength', 'its length was made negative', flipping(END + 8, 7), refused, refused],
  ['badLength', 'its length was made 0', setting(END + 8, 0), refused, refused],
  ['badLength', 'its length was made 31', setting(END + 8, 31), refused, refused],
  ['badLength', 'the write stopped before its length', stoppingAt(END + 8), cut, null],
  ['unterminated', 'the write stopped in its payload', stoppingAt(END + 100), cut, null],
  ['unterminated', 'the write stopped before its end mark', stoppingAt(BROKEN_END - 1), cut, null],
  ['unterminated', 'its last sector is lost', losing(BROKEN_END), cut, cutIfKnown],
  ['unterminated', 'its end mark was damaged', flipping(BROKEN_END - 1), refused, refused],
  ['unterminated', 'its length was made longer', flipping(END + 10, 3), refused, refused],
  ['unterminated', 'its length was made shorter', flipping(END + 11, 4), refused, refused],
  ['badChecksum', 'a sector in its midst is lost', losing(END + 1_000), cut, cutIfKnown],
  ['badChecksum', 'two sectors in its midst are lost', losing(END + 600, 2), cut, cutIfKnown],
  ['badChecksum', 'a bit of its payload turned over', flipping(END + 1_000, 5), refused, refused],
  ['badChecksum', 'a bit of its checksum turned over', flipping(END + 5, 2), refused, refused],
  ['badChecksum', 'zeros in it are no sector', zeroing(END + 1_000, END + 1_500), refused, refused],
];

const marks = [
  { name: 'no mark', bytes: null },
  { name: 'a mark of another log', bytes: markOf(0, 16) },
  { name: 'a mark before the end', bytes: markOf(1, 16) },
  { name: 'a mark at the end', bytes: markOf(1, END) },
  { name: 'a mark behind the end', bytes: markOf(1, END + 1) },
] as const;
/** Which of the verdicts each mark calls for. */
const verdictOfMark = [0, 0, 1, 1, 2] as const;

const cells = rows.flatMap(([why, what, breaking, alone, followed]) =>
  [false, true].flatMap((isFollowed) => {
    const verdicts = isFollowed ? followed : alone;
    if (verdicts === null) return [];
    return marks.map((mark, index) => ({
      why,
      what,
      breaking,
      isFollowed,
      mark,
      verdict: verdicts[verdictOfMark[index]!],
      name: `${why}: ${what}${isFollowed ? ', records behind' : ''}; ${mark.name}`,
    }));
  }),
);

function fileOf(breaking: Breaking, isFollowed: boolean): Uint8Array {
  const entries = isFollowed ? [...good, broken, ...behind] : [...good, broken];
  return breaking(logFileOf(entries, FILE_BYTES));
}

describe('the end of the newest log', () => {
  it('is laid out as the table says', () => {
    expect([END % SECTOR, BROKEN_END % SECTOR].every((rest) => rest > 20)).toBe(true);
    expect(readInt32(logFileOf([...good, broken]), END + 8)).toBe(2_032);
  });

  it.each(cells)('$name: $verdict', async ({ breaking, isFollowed, mark, verdict, why }) => {
    const file = fileOf(breaking, isFollowed);
    const fixture = new RecoveryFixture().put('log.1', file);
    if (mark.bytes !== null) fixture.put('durable-mark', mark.bytes);
    if (verdict === 'refuse') {
      const place = `/data/version-2/log.1 at byte ${END}: `;
      const sentence = await fixture.refusal();
      expect(sentence.startsWith(place)).toBe(true);
      expect(sentence).toMatch(mark.name.includes('behind') ? /on the disk up to/ : why);
      return;
    }
    const recovered = await fixture.recover();
    expect(recovered.lastZxid).toBe(3);
    expect(fixture.zxids).toEqual([1, 2, 3]);
    const isCut = verdict === 'cut';
    const torn = { path: '/data/version-2/log.1', offset: END, fileBytes: file.length };
    expect(recovered.tornTail).toEqual(isCut ? torn : null);
    expect(fixture.bytesOf('log.1')).toEqual(isCut ? file.slice(0, END) : file);
    expect(fixture.warnings.some((text) => text.includes('a crash had cut short'))).toBe(isCut);
    // What was cut does not come back.
    expect((await fixture.recover()).tornTail).toBeNull();
  });
});

describe('a log tail', () => {
  it('is cut for a record of several megabytes, too', async () => {
    const entries = [entryOf(1), entryOf(2, 5 << 20, 7)];
    const file = logFileOf(entries, 6 << 20);
    const lost = 4 << 20;
    file.fill(0, lost, lost + SECTOR);
    const fixture = new RecoveryFixture().put('log.1', file);
    expect((await fixture.recover()).tornTail?.offset).toBe(logFileOf([entryOf(1)]).length);
  });

  it('with a payload of zeros is not taken for a torn one', async () => {
    const entries = [entryOf(1, 5_000, 4), entryOf(2, 5_000, 8)];
    const fixture = new RecoveryFixture().put('log.1', logFileOf(entries, FILE_BYTES));
    expect(await fixture.recover()).toMatchObject({ lastZxid: 2, tornTail: null });
  });

  it('that was cut back to the header leaves a log without records', async () => {
    const file = logFileOf([entryOf(1, 2_000)], FILE_BYTES).fill(0, 1_000);
    const fixture = new RecoveryFixture().put('log.1', file);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 0, tornTail: { offset: 16 } });
    expect(fixture.bytesOf('log.1').length).toBe(16);
  });

  it.each([0, 1, 15])('of %i bytes in all is removed', async (fileBytes) => {
    const fixture = new RecoveryFixture()
      .put('log.1', logFileOf([entryOf(1)]))
      .put('log.2', logFileOf([]).slice(0, fileBytes));
    const torn = { path: '/data/version-2/log.2', offset: 0, fileBytes };
    expect(await fixture.recover()).toMatchObject({ lastZxid: 1, tornTail: torn });
    expect(fixture.names()).toEqual(['log.1']);
  });

  it.each([0, 15])('of %i bytes is not removed when there was more once', async (fileBytes) => {
    const fixture = new RecoveryFixture()
      .put('log.1', logFileOf([entryOf(1)]))
      .put('log.2', logFileOf([]).slice(0, fileBytes))
      .put('durable-mark', markOf(2, 16));
    expect(await fixture.refusal()).toMatch(/log.2 at byte 0: .*on the disk up to byte 16/);
  });
});

describe('a log that only files without transactions follow', () => {
  const torn = fileOf(losing(END + 1_000), false);
  const damaged = fileOf(flipping(END + 1_000), false);
  const empty = logFileOf([], FILE_BYTES);

  it('is judged like the newest', async () => {
    const fixture = new RecoveryFixture().put('log.1', torn).put('log.4', empty);
    expect(await fixture.recover()).toMatchObject({ lastZxid: 3, tornTail: { offset: END } });
    expect(fixture.bytesOf('log.1').length).toBe(END);
  });

  it('and is damaged is refused, before any of them is touched', async () => {
    const fixture = new RecoveryFixture()
      .put('log.1', damaged)
      .put('log.4', empty)
      .put('log.5', new Uint8Array(3));
    expect(await fixture.refusal()).toMatch(`log.1 at byte ${END}: the log is damaged here`);
  });

  it('was whole when the next was begun: the mark says so', async () => {
    const fixture = new RecoveryFixture()
      .put('log.1', torn)
      .put('log.5', empty)
      .put('durable-mark', markOf(5, 16));
    expect(await fixture.refusal()).toMatch(/everything before transaction 0x5 was on the disk/);
  });
});

describe('a log that has vanished', () => {
  it('is missed when the mark knows of records in it', async () => {
    const fixture = new RecoveryFixture()
      .put('log.1', logFileOf(good))
      .put('durable-mark', markOf(4, 500));
    const sentence = await fixture.refusal();
    expect(sentence).toMatch(/^\/data\/version-2\/log.4: this log was on the disk/);
    expect(sentence).toMatch(/remove the file \/data\/version-2\/durable-mark/);
  });

  it('is missed in an empty directory', async () => {
    const fixture = new RecoveryFixture().put('durable-mark', markOf(1, 500));
    expect(await fixture.refusal()).toMatch(/log.1: this log was on the disk/);
  });

  it('is not missed while it held nothing, nor when a snapshot covers it', async () => {
    const begun = new RecoveryFixture()
      .put('log.1', logFileOf(good))
      .put('durable-mark', markOf(4, 16));
    expect((await begun.recover()).lastZxid).toBe(3);
    const nextEpoch = new RecoveryFixture()
      .put('log.1', logFileOf(good))
      .put('durable-mark', markOf(0x1_0000_0001, 16));
    expect((await nextEpoch.recover()).lastZxid).toBe(3);
  });

  it.each([
    ['cut off', markOf(4, 500).slice(0, 27)],
    ['damaged', markOf(4, 500).map((byte, i) => (i === 20 ? byte ^ 1 : byte))],
    ['empty', new Uint8Array(0)],
  ])('is not missed by a mark that is %s', async (_what, bytes) => {
    const fixture = new RecoveryFixture().put('log.1', logFileOf(good)).put('durable-mark', bytes);
    expect((await fixture.recover()).lastZxid).toBe(3);
  });
});
