import type { ModuleMetadata, Provider } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { ConfigWatchModule, type ConfigModuleOptions } from '../src/index.js';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import type { ConfigWorld, Service } from './config-world.js';

/** An application of a service, initialised: its session, ConfigWatchModule, and what is given. */
export function application(
  world: ConfigWorld,
  service: Service,
  providers: Provider[],
  options: ConfigModuleOptions = {},
  more: ModuleMetadata = {},
): Promise<TestingModule> {
  const configs = ConfigWatchModule.forRoot({ log: service.log, ...options });
  const imports = [configs, ...(more.imports ?? [])];
  return world.in(service, () => applicationOf(service, { ...more, imports, providers }));
}

/** What a promise is rejected with, as text. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return String(error);
  }
  throw new Error('the promise was not rejected');
}
