import { setTimeout as pause } from 'node:timers/promises';
import type { ZooKeeper } from '@aviary/client';
import type { LockClient } from '@aviary/lock';
import { concatMap, type Subscription } from 'rxjs';
import type { DemoOptions } from '../command-line.js';
import { TILL_LOCK } from '../instance/settings.js';
import type { Till } from '../till/till.js';
import { InstanceProcess } from './instance-process.js';
import type { Report } from './report.js';

/** What the supervisor works with. */
export interface SupervisorParts {
  readonly zk: ZooKeeper;
  readonly locks: LockClient;
  readonly till: Till;
  readonly report: Report;
  readonly tillUrl: string;
  readonly servers: string;
}

/** An instance that could not work at the till is asked again after this time. */
const RETRY_MS = 200;

/** Starts instances, keeps each of them busy, and shows what happens. */
export class Supervisor {
  readonly instances: readonly InstanceProcess[];
  private stopping = false;
  private readonly subscriptions: Subscription[] = [];
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly parts: SupervisorParts,
    options: DemoOptions,
  ) {
    const { servers, tillUrl } = parts;
    const { sessionTimeoutMs, holdMs, isCareless } = options;
    this.instances = Array.from({ length: options.instances }, (_, index) => {
      const name = `#${index + 1}`;
      return new InstanceProcess({ name, servers, sessionTimeoutMs, tillUrl, holdMs, isCareless });
    });
  }

  /** Resolves when all instances listen. @throws {Error} One of them ended first. */
  async listening(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.listening()));
  }

  /** Lets them work; resolves when they have all ended. */
  async run(): Promise<void> {
    this.show();
    this.work = Promise.all(this.instances.map((instance) => this.keepBusy(instance)));
    await this.work;
  }

  /** Ends the instances and what goes on with them. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.instances.map((instance) => instance.stop()));
    await this.work;
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  private isStopping(): boolean {
    return this.stopping;
  }

  private show(): void {
    const { zk, locks, till, report } = this.parts;
    const queue = zk
      .watchChildren(locks.pathOf(TILL_LOCK))
      .pipe(concatMap(() => locks.inspect(TILL_LOCK)));
    this.subscriptions.push(
      queue.subscribe({
        next: (view) => report.queue(view),
        error: (error: unknown) => report.line(`the queue cannot be shown: ${String(error)}`),
      }),
      till.events$.subscribe((event) => report.till(event)),
    );
  }

  private async keepBusy(instance: InstanceProcess): Promise<void> {
    const { report } = this.parts;
    while (!this.isStopping()) {
      const problem = await instance.visit().catch(String);
      if (this.isStopping()) return;
      if (instance.end !== null)
        return report.line(`  ${instance.name} has ended: ${instance.end}`);
      if (problem === null) continue;
      report.line(`  ${instance.name} gave up: ${problem}`);
      await pause(RETRY_MS);
    }
  }
}
