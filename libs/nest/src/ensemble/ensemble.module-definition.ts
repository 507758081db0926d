import { ConfigurableModuleBuilder, type DynamicModule, type Provider } from '@nestjs/common';
import { ConfigurationError } from '@aviary/server';
import { misplacedExtras } from '../modules/misplaced-extras.js';
import type { EnsembleOptions } from './ensemble-options.js';

/** What is said beside the options, since the module's shape depends on it. */
const EXTRAS = {
  /** Whether modules can inject what it provides without importing it. */
  isGlobal: true,
};

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: ENSEMBLE_OPTIONS } =
  new ConfigurableModuleBuilder<EnsembleOptions>({ moduleName: 'Ensemble' })
    .setClassMethodName('forRoot')
    .setExtras(EXTRAS, withExtras)
    .build();

function withExtras(definition: DynamicModule, { isGlobal }: typeof EXTRAS): DynamicModule {
  const check: Provider = {
    provide: Symbol('aviary:ensemble:extras'),
    inject: [ENSEMBLE_OPTIONS],
    useFactory: (options: EnsembleOptions | undefined): void => {
      const misplaced = misplacedExtras(options, { isGlobal });
      if (misplaced !== null) throw new ConfigurationError(`EnsembleModule: ${misplaced}`);
    },
  };
  return {
    ...definition,
    global: isGlobal,
    providers: [...(definition.providers ?? []), check],
  };
}
