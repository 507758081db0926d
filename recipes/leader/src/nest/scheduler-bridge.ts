import type { ModuleRef } from '@nestjs/core';
import type { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import type { LeaderCronJob } from '../core/cron-job.js';
import { LeaderSetupError } from './leader-setup-error.js';

/** Shows jobs of the leader in the registry of `@nestjs/schedule`, where that is in the application. */
export class SchedulerBridge {
  private readonly registry: SchedulerRegistry;

  private constructor(registry: SchedulerRegistry) {
    this.registry = registry;
  }

  /** null: the package is not installed, or its module not imported. */
  static async find(moduleRef: ModuleRef): Promise<SchedulerBridge | null> {
    try {
      const { SchedulerRegistry: token } = await import('@nestjs/schedule');
      return new SchedulerBridge(moduleRef.get(token, { strict: false }));
    } catch {
      return null;
    }
  }

  /** @throws {LeaderSetupError} The name is taken by another job. */
  show(job: LeaderCronJob): void {
    const { name } = job;
    if (this.registry.doesExist('cron', name)) {
      throw new LeaderSetupError(
        `@LeaderCron() has the name "${name}" of another job in Nest's scheduler; give it a \`name\``,
      );
    }
    this.registry.addCronJob(name, new ShownJob(job));
  }
}

/**
 * A job of the leader as Nest's scheduler knows jobs: it can be looked at, started, stopped and fired. It
 * has no timer of its own; the leader's job decides when it fires.
 */
class ShownJob extends CronJob {
  private readonly job: LeaderCronJob;

  constructor(job: LeaderCronJob) {
    const { expression, timeZone } = job.schedule;
    super(expression, () => void job.fireNow().catch(() => undefined), null, false, timeZone);
    this.job = job;
    this.name = job.name;
  }

  override get isActive(): boolean {
    return this.job.isStarted;
  }

  override start(): void {
    this.job.start();
  }

  override stop(): undefined {
    this.job.stop();
  }

  /** Fires now, if this process leads. */
  override async fireOnTick(): Promise<void> {
    await this.job.fireNow();
  }
}
