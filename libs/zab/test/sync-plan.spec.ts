import { describe, expect, it } from '@jest/globals';
import { zxidCounter, zxidEpoch, zxidOf, type Zxid } from '@aviary/foundation';
import fc from 'fast-check';
import { planSync, type CommittedWindow, type LogSection, type SyncPlan } from '../src/index.js';

const z = (text: string): Zxid => {
  const [epoch = 0, counter = 0] = text.split('.').map(Number);
  return zxidOf(epoch, counter);
};
const zs = (text: string): Zxid[] => text.split(' ').filter(Boolean).map(z);
const shown = (zxid: Zxid) => `${zxidEpoch(zxid)}.${zxidCounter(zxid)}`;

function windowOf(zxids: readonly Zxid[]): CommittedWindow {
  return { length: zxids.length, zxidAt: (index) => zxids[index]! };
}

/** What a look at the logs on disk yields. */
function sectionOf(log: readonly Zxid[], peer: Zxid, through: Zxid, bytes = 1): LogSection {
  const section = log.filter((zxid) => zxid <= through);
  return {
    floor: section.findLast((zxid) => zxid <= peer) ?? null,
    next: section.find((zxid) => zxid > peer) ?? null,
    last: section.at(-1) ?? -1,
    bytes,
  };
}

function textOf(plan: SyncPlan): string {
  if (plan.kind === 'snap') return 'snap';
  if (plan.kind === 'needsLog') return `needs log through ${shown(plan.through)}`;
  const range = `(${shown(plan.after)}, ${shown(plan.through)}]`;
  return `${plan.kind} ${shown(plan.zxid)} ${range}`;
}

describe.each([
  // what, learner, last processed, committed window, log on disk, expected
  ['is as far as the leader', '1.4', '1.4', '1.1 1.2 1.3 1.4', '', 'diff 1.4 (1.4, 1.4]'],
  ['is as far, and nothing was ever written', '0.0', '0.0', '', '', 'diff 0.0 (0.0, 0.0]'],
  ['is as far, the leader has begun its epoch', '1.4', '2.0', '1.3 1.4', '', 'diff 1.4 (1.4, 1.4]'],
  ['misses transactions in memory', '1.2', '1.4', '1.1 1.2 1.3 1.4', '', 'diff 1.4 (1.2, 1.4]'],
  ['misses some of two epochs', '1.2', '2.1', '1.2 1.3 2.1', '', 'diff 2.1 (1.2, 2.1]'],
  ['is ahead in the same epoch', '1.5', '1.4', '1.3 1.4', '', 'trunc 1.4 (1.4, 1.4]'],
  ['is ahead, the leader has begun its epoch', '1.5', '2.0', '1.4', '', 'trunc 1.4 (1.4, 1.4]'],
  ['is ahead of a leader without a window', '1.5', '1.4', '', '', 'trunc 1.4 (1.4, 1.4]'],
  ['has what the next epoch has not', '1.6', '2.2', '1.3 1.4 2.1 2.2', '', 'snap'],
  ['has a hole in the same epoch', '2.2', '2.4', '1.4 2.1 2.3 2.4', '', 'trunc 2.1 (2.1, 2.4]'],
  ['begins an epoch inside', '2.0', '2.2', '1.3 1.4 2.1 2.2', '', 'diff 2.2 (2.0, 2.2]'],
  ['begins an epoch that nobody wrote in', '2.0', '3.1', '1.4 3.1', '', 'diff 3.1 (2.0, 3.1]'],
  ['begins an epoch beyond the window', '3.0', '2.4', '2.3 2.4', '', 'snap'],
  ['begins an epoch beyond, with nobody since', '3.0', '4.0', '2.3 2.4', '', 'snap'],
  ['is empty and the leader is not', '0.0', '1.0', '', '', 'snap'],
  ['is empty, the window reaches back', '0.0', '1.2', '1.1 1.2', '', 'snap'],
  ['is without a database', '0.-1', '1.2', '1.1 1.2', '1.1 1.2', 'snap'],
  ['is on disk', '1.2', '1.6', '1.5 1.6', '1.1 1.2 1.3 1.4 1.5', 'diff 1.6 (1.2, 1.6]'],
  ['is the first on disk', '1.1', '1.6', '1.5 1.6', '1.1 1.2 1.3 1.4 1.5', 'diff 1.6 (1.1, 1.6]'],
  ['is before the log', '1.1', '1.6', '1.5 1.6', '1.2 1.3 1.4 1.5', 'snap'],
  ['is on disk, the log ends early', '1.2', '1.6', '1.5 1.6', '1.1 1.2 1.3', 'snap'],
  ['is the end of a log that ends early', '1.2', '1.6', '1.5 1.6', '1.1 1.2', 'snap'],
  ['has on disk a hole', '2.2', '2.6', '2.5 2.6', '2.1 2.3 2.4 2.5', 'trunc 2.1 (2.1, 2.6]'],
  ['has on disk another epoch', '1.4', '2.6', '2.5 2.6', '1.3 2.1 2.2 2.3 2.4 2.5', 'snap'],
  ['begins an epoch on disk', '2.0', '2.4', '2.3 2.4', '1.7 2.1 2.2 2.3', 'diff 2.4 (2.0, 2.4]'],
  ['begins an epoch before the log', '2.0', '2.4', '2.3 2.4', '2.1 2.2 2.3', 'snap'],
])('a learner that %s', (_, peer, lastProcessed, committed, onDisk, expected) => {
  it(`is sent ${expected}`, () => {
    const window = windowOf(zs(committed));
    const sources = { lastProcessed: z(lastProcessed), committed: window, logBytesMax: 100 };
    let plan = planSync(z(peer), { ...sources, log: undefined });
    if (plan.kind === 'needsLog') {
      const log = sectionOf(zs(onDisk), z(peer), plan.through);
      plan = planSync(z(peer), { ...sources, log });
    }
    expect(textOf(plan)).toBe(expected);
  });
});

