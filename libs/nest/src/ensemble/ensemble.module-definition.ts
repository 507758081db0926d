import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { EnsembleOptions } from './ensemble-options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: ENSEMBLE_OPTIONS } =
  new ConfigurableModuleBuilder<EnsembleOptions>({ moduleName: 'Ensemble' })
    .setClassMethodName('forRoot')
    .setExtras({ isGlobal: true }, (definition, extras) => ({
      ...definition,
      global: extras.isGlobal,
    }))
    .build();
