import { EnsembleModule } from '@aviary/nest';
import type { ServerOptions } from '@aviary/server';
import { Module, type DynamicModule } from '@nestjs/common';

/** The application: a member and nothing else. */
@Module({})
export class EnsembleAppModule {
  static with(options: ServerOptions): DynamicModule {
    return { module: EnsembleAppModule, imports: [EnsembleModule.forRoot(options)] };
  }
}
