import { ZooKeeper } from '@aviary/client';
import { ConfigWatch, type LiveConfig } from '@aviary/config';
import { LeaderCronJobs } from '@aviary/leader';
import { Controller, Get, Inject } from '@nestjs/common';
import { ORDERS_CONFIG } from '../layout.js';
import { answered } from '../status/answered.js';
import { Coordination } from '../status/coordination-status.js';
import { CLOSE_BOOKS } from './bookkeeper.js';
import type { OrdersConfig } from './orders-config.js';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';

/** `GET /status`: what this instance knows of itself, and what the ensemble knows of all. */
@Controller('status')
export class StatusController {
  @ConfigWatch(ORDERS_CONFIG)
  private readonly config!: LiveConfig<OrdersConfig>;

  constructor(
    private readonly zk: ZooKeeper,
    private readonly jobs: LeaderCronJobs,
    private readonly coordination: Coordination,
    @Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings,
  ) {}

  @Get()
  async status(): Promise<object> {
    const own = {
      instance: this.settings.name,
      process: process.pid,
      connection: this.zk.state.kind,
      orders: this.config.value,
    };
    const reading = Promise.all([this.coordination.status(), this.lastClosing()]);
    const [known, lastClosing] = await answered(reading);
    return { ...own, ...known, lastClosing };
  }

  /** The newest run of the leader's job, whoever led; null: there was none. */
  private async lastClosing(): Promise<object | null> {
    const record = await this.jobs.get(CLOSE_BOOKS)?.record();
    const [last] = record?.history ?? [];
    if (last === undefined) return null;
    const { at, by, outcome, missedSince } = last;
    return { at, by, outcome, missedSince };
  }
}
