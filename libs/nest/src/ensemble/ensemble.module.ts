import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { EnsembleHealthIndicator } from '../health/ensemble-health.indicator.js';
import { ZooKeeperModule } from '../zookeeper/zookeeper.module.js';
import { ConfigurableModuleClass } from './ensemble.module-definition.js';
import { EnsembleTransport } from './ensemble.transport.js';

/**
 * Hosts a member in a Nest application: it serves before the modules that use it are initialised,
 * and stops after them. Clients of it that `ZooKeeperModule` made in the same application are closed
 * before it stops.
 *
 * @example
 * imports: [EnsembleModule.forRoot({ dataDir: './data', clientPort: 2181 })]
 */
@Module({
  providers: [EnsembleTransport, EnsembleHealthIndicator],
  exports: [EnsembleTransport, EnsembleHealthIndicator],
})
export class EnsembleModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  constructor(
    private readonly transport: EnsembleTransport,
    modules: ModulesContainer,
  ) {
    super();
    transport.beforeClose((address) => closeClientsOf(address, modules));
  }

  async onModuleInit(): Promise<void> {
    await this.transport.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.transport.close();
  }
}

async function closeClientsOf(address: string, modules: ModulesContainer): Promise<void> {
  const clients = Array.from(modules.values(), ({ instance }): unknown => instance).filter(
    (instance) => instance instanceof ZooKeeperModule,
  );
  await Promise.all(
    clients.filter((client) => client.names(address)).map((client) => client.close()),
  );
}
