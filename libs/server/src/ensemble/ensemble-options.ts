import type { EnsembleConfig } from '@aviary/protocol';
import type { ServerOptions } from '../options.js';

/** What a member of an ensemble is made with, beside what every server is. */
export interface EnsembleOptions extends ServerOptions {
  /** `server.N`, `group.N`, `weight.N`. The own id is `serverId`, from the file `myid`. */
  readonly ensemble: EnsembleConfig;
  /** `initLimit`: ticks that a learner may take to connect and to get the history. */
  readonly initLimitTicks: number;
  /** `syncLimit`: ticks that a learner may be silent or behind. */
  readonly syncLimitTicks: number;
  /** `electionPortBindRetry`. */
  readonly electionPortBindRetry: number;
}
