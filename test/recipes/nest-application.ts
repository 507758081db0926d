import { getZooKeeperToken } from '@aviary/nest';
import { Module, type ModuleMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import type { Service } from './recipe-world.js';

@Module({})
class Connections {}

/** A Nest application, initialised, whose connection is the client of a service in a simulated world. */
export async function applicationOf(
  { zk }: Service,
  metadata: ModuleMetadata,
): Promise<TestingModule> {
  const connection = { provide: getZooKeeperToken(), useValue: zk };
  const connections = {
    module: Connections,
    global: true,
    providers: [connection],
    exports: [connection],
  };
  const imports = [connections, ...(metadata.imports ?? [])];
  const testing = Test.createTestingModule({ ...metadata, imports });
  return await (await testing.compile()).init();
}
