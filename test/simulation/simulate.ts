import { runStandalone } from './standalone-scenario.js';

const USAGE = `usage: npm run simulate -- [--seeds N] [--from SEED] [--trace]
       SEED=n npm run simulate            one seed, with what went wrong
Runs a server and its clients in a simulated world, from one seed each, and checks what the clients
were told. Ends with status 1 at the first seed that shows a broken promise.`;

/** What the command line asks for. */
interface Wishes {
  from: number;
  count: number;
  traces: boolean;
}

function wishes(args: readonly string[], seed: string | undefined): Wishes {
  const wanted: Wishes = {
    from: Number(seed ?? 1),
    count: seed === undefined ? 100 : 1,
    traces: false,
  };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--seeds') wanted.count = Number(args[++i]);
    else if (args[i] === '--from') wanted.from = Number(args[++i]);
    else if (args[i] === '--trace') wanted.traces = true;
    else throw new Error(USAGE);
  }
  if (!(wanted.count > 0) || !Number.isInteger(wanted.from)) throw new Error(USAGE);
  return wanted;
}

async function main(): Promise<number> {
  const { from, count, traces } = wishes(process.argv.slice(2), process.env.SEED);
  const startedMs = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const trace = traces ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
    const result = await runStandalone({ seed, ...(trace ? { trace } : {}) });
    if (result.violations.length > 0) {
      process.stdout.write(`seed ${seed} breaks a promise:\n`);
      for (const violation of result.violations) process.stdout.write(`  ${violation}\n`);
      process.stdout.write(`Again, with every event: SEED=${seed} npm run simulate -- --trace\n`);
      return 1;
    }
    const facts = `${result.answered} answers, ${result.restarts} starts, ${result.events} events`;
    process.stdout.write(`seed ${seed}: ${facts}, trace ${result.traceHash}\n`);
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stdout.write(`${count} seeds kept every promise, in ${seconds} s\n`);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
