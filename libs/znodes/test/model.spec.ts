import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DataTree } from '../src/data-tree.js';
import { TreeLoader } from '../src/tree-loader.js';
import { fuzzySnapshot } from './model/fuzzy-snapshot.js';
import { ModelRun, type SnapshotUnderWay } from './model/model-run.js';
import { applierFor, emptyTree } from './model/packed-world.js';
import { run, type Run } from './model/steps.js';
import { bookkeepingFaults, treeText } from './model/tree-text.js';

/** How often what happened, over all runs. */
const noted = new Map<string, number>();
const note = (what: string) => noted.set(what, (noted.get(what) ?? 0) + 1);

const CREATE_CODES = [0, -8, -101, -102, -108, -110, -114, -125];

/** Every answer that a type of request has, as it is noted. */
const answers: readonly [what: string | number, codes: readonly number[]][] = [
  [1, CREATE_CODES],
  [15, CREATE_CODES],
  [19, CREATE_CODES],
  [21, [...CREATE_CODES, -6]],
  [2, [0, -8, -101, -102, -103, -111]],
  [5, [0, -8, -101, -102, -103, -125]],
  [7, [0, -8, -101, -102, -103, -114]],
  [13, [-6]],
  [14, [0, -5]],
  [20, [0, -101, -103, -111]],
  [-10, [0]],
  [-11, [0]],
  ['part', [0, -2, -6, -8, -101, -102, -103, -108, -110, -111, -114, -125]],
  ['unwatch', [0, -5, -121]],
];

const rules = [
  ...answers.flatMap(([what, codes]) => codes.map((code) => `${what} ${code}`)),
  ...[1, 2, 5, 13, 15].map((type) => `14 does ${type}`),
  ...['created', 'deleted', 'dataChanged', 'childrenChanged'].map((event) => `hears ${event}`),
  ...['broken', 'quota set', 'quota removed', 'snapshot'],
];

function modelRun({ options, steps }: Run): ModelRun {
  const model = new ModelRun(options, note);
  for (const step of steps) model.step(step);
  model.apply(Infinity);
  return model;
}

/** Loads a snapshot's body that comes in pieces of whatever size. */
function load(pieces: readonly Uint8Array[]): DataTree {
  const tree = emptyTree();
  const loader = new TreeLoader(tree, true);
  let rest = new Uint8Array(0);
  for (const piece of pieces) {
    const bytes = Buffer.concat([rest, piece]);
    rest = bytes.subarray(loader.consume(bytes, 0, bytes.length));
  }
  expect([loader.isDone, rest.length]).toEqual([true, 0]);
  return tree;
}

function replay(tree: DataTree, log: readonly Uint8Array[]): DataTree {
  const { applier } = applierFor(tree);
  for (const bytes of log) applier.apply(bytes, 0, bytes.length, 'verify');
  expect(applier.digestMismatches).toBe(0);
  return tree;
}

/** What a run ended with, the digest computed anew. */
interface Outcome {
  readonly text: string;
  readonly digest: bigint;
}

function outcomeOf(tree: DataTree): Outcome {
  tree.recomputeDigest();
  return { text: treeText(tree), digest: tree.digest.toBigInt() };
}

function expectOutcome(tree: DataTree, { text, digest }: Outcome): void {
  const outcome = outcomeOf(tree);
  expect(outcome.text).toBe(text);
  expect(outcome.digest).toBe(digest);
  expect(bookkeepingFaults(tree)).toEqual([]);
}

function checkSnapshot(
  taken: SnapshotUnderWay,
  log: readonly Uint8Array[],
  outcome: Outcome,
): void {
  const { snapshot, pieces, text, transactions } = taken;
  for (let piece = snapshot.next(); piece !== null; piece = snapshot.next()) pieces.push(piece);
  const tree = load(pieces);
  expect([treeText(tree), snapshot.zxid]).toEqual([text, transactions]);
  tree.recomputeDigest();
  expect(tree.digest.toBigInt()).toBe(snapshot.digest.toBigInt());
  tree.lastZxid = snapshot.zxid;
  expectOutcome(replay(tree, log.slice(transactions)), outcome);
  note('snapshot');
}

describe('the packed tree beside a naive one', () => {
  it('answers, changes, tells watchers and can be replayed as the specification says', () => {
    fc.assert(
      fc.property(run, (each) => {
        const model = modelRun(each);
        const { log, tree } = model.world;

        expect(tree.recomputeDigest()).toBe(true);
        const outcome = outcomeOf(tree);
        expectOutcome(replay(applierFor().tree, log), outcome);
        for (const taken of model.snapshots) checkSnapshot(taken, log, outcome);

        // What a fuzzy snapshot holds is partly newer than its zxid: the log is applied to it anyway.
        const from = each.from % (log.length + 1);
        const fuzzy = load([fuzzySnapshot(log, from, each.chance)]);
        expectOutcome(replay(fuzzy, log.slice(from)), outcome);
        // At the worst all of it is newer.
        tree.isDigestKnown = false;
        expectOutcome(replay(tree, log.slice(from)), outcome);
      }),
      { seed: 20_261_130, numRuns: 200 },
    );
  });

  it('has met every rule on the way, each at least ten times', () => {
    const seldom = rules.filter((rule) => (noted.get(rule) ?? 0) < 10);
    expect(seldom).toEqual([]);
  });
});
