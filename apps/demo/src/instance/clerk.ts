import { setTimeout as pause } from 'node:timers/promises';
import { DistributedLock, currentLease } from '@aviary/lock';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_SETTINGS, TILL_LOCK, type InstanceSettings } from './settings.js';
import { TillClient } from './till.client.js';

/** Writes of one visit. */
const BOOKINGS = 3;

/** Works at the till, which takes one at a time. */
@Injectable()
export class Clerk {
  constructor(
    private readonly till: TillClient,
    @Inject(INSTANCE_SETTINGS) private readonly settings: InstanceSettings,
  ) {}

  @DistributedLock(TILL_LOCK)
  async serve(): Promise<void> {
    const { name, holdMs, isCareless } = this.settings;
    const lease = currentLease();
    const signal = isCareless ? undefined : lease.signal;
    const visitor = { instance: name, token: lease.token, nodePath: lease.nodePath };
    let balance = await this.till.enter(visitor, signal);
    for (let booking = 0; booking < BOOKINGS; booking++) {
      await pause(holdMs / BOOKINGS, undefined, { signal });
      // In the line before the write: a process that was stopped hears of everything else too late.
      if (!isCareless) lease.assertHeld();
      await this.till.book(visitor, ++balance, signal);
    }
    await this.till.leave(visitor, signal);
  }
}
