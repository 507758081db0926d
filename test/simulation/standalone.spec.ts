import type { Disk, DiskFile } from '@aviary/foundation';
import { describe, expect, it } from '@jest/globals';
import { runStandalone } from './standalone-scenario.js';

/** `SEED=n` runs one seed, `SEEDS=n` so many. */
const given = process.env.SEED;
const count = Number(process.env.SEEDS ?? 6);
const seeds =
  given === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(given)];

describe('one server under faults', () => {
  it.each(seeds)('keeps its promises: SEED=%i npm run simulate -- --standalone', async (seed) => {
    const result = await runStandalone({ seed });
    expect(result.violations).toEqual([]);
    expect(result.answered).toBeGreaterThan(50);
  });

  it('does the same again from the same seed', async () => {
    const [first, second] = [await runStandalone({ seed: 1 }), await runStandalone({ seed: 1 })];
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.events).toBe(first.events);
  });
});

/** A disk on which each file passes through `change`. */
function withFiles(disk: Disk, change: (file: DiskFile) => Partial<DiskFile>): Disk {
  return {
    list: (directory) => disk.list(directory),
    makeDirectory: (directory) => disk.makeDirectory(directory),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (directory) => disk.syncDirectory(directory),
    allocate: (length) => disk.allocate(length),
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      const plain: DiskFile = {
        path: file.path,
        size: () => file.size(),
        read: (into, position) => file.read(into, position),
        write: (bytes, position) => file.write(bytes, position),
        truncate: (length) => file.truncate(length),
        sync: () => file.sync(),
        commit: (bytes, position, done) => file.commit(bytes, position, done),
        close: () => file.close(),
      };
      return { ...plain, ...change(file) };
    },
  };
}

/** Mistakes that a server could make on its disk; each must show within so many seeds. */
const mistakes: [string, number, (disk: Disk) => Disk][] = [
  [
    'acknowledges before the sync',
    5,
    (disk) =>
      withFiles(disk, (file) => ({
        commit: (bytes, position, done) => {
          // The bytes are written and the caller told at once; nothing waits for the platter.
          void file.write(bytes.slice(), position).then(() => done(null));
        },
      })),
  ],
  [
    'forgets to sync the directory of a new log',
    10,
    (disk) => ({
      ...withFiles(disk, () => ({})),
      syncDirectory: () => Promise.resolve(),
    }),
  ],
  [
    'never writes the second half of a batch',
    5,
    (disk) =>
      withFiles(disk, (file) => ({
        commit: (bytes, position, done) =>
          file.commit(bytes.slice(0, Math.ceil(bytes.length / 2)), position, done),
      })),
  ],
];

describe('the checkers', () => {
  it.each(mistakes)('find a server that %s, within %i seeds', async (_name, most, breakDisk) => {
    for (let seed = 1; seed <= most; seed++) {
      const { violations } = await runStandalone({ seed, breakDisk });
      if (violations.length > 0) return;
    }
    throw new Error(`none of ${most} seeds showed the mistake`);
  });
});
