import { Module, type ModuleMetadata, type Provider } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { getZooKeeperToken } from '@aviary/nest';
import { LockModule } from '../src/index.js';
import type { LockModuleOptions } from '../src/index.js';
import { LockWorld, type Service } from './lock-world.js';

@Module({})
class Connections {}

/** The application of a service in a simulated world: its session, LockModule, and what is given. */
export async function application(
  service: Service,
  providers: Provider[],
  options: LockModuleOptions = {},
  more: ModuleMetadata = {},
): Promise<TestingModule> {
  const { log, zk } = service;
  const note = (message: string) => log.push(message);
  const connection = { provide: getZooKeeperToken(), useValue: zk };
  const connections = {
    module: Connections,
    global: true,
    providers: [connection],
    exports: [connection],
  };
  const locks = LockModule.forRoot({ log: { info: note, warn: note, error: note }, ...options });
  const testing = Test.createTestingModule({
    ...more,
    imports: [connections, locks, ...(more.imports ?? [])],
    providers,
  });
  return await (await testing.compile()).init();
}

/** Virtual time, for services of a test: `await sleep(100)`. */
export function sleeper(service: Service): (ms: number) => Promise<void> {
  return (ms) => new Promise((resolve) => service.process.clock.setTimer(ms, resolve));
}

/** The names of the contenders for a lock; none if there is no such directory. */
export async function contenders(world: LockWorld, path: string): Promise<string[]> {
  return world.port.tree.findText(path) === -1 ? [] : world.children(path);
}
