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
import { featureModule, type RecipeSetup } from '@aviary/nest';
import type { Group } from '../core/group.js';
import { Groups } from '../core/groups.js';
import { Services } from '../core/services.js';
import { DiscoveredClient } from './discovered-client.js';
import type { MembershipModuleOptions } from './membership-module-options.js';
import { MembershipSetupError } from './membership-setup-error.js';
import {
  ConfigurableModuleClass,
  SETUP,
  type OPTIONS_TYPE,
} from './membership.module-definition.js';
import { getGroupToken, getGroupsToken, getServicesToken } from './membership.tokens.js';

/** What `MembershipModule.forFeature` returns. */
@Module({})
class MembershipFeatureModule {}

/**
 * Groups and services for the whole application: `Groups` and `Services` to inject, single groups of
 * `forFeature`. It takes the session of a `ZooKeeperModule`.
 *
 * From `onModuleDestroy` on it leaves all groups and withdraws all services, before any port is closed;
 * `beforeApplicationShutdown` waits until the servers have done so. Nothing joins any more.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), MembershipModule.forRoot()]
 */
@Module({})
export class MembershipModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<MembershipModuleOptions>;
  private leaving: Promise<unknown> = Promise.resolve();

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<MembershipModuleOptions> | undefined,
    private readonly moduleRef: ModuleRef,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new MembershipSetupError(
        'import MembershipModule.forRoot(...), not the class MembershipModule',
      );
    }
    this.setup = setup;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Provides groups for `@InjectGroup(group)`.
   *
   * @param name Of the `MembershipModule` that is meant.
   */
  static forFeature(groups: readonly string[], name?: string): DynamicModule {
    if (!Array.isArray(groups)) {
      throw new MembershipSetupError("write MembershipModule.forFeature(['workers']): a list");
    }
    const features = groups.map((group: string) => ({
      token: getGroupToken(group, name),
      create: (all: Groups) => groupOf(all, group),
    }));
    return featureModule(MembershipFeatureModule, getGroupsToken(name), features);
  }

  onModuleInit(): void {
    this.setup.refuseSecondOfName();
    this.bindClients();
  }

  onModuleDestroy(): void {
    const { name } = this.setup;
    // Something else may stand under their tokens, as in tests.
    const groups: unknown = this.moduleRef.get(getGroupsToken(name));
    const services: unknown = this.moduleRef.get(getServicesToken(name));
    this.leaving = Promise.all([
      groups instanceof Groups ? groups.close() : null,
      services instanceof Services ? services.close() : null,
    ]);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.leaving;
  }

  /** Clients of `ClientsModule` are made without injection, so they cannot ask for the services. */
  private bindClients(): void {
    const { name } = this.setup;
    const services: unknown = this.moduleRef.get(getServicesToken(name));
    if (!(services instanceof Services)) return;
    for (const { instance } of this.discovery.getProviders() as { instance: unknown }[]) {
      if (instance instanceof DiscoveredClient && instance.membership === name) {
        instance.bind(services);
      }
    }
  }
}

/** @throws {MembershipSetupError} */
function groupOf(groups: Groups, name: string): Group {
  try {
    return groups.group(name);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new MembershipSetupError(`MembershipModule.forFeature: ${problem}`, { cause });
  }
}
