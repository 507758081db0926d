import { RunnerBinding, type MethodRunner } from '@aviary/nest';
import { PartitionSetupError } from './partition-setup-error.js';
import { runnerToken } from './partition.tokens.js';

/**
 * Stands for the `PartitionModule` of an application in the objects with marked methods: where
 * there is none, Nest cannot make them, and does not start. The module itself runs the methods.
 */
export class PartitionRunner implements MethodRunner {
  isEnded = false;
}

/** How objects with marked methods find the runner of their application. */
export const RUNNERS = new RunnerBinding({
  moduleClass: 'PartitionModule',
  noun: 'partitions',
  runner: PartitionRunner,
  tokenOf: runnerToken,
  substitute: 'getPartitionsToken()',
  SetupError: PartitionSetupError,
});
