/** Live configuration; see README.md. */
export { ConfigClient } from './core/config-client.js';
export type { Published } from './core/publisher.js';
export type {
  ConfigClientOptions,
  ConfigFormat,
  PublishOptions,
  RollbackOptions,
  WatchOptions,
} from './core/config-options.js';
export {
  ConfigClosedError,
  ConfigConflictError,
  ConfigMissingError,
  ConfigNotReadyError,
  ConfigOutcomeUnknownError,
  ConfigRejectedError,
  ConfigUnavailableError,
} from './core/config-errors.js';
export type {
  ConfigAbsence,
  ConfigIssue,
  ConfigProblem,
  ConfigRefusal,
  ConfigRejection,
  ConfigVersion,
} from './core/config-errors.js';
export type { PublishedVersion } from './core/config-history.js';
export type { TextFormat } from './core/document.js';
export { LiveConfig } from './core/live-config.js';
export type {
  ConfigChange,
  ConfigFallback,
  ConfigState,
  ReadyOptions,
} from './core/live-config.js';
export { springLayers } from './core/properties.js';
export type { Acknowledged } from './core/acknowledgement.js';
export type { Rollout, RolloutInstance } from './core/rollout.js';
export type { ConfigSchema } from './core/schema.js';
export type { ConfigPath, ConfigValues } from './nest/config-definition.js';
export { ConfigHealthIndicator } from './nest/config-health.indicator.js';
export type {
  ConfigBridge,
  ConfigFeature,
  ConfigModuleOptions,
  ConfigOptionsFactory,
} from './nest/config-module-options.js';
export { ConfigSetupError } from './nest/config-setup-error.js';
export { ConfigWatch } from './nest/config-watch.decorator.js';
export type { ConfigWatchOptions } from './nest/config-watch.decorator.js';
export { ConfigWatchModule } from './nest/config-watch.module.js';
export {
  InjectConfig,
  InjectConfigs,
  getConfigToken,
  getConfigsToken,
} from './nest/config.tokens.js';
export { OnConfigChange } from './nest/on-config-change.decorator.js';
