import { ConfigClient, ConfigConflictError, type Published, type Rollout } from '@aviary/config';
import { Injectable } from '@nestjs/common';
import {
  distinctUntilChanged,
  filter,
  lastValueFrom,
  map,
  takeUntil,
  takeWhile,
  timer,
  type Observable,
} from 'rxjs';
import { ORDERS_CONFIG } from '../layout.js';
import { FIRST_ORDERS_CONFIG } from '../instance/orders-config.js';

/** How long it is waited for instances that say nothing; one that is dead is soon forgotten. */
const ROLLOUT_MS = 30_000;

/** Publishes configurations, and tells what the instances make of them. */
@Injectable()
export class Publisher {
  constructor(private readonly configs: ConfigClient) {}

  /** What the instances say about the newest version, in one line, whenever all have said something. */
  get settled$(): Observable<string> {
    return this.configs.rollout$(ORDERS_CONFIG).pipe(
      filter(({ pending, instances }) => pending === 0 && instances.length > 0),
      map(({ summary }) => summary),
      distinctUntilChanged(),
    );
  }

  /** Publishes the first configuration, unless there is one. */
  async begin(): Promise<void> {
    try {
      await this.configs.publish(ORDERS_CONFIG, FIRST_ORDERS_CONFIG, { expectedVersion: -1 });
    } catch (error) {
      if (!(error instanceof ConfigConflictError)) throw error;
    }
  }

  /**
   * Publishes without asking a schema, as a hasty person would; `publish` of `ConfigClient` takes one.
   *
   * @returns What the instances say, in one line.
   */
  async publish(value: unknown): Promise<string> {
    return outcomeOf(await this.configs.publish(ORDERS_CONFIG, value));
  }

  /** Publishes the version before again. @returns as {@link publish}. */
  async rollBack(): Promise<string> {
    return outcomeOf(await this.configs.rollback(ORDERS_CONFIG));
  }
}

/** The last word of the instances, or how far they have come in time. */
function outcomeOf({ rollout$ }: Published): Promise<string> {
  const words = rollout$.pipe(
    takeWhile(({ pending }: Rollout) => pending > 0, true),
    takeUntil(timer(ROLLOUT_MS)),
    map(({ summary }) => summary),
  );
  return lastValueFrom(words, { defaultValue: 'the instances say nothing' });
}