describe('the logs on disk', () => {
  const sources = { lastProcessed: z('1.6'), committed: windowOf(zs('1.5 1.6')) };
  const log = sectionOf(zs('1.1 1.2 1.3 1.4 1.5'), z('1.2'), z('1.5'), 500);

  it('are asked for only where memory does not reach', () => {
    const plan = planSync(z('1.2'), { ...sources, log: undefined, logBytesMax: 0 });
    expect(textOf(plan)).toBe('needs log through 1.5');
    expect(textOf(planSync(z('1.5'), { ...sources, log: undefined, logBytesMax: 0 }))).toBe(
      'diff 1.6 (1.5, 1.6]',
    );
  });

  it('are not used when they are bigger than allowed, or switched off', () => {
    expect(planSync(z('1.2'), { ...sources, log, logBytesMax: 499 }).kind).toBe('snap');
    expect(planSync(z('1.2'), { ...sources, log, logBytesMax: 500 }).kind).toBe('diff');
    expect(planSync(z('1.2'), { ...sources, log, logBytesMax: 0 }).kind).toBe('diff');
    expect(planSync(z('1.2'), { ...sources, log, logBytesMax: -1 }).kind).toBe('snap');
    expect(planSync(z('1.2'), { ...sources, log: null, logBytesMax: 0 }).kind).toBe('snap');
  });
});

it('sends a snapshot to anybody where that is forced', () => {
  const committed = windowOf(zs('1.5 1.6'));
  const sources = { lastProcessed: z('1.6'), committed, log: null, logBytesMax: 0 };
  expect(planSync(z('1.6'), { ...sources, snapshotForced: true }).kind).toBe('snap');
});

/**
 * Histories as Zab makes them: each epoch begins with a part of what was there before, its leader
 * adds to that, and some servers have only the beginning of what it wrote.
 */
function historiesFrom(epochs: readonly { keeps: number; adds: number }[]): Zxid[][] {
  const histories: Zxid[][] = [[]];
  for (const [index, { keeps, adds }] of epochs.entries()) {
    const grown = [...histories[keeps % histories.length]!];
    histories.push([...grown]);
    for (let counter = 1; counter <= adds; counter++) {
      grown.push(zxidOf(index + 1, counter));
      histories.push([...grown]);
    }
  }
  return histories;
}

it('makes every history the leader\u2019s, whatever memory and disk hold', () => {
  const epochs = fc.array(fc.record({ keeps: fc.nat(40), adds: fc.nat(4) }), {
    minLength: 1,
    maxLength: 6,
  });
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(
      epochs,
      fc.nat(),
      fc.nat(),
      fc.nat(12),
      fc.nat(12),
      fc.boolean(),
      (made, leaderPick, peerPick, inMemory, onDisk, hasBegun) => {
        const histories = historiesFrom(made);
        const leader = histories[leaderPick % histories.length]!;
        const peer = histories[peerPick % histories.length]!;
        const committed = windowOf(inMemory === 0 ? [] : leader.slice(-inMemory));
        const lastProcessed = hasBegun ? zxidOf(made.length + 1, 0) : (leader.at(-1) ?? 0);
        const end = peer.at(-1) ?? 0;
        const sources = { lastProcessed, committed, logBytesMax: 0 };
        let plan = planSync(end, { ...sources, log: undefined });
        if (plan.kind === 'needsLog') {
          const logged = onDisk === 0 ? [] : leader.slice(-onDisk);
          plan = planSync(end, { ...sources, log: sectionOf(logged, end, plan.through) });
        }
        kinds.set(plan.kind, (kinds.get(plan.kind) ?? 0) + 1);
        if (plan.kind !== 'diff' && plan.kind !== 'trunc') return;
        const { kind, zxid, after, through } = plan;
        const kept = kind === 'trunc' ? peer.filter((one) => one <= zxid) : peer;
        const sent = leader.filter((one) => one > after && one <= through);
        // A cut that leaves another end than the leader asked for is refused by the learner.
        if (kind === 'trunc' && (kept.at(-1) ?? 0) !== zxid) return;
        expect([...kept, ...sent].map(shown)).toEqual(leader.map(shown));
      },
    ),
    { numRuns: 3_000, seed: 7 },
  );
  expect([...kinds.keys()].sort()).toEqual(['diff', 'snap', 'trunc']);
});
