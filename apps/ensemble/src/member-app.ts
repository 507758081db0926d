import { EnsembleTransport } from '@aviary/nest';
import { Logger, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import type { Configured } from './configured.js';
import { EnsembleAppModule } from './ensemble-app.module.js';

/** A member as a Nest microservice, which listens once it is told to. */
export interface MemberApp {
  readonly app: INestMicroservice;
  readonly transport: EnsembleTransport;
}

/** Makes the application, and logs what is to be said of its configuration. */
export async function memberApp({ options, warnings }: Configured): Promise<MemberApp> {
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
  return { app, transport: app.get(EnsembleTransport) };
}
