import {
  Inject,
  Module,
  Optional,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, ModuleRef, ModulesContainer } from '@nestjs/core';
import { LockClient } from '../core/lock-client.js';
import { bindGuard, guardOf, marksOf } from './guard-binding.js';
import type { LockGuard } from './lock-guard.js';
import type { LockModuleOptions } from './lock-module-options.js';
import { LockSetupError } from './lock-setup-error.js';
import {
  ConfigurableModuleClass,
  LOCK_OPTIONS,
  moduleDurationMs,
  type OPTIONS_TYPE,
} from './lock.module-definition.js';
import { LOCAL_GUARD, LOCKS_NAME, getLocksToken } from './lock.tokens.js';

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
@Module({ imports: [DiscoveryModule] })
export class LockModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown
{
  /** The name of these locks. */
  readonly locksName: string;
  private readonly drainMs: number;

  constructor(
    @Optional() @Inject(LOCKS_NAME) name: string | undefined,
    @Optional() @Inject(LOCK_OPTIONS) options: LockModuleOptions | undefined,
    @Optional() @Inject(LOCAL_GUARD) private readonly guard: LockGuard,
    private readonly moduleRef: ModuleRef,
    private readonly discovery: DiscoveryService,
    private readonly modules: ModulesContainer,
  ) {
    super();
    if (name === undefined || options === undefined) {
      throw new LockSetupError('import LockModule.forRoot(...), not the class LockModule');
    }
    this.locksName = name;
    this.drainMs = moduleDurationMs(name, options, 'drain') ?? DRAIN_MS_DEFAULT;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  onModuleInit(): void {
    const names = Array.from(this.modules.values(), ({ instance }): unknown => instance).flatMap(
      (instance) => (instance instanceof LockModule ? [instance.locksName] : []),
    );
    if (names.filter((name) => name === this.locksName).length > 1) {
      throw new LockSetupError(
        `LockModule "${this.locksName}" is defined more than once; import it in one module only, ` +
          'or give the others a `name`',
      );
    }
    this.bindOthers(names);
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
    const locks: unknown = this.moduleRef.get(getLocksToken(this.locksName));
    return locks instanceof LockClient ? locks : null;
  }

  /** Gives their locks to objects that Nest has not made itself: `useValue`, `useFactory`. */
  private bindOthers(names: readonly string[]): void {
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    for (const { instance } of wrappers as { readonly instance: unknown }[]) {
      if (typeof instance !== 'object' || instance === null) continue;
      for (const mark of marksOf(instance)) {
        if (mark.locks === this.locksName) bindGuard(instance, mark, this.guard);
        else if (guardOf(instance, mark.locks) === null && !names.includes(mark.locks)) {
          throw new LockSetupError(
            `@DistributedLock() on ${mark.method} needs LockModule.forRoot(...) with the name ` +
              `"${mark.locks}" in the imports`,
          );
        }
      }
    }
  }
}
