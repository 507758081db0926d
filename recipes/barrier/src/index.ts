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
