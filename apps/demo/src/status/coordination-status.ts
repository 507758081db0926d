import { ConfigClient, type Rollout } from '@aviary/config';
import { Leaders } from '@aviary/leader';
import { LockClient } from '@aviary/lock';
import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { BOOKS_ROLE, ORDERS_CONFIG, TILL_LOCK } from '../layout.js';

/** Who holds the lock around the till, and who waits, in the order in which they will hold it. */
export interface LockStatus {
  /** null: nobody. */
  readonly holder: string | null;
  /** Of the holder. */
  readonly token: string | null;
  readonly waiting: readonly string[];
}

/** Who leads, and who will after that. */
export interface LeaderStatus {
  /** null: nobody. */
  readonly leader: string | null;
  /** Of the leader's term. */
  readonly token: string | null;
  readonly next: readonly string[];
}

/** How far the newest configuration has come. */
export interface ConfigStatus {
  /** For people: `2 of 3 on version 4, 1 rejected: ...`. */
  readonly rollout: string;
  /** What each instance has, and what it rejected. */
  readonly instances: readonly ConfigInstance[];
}

export interface ConfigInstance {
  readonly name: string;
  /** The number of the version that it has; null: none. */
  readonly version: number | null;
  /** Why it rejected a newer one; null: it did not. */
  readonly rejected: string | null;
}

/** What the ensemble knows of the instances now. */
export interface CoordinationStatus {
  readonly lock: LockStatus;
  readonly leader: LeaderStatus;
  readonly config: ConfigStatus;
}

/** Reads from the ensemble who does what; every process that is connected sees the same. */
@Injectable()
export class Coordination {
  constructor(
    private readonly locks: LockClient,
    private readonly leaders: Leaders,
    private readonly configs: ConfigClient,
  ) {}

  /** @throws what the clients throw. It waits for as long as there is no connection. */
  async status(): Promise<CoordinationStatus> {
    const [lock, leader, config] = await Promise.all([this.lock(), this.leader(), this.config()]);
    return { lock, leader, config };
  }

  private async lock(): Promise<LockStatus> {
    const { holder, queue } = await this.locks.inspect(TILL_LOCK);
    return {
      holder: holder?.identity ?? null,
      token: holder === null ? null : String(holder.token),
      waiting: queue.map(({ identity }) => identity),
    };
  }

  private async leader(): Promise<LeaderStatus> {
    const { leader, queue } = await firstValueFrom(this.leaders.role(BOOKS_ROLE).status$);
    return {
      leader: leader?.id ?? null,
      token: leader === null ? null : String(leader.token),
      next: queue.map(({ id }) => id),
    };
  }

  private async config(): Promise<ConfigStatus> {
    return configStatusOf(await firstValueFrom(this.configs.rollout$(ORDERS_CONFIG)));
  }
}

function configStatusOf({ summary, instances }: Rollout): ConfigStatus {
  return {
    rollout: summary,
    instances: instances.map(({ identity, taken, rejected }) => ({
      name: identity,
      version: taken?.number ?? null,
      rejected: rejected?.reason ?? null,
    })),
  };
}
