/** Live configuration; see README.md. */
export { ConfigClient } from './core/config-client.js';
export type {
  ConfigClientOptions,
  PublishOptions,
  RollbackOptions,
  WatchOptions,
} from './core/config-client.js';
export {
  ConfigClosedError,
  ConfigConflictError,
  ConfigMissingError,
  ConfigNotReadyError,
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
export type { ConfigSchema } from './core/schema.js';
