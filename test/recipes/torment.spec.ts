import { setTimeout as sleep } from 'node:timers/promises';
import type { ZooKeeper } from '@aviary/client';
import { shareOut } from '@aviary/partition';
import { SeededRandom } from '@aviary/simulator';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fourLetterWord } from '../e2e/four-letter-word.js';
import { temporaryDirectory } from '../e2e/member-process.js';
import { Cluster, clusterName, membersAreOurs } from './cluster.js';
import { standstills, violationsOf } from './torment/checks.js';
import { Crew } from './torment/crew.js';
import { tormentMembers, tormentWorkers, type FaultTerms } from './torment/faults.js';
import { PARTS, type History, type Line, type ServerData } from './torment/history.js';
import { leftoversOf, prepareData, readData } from './torment/server-data.js';
import { disagreements } from './torment/view-checks.js';
import { nowUs } from './torment/worker/clock.js';

/**
 * A client knows that it has lost its session after two thirds of this without an answer. One at a
 * follower that its leader has lost is still answered for `syncLimit` ticks: both together are less
 * than the whole, so that holders know in time whatever happens.
 */
const SESSION_MS = 6_000;
const SETTINGS = { tickTime: 500, syncLimit: 3 };

const NAMES = ['w1', 'w2', 'w3'];
const PERMITS = 2;
const QUORUM = 2;
const ITEMS = 12;

/** After the last fault everything must go on, and come to rest, within this time. */
const RECOVERY_MS = 40_000;
const LOOK_AGAIN_MS = 100;

const { TORMENT_SEED = String(Math.floor(Math.random() * 1e9)) } = process.env;

const directory = temporaryDirectory();
let cluster: Cluster;
let zk: ZooKeeper;
let base: string;
let crew: Crew;
const cleanUps: (() => unknown)[] = [() => directory.remove()];

beforeAll(async () => {
  cluster = await Cluster.start({ isCuttable: true, settings: SETTINGS });
  cleanUps.unshift(() => cluster.stop());
  base = await cluster.freshBase();
  zk = cluster.client();
  await prepareData(zk, base, NAMES);
  const settings = { servers: cluster.servers, sessionTimeoutMs: SESSION_MS, base };
  const sizes = { permits: PERMITS, quorum: QUORUM, items: ITEMS };
  crew = new Crew(directory.path, { ...settings, ...sizes }, NAMES[0]!);
  cleanUps.unshift(() => crew.killAll());
}, 60_000);

afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
}, 60_000);

/** Resolves when there is nothing left to complain of, or with the complaints after a while. */
async function complaints(complain: () => Promise<string[]> | string[]): Promise<string[]> {
  const untilUs = nowUs() + RECOVERY_MS * 1_000;
  for (;;) {
    const found = await complain();
    if (found.length === 0 || nowUs() > untilUs) return found;
    await sleep(LOOK_AGAIN_MS);
  }
}

/** How often each part did what it does, for people. */
function deeds(lines: readonly Line[]): string {
  const count = (part: string) =>
    lines.filter((line) => line.kind === 'did' && line.part === part).length;
  return PARTS.map((part) => `${part} ${count(part)}`).join(', ');
}

/** Which errors there were, and what was in doubt, for people. */
function troubles(lines: readonly Line[]): string {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const isDoubt = 'isAmbiguous' in line && line.isAmbiguous;
    if (line.kind !== 'failed' && !isDoubt) continue;
    const what = line.kind === 'failed' ? `${line.part} ${line.error.split(':')[0]}` : 'ambiguous';
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ');
}

/** Watches of anybody, and ephemeral nodes below the base, that members still have. */
async function leftAtMembers(): Promise<string[]> {
  const { members } = cluster.members;
  const ask = async (word: string): Promise<string> =>
    (await Promise.all(members.map(({ address }) => fourLetterWord(word, address)))).join('');
  const [watches, dumps] = await Promise.all([ask('wchs'), ask('dump')]);
  const counts = [...watches.matchAll(/^Total watches:(\d+)$/gm)].map(([, count]) => Number(count));
  const sections = [...dumps.matchAll(/^Sessions with Ephemerals/gm)];
  expect([counts.length, sections.length]).toEqual([members.length, members.length]);
  return [
    ...counts.filter((count) => count > 0).map((count) => `a member has ${count} watches`),
    ...dumps.split('\n').filter((line) => line.includes(base)),
  ];
}

describe(`all recipes at once, on ${clusterName}`, () => {
  it(`keep their promises whatever is done to them (TORMENT_SEED=${TORMENT_SEED})`, async () => {
    const random = new SeededRandom(TORMENT_SEED);
    const notes: string[] = [];
    const startedAt = nowUs();
    const note = (text: string) => {
      notes.push(`${((nowUs() - startedAt) / 1e6).toFixed(1)} s: ${text}`);
    };
    const owners = shareOut(
      Array.from({ length: ITEMS }, (_, at) => String(at)),
      NAMES,
    );
    const standing = (healedAt: number) =>
      standstills({ lines: crew.lines, survivors: crew.survivors, healedAt, owners });

    for (const name of NAMES) crew.start(name);
    const atFirst = await complaints(() => standing(startedAt));
    expect(atFirst).toEqual([]);
    note('everything goes on');

    const terms = { cluster, crew, sessionTimeoutMs: SESSION_MS, note };
    const torments: ((terms: FaultTerms) => Promise<void>)[] = [tormentWorkers];
    if (membersAreOurs) torments.push(tormentMembers);
    await Promise.all(
      torments.map((torment) => torment({ ...terms, random: random.fork(torment.name) })),
    );
    const healedAt = nowUs();
    note('everything is whole');
    let slowest: string[] = [];
    await complaints(() => {
      const found = standing(healedAt);
      if (found.length > 0) slowest = found;
      return found;
    });
    note(`everything goes on, at last without: ${slowest.join(', ')}`);

    await crew.order('rest');
    note('all rest');
    const survivors = crew.survivors;
    await complaints(() => leftoversOf(zk, base));
    const data: ServerData = await readData(zk, base);
    const facts = { survivors, healedAt, data, permits: PERMITS, quorum: QUORUM, owners };
    const apart = await complaints(async () => {
      const sights = [...(await crew.sights())];
      return sights.flatMap(([name, sight]) => disagreements(name, sight, facts));
    });
    note('all agree');
    const ends = await crew.close();
    const left = membersAreOurs ? await complaints(leftAtMembers) : [];
    note('all are closed');
    const history: History = { ...facts, lines: crew.lines };
    const violations = [...violationsOf(history), ...apart, ...ends, ...left];
    const told = {
      violations,
      seed: TORMENT_SEED,
      notes,
      deeds: deeds(crew.lines),
      troubles: troubles(crew.lines),
    };
    if (violations.length > 0) console.error(told);
    if (process.env.TORMENT_TOLD !== undefined) console.log(told);
    expect(violations).toEqual([]);
  }, 200_000);
});
