import type { Clock, Disk, Log, Network, Random } from '@aviary/foundation';

/** The world that a server lives in. */
export interface ServerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly log: Log;
  /** What four-letter word `envi` tells of the machine; default: nothing. */
  readonly environment?: readonly (readonly [string, string])[];
  /** Figures of the process for `mntr`, such as open files; default: none. */
  readonly gauges?: () => [string, number][];
}
