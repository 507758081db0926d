import { ConfigClient, type Rollout } from '@aviary/config';
import { Leaders } from '@aviary/leader';
import { LockClient } from '@aviary/lock';
import { Groups, Services, uriOf, type Member } from '@aviary/membership';
import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import {
  BOOKS_ROLE,
  INSTANCES_GROUP,
  ORDERS_CONFIG,
  ORDERS_SERVICE,
  TILL_LOCK,
} from '../layout.js';
import type { MemberFacts } from './member-facts.js';

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
  /** In ISO 8601, as the leader itself says; null: it has not said so yet. */
  readonly since: string | null;
  /** Of the leader's term. */
  readonly token: string | null;
  readonly next: readonly string[];
}

/** How far the newest configuration has come. */
export interface ConfigStatus {
  /** For people: `2 of 3 on version 4, 1 rejected: ...`. */
  readonly rollout: string;
  /** By name what each instance has, for people: `version 3, rejected: ...`. */
  readonly instances: Readonly<Record<string, string>>;
}

/** What the ensemble knows of the instances now. */
export interface CoordinationStatus {
  readonly lock: LockStatus;
  readonly leader: LeaderStatus;
  /** By name the ids of the processes of the group; null: one does not say. */
  readonly members: Readonly<Record<string, number | null>>;
  /** Where the service is found. */
  readonly service: readonly (string | null)[];
  readonly config: ConfigStatus;
}

/** Reads from the ensemble who does what; every process that is connected sees the same. */
@Injectable()
export class Coordination {
  constructor(
    private readonly locks: LockClient,
    private readonly leaders: Leaders,
    private readonly groups: Groups,
    private readonly services: Services,
    private readonly configs: ConfigClient,
  ) {}

  /** @throws what the clients throw. It waits for as long as there is no connection. */
  async status(): Promise<CoordinationStatus> {
    const [lock, members, service, config] = await Promise.all([
      this.lock(),
      this.groups.members<MemberFacts>(INSTANCES_GROUP),
      this.services.service(ORDERS_SERVICE).instances(),
      this.config(),
    ]);
    return {
      lock,
      leader: await this.leader(members),
      members: Object.fromEntries(members.map(({ id, payload }) => [id, payload?.process ?? null])),
      service: service.map((instance) => uriOf(instance)),
      config,
    };
  }

  private async lock(): Promise<LockStatus> {
    const { holder, queue } = await this.locks.inspect(TILL_LOCK);
    return {
      holder: holder?.identity ?? null,
      token: holder === null ? null : String(holder.token),
      waiting: queue.map(({ identity }) => identity),
    };
  }

  private async leader(members: readonly Member<MemberFacts>[]): Promise<LeaderStatus> {
    const { leader, queue } = await firstValueFrom(this.leaders.role(BOOKS_ROLE).status$);
    const facts = members.find(({ id }) => id === leader?.id)?.payload;
    return {
      leader: leader?.id ?? null,
      since: facts?.leadsSince ?? null,
      token: leader === null ? null : String(leader.token),
      next: queue.map(({ id }) => id),
    };
  }

  private async config(): Promise<ConfigStatus> {
    return configStatusOf(await firstValueFrom(this.configs.rollout$(ORDERS_CONFIG)));
  }
}

function configStatusOf({ summary, instances }: Rollout): ConfigStatus {
  const words = instances.map(({ identity, taken, rejected }): [string, string] => {
    const has = taken === null ? 'no version' : `version ${taken.number}`;
    return [identity, rejected === null ? has : `${has}, rejected: ${rejected.reason}`];
  });
  return { rollout: summary, instances: Object.fromEntries(words) };
}
