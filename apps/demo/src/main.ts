import 'reflect-metadata';
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { LockClient } from '@aviary/lock';
import { EnsembleTransport } from '@aviary/nest';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { demoOptions, USAGE, UsageError, type DemoOptions } from './command-line.js';
import { findEnsemble, type EnsemblePlace } from './supervisor/ensemble-place.js';
import { Report } from './supervisor/report.js';
import { SupervisorModule } from './supervisor/supervisor.module.js';
import { Supervisor } from './supervisor/supervisor.js';
import { Till } from './till/till.js';

const EXIT_USAGE = 2;

/** Resolves when the person at the terminal, or who else started the demo, wants it to end. */
function toldToStop(): Promise<void> {
  return new Promise((told) => {
    // Ctrl-C under npm can arrive twice, and the second must not cut the end short.
    process.on('SIGINT', () => told());
    process.on('SIGTERM', () => told());
  });
}

async function newApp(place: EnsemblePlace, options: DemoOptions): Promise<INestApplication> {
  const module = SupervisorModule.with(place, options.sessionTimeoutMs);
  const app = await NestFactory.create(module, {
    logger: ['error'],
    abortOnError: false,
    forceCloseConnections: true,
  });
  // An instance that was stopped for a while goes on where it was, on the same connection.
  (app.getHttpServer() as Server).keepAliveTimeout = 0;
  await app.listen(0, '127.0.0.1');
  return app;
}

/** Resolves with whether the lock has done its duty. */
async function demonstrate(
  app: INestApplication,
  place: EnsemblePlace,
  options: DemoOptions,
  stop: Promise<void>,
): Promise<boolean> {
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  const tillUrl = `http://127.0.0.1:${port}`;
  const till = app.get(Till);
  const report = new Report();
  const servers = place.dataDir === null ? place.servers : app.get(EnsembleTransport).address;
  const parts = { zk: app.get(ZooKeeper), locks: app.get(LockClient), till, report };
  const supervisor = new Supervisor({ ...parts, tillUrl, servers }, options);
  let isDeserted = false;
  try {
    await Promise.race([supervisor.listening(), stop]);
    const whose = place.dataDir === null ? '' : ' (started for this demo)';
    report.opening(servers + whose, tillUrl, supervisor.instances);
    const ends: Promise<unknown>[] = [supervisor.run().then(() => 'deserted'), stop];
    if (options.seconds !== null) {
      ends.push(pause(options.seconds * 1_000, undefined, { ref: false }));
    }
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
    if (place.dataDir !== null) rmSync(place.dataDir, { recursive: true, force: true });
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
