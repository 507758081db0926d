import { describe, expect, it } from '@jest/globals';
import type { Disk } from '@aviary/foundation';
import type { DiskRule } from '@aviary/simulator';
import { deaths, play, type CrashPlan, type RunReport, type Scenario } from './crash-scenario.js';
import { CommitWithoutSync, DeafToErrors, NoDirectorySync, NoFileSync } from './lying-disks.js';
import { restarts, snapshots } from './scenarios.js';

// Every operation of the disk in a scenario is a place where the power goes, the process dies or
// the disk fails. What was acknowledged must come back, by itself, each time.

const SEED = 1;
/** Everyday tests stop at some operations; CI, with CRASH_STRIDE=1, at each. */
const STRIDE = Number(process.env.CRASH_STRIDE ?? 7);
const TIMEOUT_MS = 120_000;

/** A run and what went wrong in it, in words. */
interface Played extends RunReport {
  readonly fault: string;
}

async function playedWith(scenario: Scenario, fault: string, plan: CrashPlan): Promise<Played> {
  return { ...(await play(scenario, plan)), fault };
}

async function* crashesIn(scenario: Scenario, stride = 1): AsyncGenerator<Played> {
  const { operations } = await play(scenario, { seed: SEED });
  for (let at = 1; at <= operations; at += stride) {
    for (const death of deaths) {
      // A second crash meets the recovery from the first at each of its operations.
      const plan = { seed: SEED, crash: { at, death }, crashAgainAfter: (at % 40) + 1 };
      yield playedWith(scenario, `${death} operation ${at}`, plan);
    }
  }
}

async function* errorsIn(scenario: Scenario, code: string, stride = 1): AsyncGenerator<Played> {
  const { operations } = await play(scenario, { seed: SEED });
  for (let at = 1; at <= operations; at += stride) {
    const rule: DiskRule = {
      on: ({ number }) => number === at,
      action: { kind: 'fail', code },
    };
    yield playedWith(scenario, `${code} at operation ${at}`, { seed: SEED, rules: [rule] });
  }
}

async function* fullDisksIn(scenario: Scenario): AsyncGenerator<Played> {
  for (let capacityBytes = 0; capacityBytes <= 48 * 1024; capacityBytes += 1_536) {
    yield playedWith(scenario, `room for ${capacityBytes} bytes`, { seed: SEED, capacityBytes });
  }
}

async function expectKept(runs: AsyncIterable<Played>): Promise<Played[]> {
  const broken: string[] = [];
  const all: Played[] = [];
  for await (const run of runs) {
    broken.push(...run.violations.map((violation) => `${run.fault}: ${violation}`));
    all.push(run);
  }
  expect(broken).toEqual([]);
  return all;
}

describe.each([
  { name: 'starts and stops', scenario: restarts },
  { name: 'snapshots and purges', scenario: snapshots },
])('$name', ({ scenario }) => {
  it('keep their rules when nothing goes wrong', async () => {
    const report = await play(scenario, { seed: SEED });
    expect(report.violations).toEqual([]);
    expect(report.operations).toBeGreaterThan(150);
    expect(report.acknowledged).toBeGreaterThan(20);
  });

  it(
    'come back from a crash at any operation, and from one soon after',
    async () => {
      const reports = await expectKept(crashesIn(scenario, STRIDE));
      expect(reports.some(({ tornTails }) => tornTails > 0)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it.each(['EIO', 'ENOSPC'])(
    'come back from %s at any operation',
    async (code) => {
      await expectKept(errorsIn(scenario, code, STRIDE));
    },
    TIMEOUT_MS,
  );

  it(
    'come back when the disk was full',
    async () => {
      const reports = await expectKept(fullDisksIn(scenario));
      const acknowledged = reports.map((report) => report.acknowledged);
      expect(Math.max(...acknowledged)).toBeGreaterThan(Math.min(...acknowledged));
    },
    TIMEOUT_MS,
  );
});

/** Plays until a rule is broken; whether one was. */
async function isConvicted(
  wrap: (disk: Disk) => Disk,
  runsOf: (scenario: Scenario) => AsyncIterable<Played>,
): Promise<boolean> {
  for (const scenario of [restarts, snapshots]) {
    for await (const { violations } of runsOf({ ...scenario, wrap })) {
      if (violations.length > 0) return true;
    }
  }
  return false;
}

describe('these rules convict storage that', () => {
  it.each([
    ['does not sync directories', NoDirectorySync],
    ['does not sync files', NoFileSync],
    ['writes records without a sync', CommitWithoutSync],
  ])('%s', async (_what, Lying) => {
    expect(
      await isConvicted(
        (disk) => new Lying(disk),
        (scenario) => crashesIn(scenario),
      ),
    ).toBe(true);
  });

  it('takes a failed sync for a good one', async () => {
    const wrap = (disk: Disk) => new DeafToErrors(disk);
    expect(await isConvicted(wrap, (scenario) => errorsIn(scenario, 'EIO'))).toBe(true);
  });
});
