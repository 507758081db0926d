import 'reflect-metadata';
import { EnsembleModule, EnsembleTransport } from '@aviary/nest';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MemberModeMessage, MemberSettings } from './supervisor/member-settings.js';

/** One member of the demo's ensemble. The supervisor starts it, with its settings as the argument. */
async function main(): Promise<void> {
  let app: INestApplicationContext | null = null;
  const stop = () => {
    void Promise.resolve(app?.close()).finally(() => process.exit(0));
  };
  // Without its supervisor, however that ended, a member has nobody to serve.
  process.once('disconnect', stop);
  process.once('SIGTERM', stop);
  // Ctrl-C reaches every process of the terminal, and instances need the ensemble until they have ended.
  process.on('SIGINT', () => undefined);
  const settings = JSON.parse(process.argv[2] ?? '') as MemberSettings;
  app = await NestFactory.createApplicationContext(EnsembleModule.forRoot(settings), {
    logger: ['error'],
    abortOnError: false,
  });
  app.get(EnsembleTransport).mode$.subscribe((mode) => {
    const message: MemberModeMessage = { mode };
    if (process.connected) process.send?.(message, () => undefined);
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
