import type { ServerLimits, ServerOptions, EnsembleOptions as MemberOptions } from '@aviary/server';

/** Options of a member that a Nest application hosts; what is absent is as in ZooKeeper. */
export interface EnsembleOptions extends Partial<Omit<ServerOptions, 'limits'>> {
  readonly limits?: Partial<ServerLimits>;

  /**
   * The servers of the ensemble, in the lines of a `zoo.cfg`: `server.N`, `group.N` and `weight.N`.
   * This one is `serverId` among them. Absent: the member stands alone.
   */
  readonly ensemble?: string | MemberOptions['ensemble'];
  /** `initLimit`: ticks that a member may take to connect to a leader and to catch up. Default: 10. */
  readonly initLimitTicks?: number;
  /** `syncLimit`: ticks that a member may be silent or behind. Default: 5. */
  readonly syncLimitTicks?: number;
  /** How often it is tried to open the election port, a second apart; 0: without end. Default: 3. */
  readonly electionPortBindRetry?: number;

  /**
   * What happens when the member can no longer keep its promises, because its disk failed. `exit`,
   * the default: the process ends with status 1, after one sentence in the log. A function is called
   * instead, with that sentence; the member serves nobody any more.
   */
  readonly onFailure?: 'exit' | ((reason: string) => void);
}
