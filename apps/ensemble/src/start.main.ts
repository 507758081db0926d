import 'reflect-metadata';
import { join } from 'node:path';
import { ConfigurationError, readConfiguration } from '@aviary/server';
import { configured, type Environment } from './configured.js';
import { failureOf } from './failure.js';
import { fail, runInForeground, stopAtSignals } from './foreground.js';
import {
  LocalEnsemble,
  clearFiles,
  environmentOfMembers,
  hasFiles,
} from './local/local-ensemble.js';
import { Report } from './local/report.js';
import { startOptions, USAGE, type StartOptions } from './local/start-options.js';
import { Starter } from './local/starter.js';

/** Who has an ensemble of their own starts its members one by one. */
function refuseServerLines(environment: Environment): void {
  const name = Object.keys(environment).find((key) =>
    /^AVIARY_(SERVER|GROUP|WEIGHT)_\d+$/.test(key),
  );
  if (name === undefined) return;
  throw new ConfigurationError(
    `${name} is of an ensemble of your own, and npm start makes one itself: start each of your members with node apps/ensemble/dist/main.js`,
  );
}

async function startAlone({ isFresh }: StartOptions): Promise<void> {
  const alone = await configured([], process.env);
  const { dataDir, dataLogDir } = alone.options;
  if (isFresh) await clearFiles([...new Set([dataDir, dataLogDir])]);
  else if (!hasFiles(dataDir) && hasFiles(join(dataDir, '1'))) {
    process.stdout.write(`The data of several members in ${dataDir} is left alone.\n`);
  }
  await runInForeground(alone);
}

async function startEnsemble({ members, isFresh, restarts }: StartOptions): Promise<void> {
  const { options: base } = await configured([], process.env);
  const report = new Report();
  const ensemble = new LocalEnsemble(base, members);
  const environment = environmentOfMembers(process.env);
  const [first] = ensemble.places;
  if (first === undefined) return;
  const text = ensemble.configurationOf(first);
  const { warnings } = readConfiguration({ name: 'zoo.cfg', text }, environment);
  if (isFresh) await ensemble.clear();
  ensemble.prepare();
  for (const warning of warnings) report.note(`Warning: ${warning}`);
  if (hasFiles(base.dataDir) && !hasFiles(first.dataDir)) {
    report.note(
      `${base.dataDir} has the data of a member that stands alone. It is left alone: npm start -- --members 1 serves it.`,
    );
  }
  const starter = new Starter(ensemble, environment, restarts, report);
  stopAtSignals(
    () => starter.stop(),
    () => void starter.kill(),
  );
  const failure = await starter.run();
  if (failure !== null) fail(failure);
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return;
  }
  const options = startOptions(args);
  refuseServerLines(process.env);
  await (options.members === 1 ? startAlone(options) : startEnsemble(options));
}

main().catch((error: unknown) => fail(failureOf(error)));
