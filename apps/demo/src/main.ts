import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { demoOptions, USAGE, UsageError, type DemoOptions } from './command-line.js';
import { findEnsemble, type EnsemblePlace } from './supervisor/ensemble-place.js';
import { Report } from './supervisor/report.js';
import { SupervisorModule } from './supervisor/supervisor.module.js';
import { Supervisor } from './supervisor/supervisor.js';
import { Till } from './till/till.js';

const EXIT_USAGE = 2;
/** People read what the endpoints answer. */
const JSON_SPACES = 2;

/** Resolves when the person at the terminal, or who else started the demo, wants it to end. */
function toldToStop(): Promise<void> {
  return new Promise((told) => {
    // Ctrl-C under npm can arrive twice, and the second must not cut the end short.
    process.on('SIGINT', () => told());
    process.on('SIGTERM', () => told());
  });
}

async function newApp(place: EnsemblePlace, options: DemoOptions): Promise<NestExpressApplication> {
  const module = SupervisorModule.with(place, options);
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: ['error'],
    abortOnError: false,
    forceCloseConnections: true,
    rawBody: true,
  });
  app.set('json spaces', JSON_SPACES);
  // An instance that was stopped for a while goes on where it was, on the same connection.
  app.getHttpServer().keepAliveTimeout = 0;
  await app.listen(0, '127.0.0.1');
  return app;
}

/** Resolves with whether the lock has done its duty. */
async function demonstrate(
  app: NestExpressApplication,
  { servers }: EnsemblePlace,
  { seconds }: DemoOptions,
  stop: Promise<void>,
): Promise<boolean> {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const tillUrl = `http://127.0.0.1:${port}`;
  const [till, report, supervisor] = [app.get(Till), app.get(Report), app.get(Supervisor)];
  let isDeserted = false;
  try {
    await Promise.race([supervisor.open(tillUrl), stop]);
    const { members, instances } = supervisor;
    report.opening({ servers, members, tillUrl, instances });
    const ends: Promise<unknown>[] = [supervisor.run().then(() => 'deserted'), stop];
    if (seconds !== null) ends.push(pause(seconds * 1_000, undefined, { ref: false }));
    isDeserted = (await Promise.race(ends)) === 'deserted';
  } finally {
    await supervisor.stop();
  }
  report.closing(till, supervisor.instances);
  return till.meetings === 0 && till.isBalanced && !isDeserted;
}

async function main(): Promise<number> {
  const options = demoOptions(process.argv.slice(2), process.env);
  const stop = toldToStop();
  const place = await findEnsemble(options);
  try {
    const app = await newApp(place, options);
    try {
      return (await demonstrate(app, place, options, stop)) ? 0 : 1;
    } finally {
      await app.close();
    }
  } finally {
    await place.own?.stop();
  }
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    const sentence = error instanceof Error ? error.message : String(error);
    const isUsage = error instanceof UsageError;
    process.stderr.write(`${sentence}\n${isUsage ? USAGE : ''}`);
    process.exit(isUsage ? EXIT_USAGE : 1);
  },
);
