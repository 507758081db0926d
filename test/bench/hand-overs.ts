import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ZooKeeper } from '@aviary/client';
import { LockClient } from '@aviary/lock';
import { BenchedServer } from './benched-server.js';
import { median } from './median.js';

const run = promisify(execFile);

const JARS = ['zookeeper', 'slf4j-simple', 'guava'].concat([
  'curator-recipes',
  'curator-framework',
  'curator-client',
]);
const CONTENDERS = [2, 10, 100];
const WARM_UP_MS = 2_000;
const MEASURED_MS = 3_000;
const PAIRS = 500;

/**
 * Hand-overs of one lock on one server of ours: how many in a second, beside Curator's mutex where
 * that is installed, and how long one takes beside a write and the watch event that tells of it.
 */
export async function measureHandOvers(rounds: number): Promise<void> {
  const server = await BenchedServer.aviary();
  try {
    const hosts = `127.0.0.1:${server.port}`;
    await printLatency(hosts);
    await printRates(hosts, rounds);
  } finally {
    await server.stop();
  }
}

/** Write and hand-over alternate, so that both meet the same machine. */
async function printLatency(hosts: string): Promise<void> {
  const [one, other] = [new ZooKeeper({ servers: hosts }), new ZooKeeper({ servers: hosts })];
  const [ours, next] = [new LockClient(one), new LockClient(other)];
  const events: number[] = [];
  const handOvers: number[] = [];
  await one.create('/told');
  for (let pair = 0; pair < PAIRS; pair++) {
    const { watch } = await other.getAndWatch('/told');
    events.push(await elapsedMs(() => void one.set('/told', 'x'), watch.fired));
    const lease = await ours.acquire('/handed');
    const acquiring = next.acquire('/handed');
    // It stands in the queue, and has set its watch, when its session has answered once more.
    await until(async () => (await one.children('/handed')).children.length === 2);
    await other.exists('/told');
    await other.exists('/told');
    handOvers.push(await elapsedMs(() => void lease.release(), acquiring));
    await (await acquiring).release();
  }
  await Promise.all([one.close(), other.close()]);
  const [event, handOver] = [median(events), median(handOvers)];
  process.stdout.write(
    `a write and its event ${event.toFixed(3)} ms, a hand-over ${handOver.toFixed(3)} ms: ` +
      `${(handOver / event).toFixed(2)}x\n`,
  );
}

async function printRates(hosts: string, rounds: number): Promise<void> {
  const classPath = curatorClassPath();
  const directory = mkdtempSync(join(tmpdir(), 'aviary-bench-hand-overs-'));
  try {
    if (classPath === null) process.stdout.write('Curator is not installed: no ratios.\n');
    else await run('javac', ['-cp', classPath, '-d', directory, sourceOf('HandOvers.java')]);
    for (const contenders of CONTENDERS) {
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const args = (whose: string) =>
          [hosts, `/${whose}-${contenders}-${round}`, contenders, WARM_UP_MS, MEASURED_MS].map(
            String,
          );
        const main = join(import.meta.dirname, 'lock-contenders.js');
        ours.push(Number((await run(process.execPath, [main, ...args('ours')])).stdout));
        if (classPath === null) continue;
        const java = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=off', '-cp'];
        java.push(`${classPath}:${directory}`, 'HandOvers', ...args('curator'));
        theirs.push(Number((await run('java', java)).stdout));
      }
      process.stdout.write(`${describeRates(contenders, ours, theirs)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function describeRates(
  contenders: number,
  ours: readonly number[],
  theirs: readonly number[],
): string {
  const own = median(ours);
  const row = `${contenders} contenders`.padEnd(18) + `${own.toFixed(0)} hand-overs/s`.padStart(18);
  if (theirs.length === 0) return row;
  const other = median(theirs);
  return `${row}   Curator ${other.toFixed(0).padStart(6)}   ${(own / other).toFixed(2)}x`;
}

/** From the beginning of an action until what follows from it has happened. */
async function elapsedMs(begin: () => void, outcome: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  begin();
  await outcome;
  return performance.now() - startedMs;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

/** Sources stand beside `dist`. */
function sourceOf(name: string): string {
  return join(import.meta.dirname, '..', name);
}

function curatorClassPath(): string | null {
  const jars = JARS.map((name) => `/usr/share/java/${name}.jar`);
  return jars.every((jar) => existsSync(jar)) ? jars.join(':') : null;
}
