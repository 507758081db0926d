import type { ModuleMetadata, Provider } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { LeaderModule } from '../src/index.js';
import type { LeaderModuleOptions } from '../src/index.js';
import type { Service } from './leader-world.js';

/** The application of a service in a simulated world: its session, LeaderModule, and what is given. */
export function application(
  service: Service,
  providers: Provider[],
  options: LeaderModuleOptions = {},
  more: ModuleMetadata = {},
): Promise<TestingModule> {
  const leaders = LeaderModule.forRoot({ log: service.log, identity: service.name, ...options });
  return applicationOf(service, {
    ...more,
    imports: [leaders, ...(more.imports ?? [])],
    providers,
  });
}

/** Virtual time, for services of a test: `await sleep(100)`. */
export function sleeper(service: Service): (ms: number) => Promise<void> {
  return (ms) => new Promise((resolve) => service.process.clock.setTimer(ms, resolve));
}
