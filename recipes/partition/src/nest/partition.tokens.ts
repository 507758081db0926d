import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The runner of a module, inside that module. */
export const LOCAL_RUNNER = Symbol('aviary:partitions:runner');

/** The token under which `Partitions` are provided, for `inject: [...]` and for tests. */
export function getPartitionsToken(name: string = DEFAULT_MODULE): string {
  return `aviary:partitions:${name}`;
}

/**
 * Injects the `Partitions` of a `PartitionModule`. For the one without a name the class will do as
 * well: `constructor(private readonly partitions: Partitions)`.
 */
export function InjectPartitions(name?: string): ReturnType<typeof Inject> {
  return Inject(getPartitionsToken(name));
}

/** The token of what runs marked methods. */
export function runnerToken(name: string): string {
  return `aviary:partition-runner:${name}`;
}
