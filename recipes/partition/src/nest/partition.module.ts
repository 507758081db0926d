import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import { requireOneObject, type FoundMark, type RecipeSetup } from '@aviary/nest';
import { fromEvent, isObservable, lastValueFrom, takeUntil } from 'rxjs';
import type { Partition } from '../core/partition.js';
import { Partitions } from '../core/partitions.js';
import type { OwnItem } from '../core/share.js';
import type { PartitionModuleOptions } from './partition-module-options.js';
import { RUNNERS, type PartitionRunner } from './partition-runner.js';
import { PartitionSetupError } from './partition-setup-error.js';
import {
  ConfigurableModuleClass,
  SETUP,
  type OPTIONS_TYPE,
} from './partition.module-definition.js';
import { LOCAL_RUNNER, getPartitionsToken } from './partition.tokens.js';
import { PARTITIONED_MARKS, type PartitionedMark } from './partitioned.decorator.js';

/** A marked method with its object. */
interface Job {
  readonly mark: PartitionedMark;
  readonly own: OwnItem;
}

/**
 * Shared items for the whole application: `@Partitioned()` on methods, and `Partitions` to inject.
 * It takes the session of a `ZooKeeperModule`.
 *
 * It joins the groups of marked methods in `onApplicationBootstrap`, in the background. In
 * `onModuleDestroy` it leaves them: the signals abort. `beforeApplicationShutdown` waits until the
 * methods have ended, or their grace is over.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), PartitionModule.forRoot()]
 */
@Module({})
export class PartitionModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<PartitionModuleOptions>;
  private readonly jobs: Job[] = [];
  private leaving: Promise<void> | null = null;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<PartitionModuleOptions> | undefined,
    @Optional() @Inject(LOCAL_RUNNER) private readonly runner: PartitionRunner,
    private readonly moduleRef: ModuleRef,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new PartitionSetupError(
        'import PartitionModule.forRoot(...), not the class PartitionModule',
      );
    }
    this.setup = setup;
    setup.durationMs('grace');
    setup.durationMs('settle');
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  onModuleInit(): void {
    const { setup } = this;
    setup.refuseSecondOfName();
    const names = { own: setup.name, all: setup.names() };
    RUNNERS.bindAll(this.discovery, names, this.runner);
    const labels = new Map<string, string>();
    for (const found of PARTITIONED_MARKS.find(this.discovery)) {
      const { value: mark, label } = found;
      if (mark.module !== setup.name) continue;
      const object = requireOneObject(found, '@Partitioned()', PartitionSetupError);
      const before = labels.get(mark.group);
      if (before !== undefined) {
        throw new PartitionSetupError(
          `@Partitioned() on ${label} has the group "${mark.group}" of that on ${before}: ` +
            'give one of them another group',
        );
      }
      labels.set(mark.group, label);
      this.jobs.push({ mark, own: ownerOf(object, found) });
    }
  }

  onApplicationBootstrap(): void {
    const { setup } = this;
    const partitions = this.partitions();
    for (const { mark, own } of this.jobs) {
      const graceMs = mark.graceMs ?? setup.durationMs('grace');
      const settleMs = mark.settleMs ?? setup.durationMs('settle');
      const { group, items, strategy } = mark;
      setup.attempt(() => partitions?.join(group, { items, strategy, graceMs, settleMs }, own));
    }
  }

  onModuleDestroy(): void {
    // Not waited for here: requests that are being served may need what the work needs.
    this.leaving = this.partitions()?.close() ?? null;
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.leaving;
    this.runner.isEnded = true;
  }

  /** The partitions, unless something else stands under their token, as in tests. */
  private partitions(): Partitions | null {
    const partitions: unknown = this.moduleRef.get(getPartitionsToken(this.setup.name));
    return partitions instanceof Partitions ? partitions : null;
  }
}

/** The work on an item: the method, with its stream until the signal aborts, if it returns one. */
function ownerOf(object: object, { key }: FoundMark<PartitionedMark>): OwnItem {
  const methods = object as Readonly<
    Record<string | symbol, (partition: Partition, signal: AbortSignal) => unknown>
  >;
  return (partition, signal) => {
    const result = methods[key]?.(partition, signal);
    if (!isObservable(result)) return result;
    return lastValueFrom(result.pipe(takeUntil(fromEvent(signal, 'abort'))), {
      defaultValue: undefined,
    });
  };
}
