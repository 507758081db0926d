import { Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigurableModuleClass } from './ensemble.module-definition.js';
import { EnsembleTransport } from './ensemble.transport.js';

/**
 * Hosts a member in a Nest application: it serves before the modules that use it are initialised,
 * and stops after them.
 *
 * @example
 * imports: [EnsembleModule.forRoot({ dataDir: './data', clientPort: 2181 })]
 */
@Module({ providers: [EnsembleTransport], exports: [EnsembleTransport] })
export class EnsembleModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  constructor(private readonly transport: EnsembleTransport) {
    super();
  }

  async onModuleInit(): Promise<void> {
    await this.transport.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.transport.close();
  }
}
