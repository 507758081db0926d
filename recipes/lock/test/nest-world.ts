import type { ModuleMetadata, Provider } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import { LockModule } from '../src/index.js';
import type { LockModuleOptions } from '../src/index.js';
import type { LockWorld, Service } from './lock-world.js';

/** The application of a service in a simulated world: its session, LockModule, and what is given. */
export function application(
  service: Service,
  providers: Provider[],
  options: LockModuleOptions = {},
  more: ModuleMetadata = {},
): Promise<TestingModule> {
  // The default has the process id in it, so that a seed would be another world in every process.
  const identity = service.name;
  const locks = LockModule.forRoot({ log: service.log, identity, ...options });
  return applicationOf(service, { ...more, imports: [locks, ...(more.imports ?? [])], providers });
}

/** Virtual time, for services of a test: `await sleep(100)`. */
export function sleeper(service: Service): (ms: number) => Promise<void> {
  return (ms) => new Promise((resolve) => service.process.clock.setTimer(ms, resolve));
}

/** The names of the contenders for a lock; none if there is no such directory. */
export async function contenders(world: LockWorld, path: string): Promise<string[]> {
  return world.port.tree.findText(path) === -1 ? [] : world.children(path);
}
