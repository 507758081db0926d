import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryService, ModuleRef } from '@nestjs/core';
import type { RecipeSetup } from '@aviary/nest';
import { LockClient } from '../core/lock-client.js';
import { GUARDS } from './guards.js';
import type { LockGuard } from './lock-guard.js';
import type { LockModuleOptions } from './lock-module-options.js';
import { LockSetupError } from './lock-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './lock.module-definition.js';
import { LOCAL_GUARD, getLocksToken } from './lock.tokens.js';
import { unguardedOverrides } from './overrides.js';

const DRAIN_MS_DEFAULT = 5_000;

/**
 * Distributed locks for the whole application: `@DistributedLock()` on methods, and a `LockClient` to
 * inject. It takes the session of a `ZooKeeperModule`.
 *
 * From `onModuleDestroy` on no lock is taken any more. `beforeApplicationShutdown` waits for the
 * guarded methods that run, at most {@link LockModuleOptions.drain}; what is still held then is lost
 * (`shutdown`) and released.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), LockModule.forRoot({ wait: '10s' })]
 */
@Module({})
export class LockModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<LockModuleOptions>;
  private readonly drainMs: number;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<LockModuleOptions> | undefined,
    @Optional() @Inject(LOCAL_GUARD) private readonly guard: LockGuard,
    private readonly moduleRef: ModuleRef,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new LockSetupError('import LockModule.forRoot(...), not the class LockModule');
    }
    this.setup = setup;
    this.drainMs = setup.durationMs('drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  onModuleInit(): void {
    this.setup.refuseSecondOfName();
    const { name, log } = this.setup;
    GUARDS.bindAll(this.discovery, { own: name, all: this.setup.names() }, this.guard);
    for (const line of unguardedOverrides(this.discovery, name)) log.warn(line);
  }

  onModuleDestroy(): void {
    this.locks()?.stopAcquiring();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.guard.drain(this.drainMs);
    await this.locks()?.close({ reason: 'shutdown' });
  }

  /** The locks, unless something else stands under their token, as in tests. */
  private locks(): LockClient | null {
    const locks: unknown = this.moduleRef.get(getLocksToken(this.setup.name));
    return locks instanceof LockClient ? locks : null;
  }
}
