import type { ServerLimits, ServerOptions } from '@aviary/server';

/** Options of a member that a Nest application hosts; what is absent is as in ZooKeeper. */
export interface EnsembleOptions extends Partial<Omit<ServerOptions, 'limits'>> {
  readonly limits?: Partial<ServerLimits>;

  /**
   * What happens when the member can no longer keep its promises, because its disk failed. `exit`,
   * the default: the process ends with status 1, after one sentence in the log. A function is called
   * instead, with that sentence; the member serves nobody any more.
   */
  readonly onFailure?: 'exit' | ((reason: string) => void);
}
