import type { Duration } from '@aviary/nest';
import type { LeadersOptions } from '../core/leaders.js';

/** How an application leads. Everything has a default. */
export interface LeaderModuleOptions extends Omit<LeadersOptions, 'graceMs'> {
  /** How long work may go on after its term, at the shutdown too. Default: 5 seconds. */
  readonly grace?: Duration | undefined;
  /**
   * Whether this process takes part for the roles that its methods are marked with. Default: true.
   * False: it only observes, and methods of the leader do not run here, until `campaign` of a role is
   * called; `whenLeading` alone rejects with NotCampaigningError.
   */
  readonly campaign?: boolean | undefined;
  /** Where the records of cron jobs stand. Default: `/leader-cron`, with `-<name>` if it has one. */
  readonly cronRoot?: string | undefined;
}

/** Made by a class that is given to `LeaderModule.forRootAsync` as `useClass`. */
export interface LeaderOptionsFactory {
  createLeaderOptions(): LeaderModuleOptions | Promise<LeaderModuleOptions>;
}
