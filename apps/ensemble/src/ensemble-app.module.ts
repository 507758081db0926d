import { EnsembleModule, type EnsembleOptions } from '@aviary/nest';
import { Module, type DynamicModule } from '@nestjs/common';

/** The application: a member and nothing else. */
@Module({})
export class EnsembleAppModule {
  static with(options: EnsembleOptions): DynamicModule {
    return { module: EnsembleAppModule, imports: [EnsembleModule.forRoot(options)] };
  }
}
