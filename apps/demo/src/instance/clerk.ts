import { setTimeout as pause } from 'node:timers/promises';
import { ConfigWatch, type LiveConfig } from '@aviary/config';
import { DistributedLock, currentLease } from '@aviary/lock';
import { Inject, Injectable } from '@nestjs/common';
import { ORDERS_CONFIG, TILL_LOCK } from '../layout.js';
import type { OrdersConfig } from './orders-config.js';
import { INSTANCE_SETTINGS, type InstanceSettings } from './settings.js';
import { TillClient } from './till.client.js';

/** Books orders at the till, which takes one clerk at a time. */
@Injectable()
export class Clerk {
  @ConfigWatch(ORDERS_CONFIG)
  private readonly config!: LiveConfig<OrdersConfig>;

  constructor(
    private readonly till: TillClient,
    @Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings,
  ) {}

  @DistributedLock(TILL_LOCK)
  async serve(): Promise<void> {
    const { name, holdMs, isCareless } = this.settings;
    // Read once: it may change during the visit.
    const { ordersPerVisit } = this.config.value;
    const lease = currentLease();
    const signal = isCareless ? undefined : lease.signal;
    const visitor = { instance: name, token: lease.token, nodePath: lease.nodePath };
    let balance = await this.till.enter(visitor, signal);
    for (let order = 0; order < ordersPerVisit; order++) {
      await pause(holdMs / ordersPerVisit, undefined, { signal });
      // In the line before the write: a process that was stopped hears of everything else too late.
      if (!isCareless) lease.assertHeld();
      await this.till.book(visitor, ++balance, signal);
    }
    await this.till.leave(visitor, signal);
  }
}
