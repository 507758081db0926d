import { childPath } from '@aviary/foundation';
import type { Log } from '@aviary/foundation';
import type { Acl, ZooKeeper } from '@aviary/client';
import { LeaderCronJob } from '../core/cron-job.js';
import { CronStore } from '../core/cron-store.js';
import type { LeaderRole } from '../core/leader-role.js';
import type { CronMark } from './leader-marks.js';
import type { SchedulerBridge } from './scheduler-bridge.js';

/** What jobs are made of. */
export interface CronJobPorts {
  readonly zk: ZooKeeper;
  /** Where their records stand. */
  readonly root: string;
  readonly acl: readonly Acl[] | undefined;
  readonly log: Log;
}

/** A job as it was found in the application. */
export interface FoundJob {
  readonly name: string;
  readonly mark: CronMark;
  readonly role: LeaderRole;
  readonly body: ConstructorParameters<typeof LeaderCronJob>[0]['body'];
}

/** The cron jobs of the leader in an application, by their names. For operators, and for tests. */
export class LeaderCronJobs {
  private readonly ports: CronJobPorts;
  private readonly jobs = new Map<string, LeaderCronJob>();
  private readonly disabled = new Set<string>();

  /** @internal Provided by `LeaderModule`. */
  constructor(ports: CronJobPorts) {
    this.ports = ports;
  }

  /** All jobs, in the order in which they were found. */
  get all(): readonly LeaderCronJob[] {
    return [...this.jobs.values()];
  }

  /** The job of that name; undefined: there is none. */
  get(name: string): LeaderCronJob | undefined {
    return this.jobs.get(name);
  }

  /** @internal */
  add({ name, mark, role, body }: FoundJob): void {
    const { zk, root, acl, log } = this.ports;
    const { schedule, misfire, lateMs, interrupted, history } = mark;
    const store = new CronStore(zk, childPath(root, name), acl);
    const { clock } = zk;
    this.jobs.set(
      name,
      new LeaderCronJob({
        ...{ name, role, schedule, store, misfire, lateMs, interrupted, history, clock, log, body },
      }),
    );
    if (mark.isDisabled) this.disabled.add(name);
  }

  /** @internal Starts those that are not disabled, and shows all to Nest's scheduler. */
  start(scheduler: SchedulerBridge | null): void {
    for (const job of this.jobs.values()) {
      if (!this.disabled.has(job.name)) job.start();
      scheduler?.show(job);
    }
  }

  /** @internal */
  stop(): void {
    for (const job of this.jobs.values()) job.stop();
  }
}
