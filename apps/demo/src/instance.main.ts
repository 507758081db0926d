import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { InstanceModule } from './instance/instance.module.js';
import type { InstanceReady, InstanceSettings } from './instance/settings.js';

/** One instance of the service. The supervisor starts it, with its settings as the argument. */
async function main(): Promise<void> {
  let app: NestExpressApplication | null = null;
  // Without its supervisor, however that ended, an instance has nothing to do.
  process.once('disconnect', () => {
    void Promise.resolve(app?.close()).finally(() => process.exit(0));
  });
  const settings = JSON.parse(process.argv[2] ?? '') as InstanceSettings;
  app = await NestFactory.create<NestExpressApplication>(InstanceModule.with(settings), {
    logger: ['error'],
    forceCloseConnections: true,
  });
  app.enableShutdownHooks();
  // People read what the endpoints answer.
  app.set('json spaces', 2);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const ready: InstanceReady = { port };
  process.send?.(ready);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
