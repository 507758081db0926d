import { BenchedServer, zookeeperClassPath } from './benched-server.js';
import { measureHandOvers } from './hand-overs.js';
import { prepareKeys, runLoad, type Load, type LoadResult } from './load.js';
import { median } from './median.js';

const HOST = '127.0.0.1';
const ROUNDS_DEFAULT = 3;
const USAGE = `usage: npm run bench -- [--rounds N] [--cells REGEX]
       npm run bench -- --hand-overs [--rounds N]
Measures the built server under closed-loop load, durable writes, values of 100 bytes. Where Apache
ZooKeeper is installed, it is measured in turn with it, and the ratio is printed: on a machine with
other work only the ratio means anything. With --hand-overs: a lock that changes hands, beside
Curator's mutex on the same server.`;

interface Cell {
  readonly name: string;
  readonly load: Load;
}

function cell(kind: string, readPercent: number, connections: number, depth: number): Cell {
  const times = { warmUpMs: 500, measuredMs: 2000 };
  return {
    name: `${kind} ${connections}x${depth}`,
    load: { connections, depth, readPercent, ...times },
  };
}

const CELLS: readonly Cell[] = [
  cell('get', 100, 1, 1),
  cell('get', 100, 16, 1),
  cell('get', 100, 64, 1),
  cell('get', 100, 16, 8),
  cell('get', 100, 16, 64),
  cell('set', 0, 1, 1),
  cell('set', 0, 16, 1),
  cell('set', 0, 16, 8),
  cell('set', 0, 16, 64),
  cell('mixed 90/10', 90, 16, 8),
];

function summary(results: readonly LoadResult[]): { rate: number; p50: number; p99: number } {
  return {
    rate: median(results.map((result) => result.operationsPerSecond)),
    p50: median(results.map((result) => result.latency.percentile(50))),
    p99: median(results.map((result) => result.latency.percentile(99))),
  };
}

function describeRow(
  name: string,
  ours: readonly LoadResult[],
  theirs: readonly LoadResult[],
): string {
  const own = summary(ours);
  const errors = [...ours, ...theirs].reduce((sum, result) => sum + result.errors, 0);
  const columns = [
    name.padEnd(18),
    `${Math.round(own.rate).toLocaleString('en')} ops/s`.padStart(18),
    `p50 ${own.p50.toFixed(2)} ms`.padStart(14),
    `p99 ${own.p99.toFixed(2)} ms`.padStart(14),
  ];
  if (theirs.length > 0) {
    const other = summary(theirs);
    columns.push(`ZooKeeper ${Math.round(other.rate).toLocaleString('en')}`.padStart(20));
    columns.push(`${(own.rate / other.rate).toFixed(2)}x`.padStart(9));
  }
  if (errors > 0) columns.push(` ${errors} ERRORS`);
  return columns.join('');
}

async function main(args: readonly string[]): Promise<void> {
  let rounds = ROUNDS_DEFAULT;
  let wanted = /./;
  let isOfHandOvers = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--rounds') rounds = Number(args[++i]);
    else if (args[i] === '--cells') wanted = new RegExp(args[++i] ?? '');
    else if (args[i] === '--hand-overs') isOfHandOvers = true;
    else throw new Error(USAGE);
  }
  if (isOfHandOvers) return measureHandOvers(rounds);
  const classPath = zookeeperClassPath();
  const servers = [await BenchedServer.aviary()];
  if (classPath !== null) servers.push(await BenchedServer.zookeeper(classPath));
  else process.stdout.write('Apache ZooKeeper is not installed: no ratios.\n');
  try {
    for (const { port } of servers) await prepareKeys(HOST, port);
    for (const { port } of servers) {
      // A compiler that works while the program runs has its work done before it counts.
      await runLoad(HOST, port, { ...cell('', 50, 16, 8).load, measuredMs: 4000 });
    }
    for (const { name, load } of CELLS.filter((candidate) => wanted.test(candidate.name))) {
      const results: LoadResult[][] = servers.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const [i, { port }] of servers.entries())
          results[i]?.push(await runLoad(HOST, port, load));
      }
      process.stdout.write(`${describeRow(name, results[0] ?? [], results[1] ?? [])}\n`);
    }
  } finally {
    for (const server of servers) await server.stop();
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
