import 'reflect-metadata';
import { EnsembleTransport } from '@aviary/nest';
import { ConfigurationError } from '@aviary/server';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { configured, USAGE } from './configured.js';
import { EnsembleAppModule } from './ensemble-app.module.js';

const EXIT_BAD_CONFIGURATION = 2;
const EXIT_IMPATIENT = 130;
const SIGNAL_REPEAT_MS = 1_000;

function greet(transport: EnsembleTransport, dataDir: string): void {
  const { address, listensEverywhere } = transport;
  const reach = listensEverywhere
    ? ', and on every interface: whoever reaches the port may use what no ACL protects'
    : '';
  const words = [
    `Aviary serves ZooKeeper clients at ${address}${reach}`,
    `  process  ${process.pid}`,
    `  data     ${dataDir}`,
    '',
    'Try next, in another terminal:',
    '  npm run demo                        several services that share one lock',
    `  zkCli.sh -server ${address}   any ZooKeeper client works`,
    'Stop with Ctrl-C.',
    '',
  ];
  process.stdout.write(words.join('\n'));
}

/** Ctrl-C under npm can arrive twice at once; what comes later is a person who will not wait. */
function stopAtSignals(close: () => Promise<unknown>): void {
  let toldMs: number | null = null;
  const stop = () => {
    if (toldMs !== null) {
      if (performance.now() - toldMs > SIGNAL_REPEAT_MS) process.exit(EXIT_IMPATIENT);
      return;
    }
    toldMs = performance.now();
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${sentenceOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

async function main(): Promise<void> {
  if (process.argv[2] === '--help' || process.argv[2] === '-h') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { options, warnings } = configured(process.argv.slice(2), process.env);
  const logger = new Logger('Configuration');
  for (const warning of warnings) logger.warn(warning);
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(
    EnsembleAppModule.with(options),
    {
      abortOnError: false,
      inject: [EnsembleTransport],
      useFactory: (strategy: EnsembleTransport) => ({ strategy }),
    },
  );
  stopAtSignals(() => app.close());
  const transport = app.get(EnsembleTransport);
  // Operators and tools ask a JVM for its state with this signal; it must not end a member.
  process.on('SIGQUIT', () => void report(transport));
  await app.listen();
  greet(transport, options.dataDir);
}

/** Prints what `mntr` tells, without a connection. */
async function report(transport: EnsembleTransport): Promise<void> {
  const figures = await transport.unwrap().monitor?.answerWord('mntr');
  process.stderr.write(figures ?? 'The member does not serve yet.\n');
}

/** What to do about errors of the system, by their codes. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has the port; stop it, or choose another clientPort',
  EACCES: 'this user may not; give it the directory or the port, or choose others',
  EPERM: 'this user may not; give it the directory or the port, or choose others',
  EROFS: 'the file system is read-only; choose another dataDir',
  ENOENT: 'it cannot be made there; choose another dataDir',
  ENOTDIR: 'a file stands where a directory is needed; choose another dataDir',
  ENOSPC: 'the disk is full; make room, or choose another dataDir',
  ENOTFOUND: 'no such name; correct clientPortAddress',
  EADDRNOTAVAIL: 'this machine has no such address; correct clientPortAddress',
};

/** A wrong address is a wrong setting, though only the system can tell. */
const MISTAKES = new Set(['ENOTFOUND', 'EADDRNOTAVAIL']);

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? '';
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const advice = ADVICE[codeOf(error)];
  return advice === undefined ? error.message : `${error.message}: ${advice}`;
}

main().catch((error: unknown) => {
  const isMistake = error instanceof ConfigurationError || MISTAKES.has(codeOf(error));
  const sentence = sentenceOf(error);
  process.stderr.write(`${isMistake ? 'configuration: ' : ''}${sentence}\n`);
  process.exit(isMistake ? EXIT_BAD_CONFIGURATION : 1);
});
