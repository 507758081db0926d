/** Barriers; see README.md. */
export { Barrier } from './core/barrier.js';
export type { BarrierOptions } from './core/barrier.js';
export {
  BarriersClosedError,
  BarrierTimeoutError,
  BarrierUnavailableError,
} from './core/barrier-errors.js';
export type { WaitFacts } from './core/barrier-errors.js';
export { Barriers } from './core/barriers.js';
export type { BarriersOptions } from './core/barriers.js';
export { DoubleBarrier } from './core/double-barrier.js';
export type { DoubleBarrierView, MemberView, RunOptions } from './core/double-barrier.js';
export { Round } from './core/round.js';
export type { WaitOptions } from './core/wait.js';
export type {
  BarrierFeature,
  BarrierFeatures,
  BarrierModuleOptions,
  BarrierOptionsFactory,
  DoubleBarrierFeature,
} from './nest/barrier-module-options.js';
export { BarrierSetupError } from './nest/barrier-setup-error.js';
export { BarrierModule } from './nest/barrier.module.js';
export {
  getBarriersToken,
  getBarrierToken,
  getDoubleBarrierToken,
  InjectBarrier,
  InjectBarriers,
  InjectDoubleBarrier,
} from './nest/barrier.tokens.js';
