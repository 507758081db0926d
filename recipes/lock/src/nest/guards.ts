import { Marks, RunnerBinding, type RunnerMark } from '@aviary/nest';
import { LockGuard } from './lock-guard.js';
import { LockSetupError } from './lock-setup-error.js';
import { guardToken } from './lock.tokens.js';

/** How objects with guarded methods find the guard of their application. */
export const GUARDS = new RunnerBinding({
  moduleClass: 'LockModule',
  noun: 'locks',
  runner: LockGuard,
  tokenOf: guardToken,
  substitute: 'getLocksToken()',
  SetupError: LockSetupError,
});

/** The guards on methods, where these are defined. */
export const GUARD_MARKS = new Marks<RunnerMark>();
