/** Counters and shared values; see README.md. */
export { AtomicCounter } from './core/atomic-counter.js';
export type { CounterChange, CounterExchange } from './core/atomic-counter.js';
export { CounterClient } from './core/counter-client.js';
export type { CounterClientOptions, CounterSettings } from './core/counter-client.js';
export {
  CounterContendedError,
  CounterFormatError,
  CounterOverflowError,
  CountersClosedError,
  VersionSpentError,
} from './core/counter-errors.js';
export { IdBlocks } from './core/id-blocks.js';
export type { IdBlock } from './core/id-blocks.js';
export { SharedValue } from './core/shared-value.js';
export type { ValueChange, VersionedValue } from './core/shared-value.js';
export type {
  CounterFeature,
  CounterModuleOptions,
  CounterOptionsFactory,
} from './nest/counter-module-options.js';
export { CounterSetupError } from './nest/counter-setup-error.js';
export { CounterModule } from './nest/counter.module.js';
export {
  getCountersToken,
  getCounterToken,
  InjectCounter,
  InjectCounters,
} from './nest/counter.tokens.js';
