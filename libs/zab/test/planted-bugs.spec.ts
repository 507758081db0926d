import { describe, expect, it } from '@jest/globals';
import { Ensemble, FAULTS, type Fault, type ServerClass } from './model/ensemble.js';
import * as bugs from './model/planted-bugs.js';

interface Bug {
  readonly name: string;
  readonly serverClass: ServerClass;
  /** The model must convict it within so many. */
  readonly seeds: number;
  /** A bug that needs one kind of trouble much is looked for in that. */
  readonly faults?: readonly Fault[];
}

const BUGS: readonly Bug[] = [
  { name: 'acknowledges before the sync', serverClass: bugs.acknowledgesBeforeSync, seeds: 20 },
  { name: 'cuts a log too late', serverClass: bugs.cutsTooLate, seeds: 100 },
  { name: 'acknowledges NEWLEADER early', serverClass: bugs.acknowledgesNewLeaderEarly, seeds: 50 },
  { name: 'writes epochs before history', serverClass: bugs.entersEpochBeforeHistory, seeds: 50 },
  { name: 'counts those without a vote', serverClass: bugs.countsNonVoters, seeds: 20 },
  {
    name: 'does not write what it agreed to',
    serverClass: bugs.forgetsAgreement,
    seeds: 500,
    faults: FAULTS.filter((fault) => fault !== 'damage'),
  },
  { name: 'says NEWLEADER too early', serverClass: bugs.saysNewLeaderBeforeHistory, seeds: 50 },
  { name: 'keeps stale memory', serverClass: bugs.keepsStaleMemory, seeds: 200 },
  { name: 'leads who is ahead of it', serverClass: bugs.leadsWhoIsAhead, seeds: 300 },
  { name: 'answers a sync unconfirmed', serverClass: bugs.answersSyncUnconfirmed, seeds: 500 },
  {
    name: 'votes without the history that it has lost',
    serverClass: bugs.votesWithoutItsHistory,
    seeds: 50,
  },
  { name: 'applies before it has logged', serverClass: bugs.appliesBeforeLogging, seeds: 20 },
  {
    name: 'counts acknowledgements of ended connections',
    serverClass: bugs.remembersAcknowledgements,
    seeds: 500,
    faults: ['reset'],
  },
];

/** The first seed that convicts the bug, and of what. */
function convict({ serverClass, seeds, faults }: Bug): string | null {
  for (let seed = 0; seed < seeds; seed++) {
    const voters = seed % 2 === 0 ? 3 : 5;
    const shape = { voters, observers: seed % 2, nonVoters: 1, chaosMs: 2_500 };
    const only = faults === undefined ? {} : { faults };
    try {
      new Ensemble({ seed, ...shape, ...only, serverClass }).run();
    } catch (error) {
      return `seed ${seed}: ${String(error)}`;
    }
  }
  return null;
}

describe.each(BUGS)('an ensemble that $name', (bug) => {
  it(`is convicted within ${bug.seeds} seeds`, () => {
    const verdict = convict(bug);
    if (process.env.SHOW !== undefined) process.stdout.write(`${bug.name}: ${verdict ?? ''}\n`);
    expect(verdict).not.toBeNull();
  });
});
