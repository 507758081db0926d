import 'reflect-metadata';
import { configured, USAGE } from './configured.js';
import { failureOf } from './failure.js';
import { fail, runInForeground } from './foreground.js';

async function main(): Promise<void> {
  if (process.argv[2] === '--help' || process.argv[2] === '-h') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  await runInForeground(await configured(process.argv.slice(2), process.env));
}

main().catch((error: unknown) => fail(failureOf(error)));
