import { runEnsemble } from './ensemble-scenario.js';
import { runStandalone } from './standalone-scenario.js';

const USAGE = `usage: npm run simulate -- [--standalone] [--seeds N] [--from SEED] [--story] [--trace]
       SEED=n npm run simulate            one seed, with what went wrong
Runs the members of an ensemble, or with --standalone a server by itself, and clients in a simulated
world, from one seed each, and checks what the clients were told and what the members have. --story
tells what members log and what is done to them, --trace every event. Ends with status 1 at the first
seed that shows a broken promise.`;

/** What the command line asks for. */
interface Wishes {
  from: number;
  count: number;
  traces: boolean;
  tellsStory: boolean;
  isStandalone: boolean;
}

/** What came of a run, in the words that are printed. */
interface Outcome {
  readonly violations: readonly string[];
  readonly facts: string;
}

function wishes(args: readonly string[], seed: string | undefined): Wishes {
  const wanted: Wishes = {
    from: Number(seed ?? 1),
    count: seed === undefined ? 100 : 1,
    traces: false,
    tellsStory: false,
    isStandalone: false,
  };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--seeds') wanted.count = Number(args[++i]);
    else if (args[i] === '--from') wanted.from = Number(args[++i]);
    else if (args[i] === '--trace') wanted.traces = true;
    else if (args[i] === '--story') wanted.tellsStory = true;
    else if (args[i] === '--standalone') wanted.isStandalone = true;
    else throw new Error(USAGE);
  }
  if (!(wanted.count > 0) || !Number.isInteger(wanted.from)) throw new Error(USAGE);
  return wanted;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(seed: number, wanted: Wishes): Promise<Outcome> {
  const trace = wanted.traces ? { trace: print } : {};
  if (wanted.isStandalone) {
    const { answered, events, restarts, traceHash, violations } = await runStandalone({
      seed,
      ...trace,
    });
    const facts = `${answered} answers, ${restarts} starts, ${events} events, trace ${traceHash}`;
    return { violations, facts };
  }
  const story = wanted.tellsStory ? { story: print } : {};
  const result = await runEnsemble({ seed, ...trace, ...story });
  const { answered, drawn, events, lastEpoch, starts, traceHash, violations } = result;
  const facts =
    `${drawn}; ${answered} answers, ${starts} starts, ${lastEpoch} epochs, ` +
    `${events} events, trace ${traceHash}`;
  return { violations, facts };
}

async function main(): Promise<number> {
  const wanted = wishes(process.argv.slice(2), process.env.SEED);
  const { count, from, isStandalone } = wanted;
  const how = isStandalone ? '--standalone --trace' : '--story';
  const startedMs = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const { facts, violations } = await run(seed, wanted);
    if (violations.length > 0) {
      print(`seed ${seed} breaks a promise (${facts}):`);
      for (const violation of violations) print(`  ${violation}`);
      print(`Again, with what led to it: SEED=${seed} npm run simulate -- ${how}`);
      return 1;
    }
    print(`seed ${seed}: ${facts}`);
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  print(`${count} seeds kept every promise, in ${seconds} s`);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
