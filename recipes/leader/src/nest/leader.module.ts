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
import {
  featureModule,
  placeArgument,
  requireOneObject,
  type FoundMark,
  type Marks,
  type RecipeSetup,
} from '@aviary/nest';
import { isObservable, lastValueFrom } from 'rxjs';
import type { LeaderRole } from '../core/leader-role.js';
import type { LeaderTerm } from '../core/leader-term.js';
import { Leaders } from '../core/leaders.js';
import { LeaderCronJobs } from './leader-cron-jobs.js';
import { leaderFeatures } from './leader-features.js';
import {
  CRON_MARKS,
  GAINED_MARKS,
  LOST_MARKS,
  ONLY_MARKS,
  type CronMark,
  type ListenerMark,
  type RoleMark,
} from './leader-marks.js';
import type { LeaderModuleOptions } from './leader-module-options.js';
import { RUNNERS, type LeaderRunner } from './leader-runner.js';
import { LeaderSetupError } from './leader-setup-error.js';
import { ConfigurableModuleClass, SETUP, type OPTIONS_TYPE } from './leader.module-definition.js';
import { LOCAL_RUNNER, getCronJobsToken, getLeadersToken } from './leader.tokens.js';
import { tellListeners, type Listener } from './leadership-listeners.js';
import { SchedulerBridge } from './scheduler-bridge.js';
import { runInTerm } from './term-scope.js';
import { TERMS } from './term.decorator.js';

/** What `LeaderModule.forFeature` returns. */
@Module({})
class LeaderFeatureModule {}

/**
 * Leadership for the whole application: `@LeaderOnly()`, `@LeaderCron()`, `@OnLeadershipGained()` and
 * `@OnLeadershipLost()` on methods, and `Leaders` to inject. It takes the session of a `ZooKeeperModule`.
 *
 * It takes part for the roles that methods are marked with, from `onApplicationBootstrap` on, in the
 * background: no hook waits for leadership. From `onModuleDestroy` on it steps down, and no work of the
 * leader begins any more; `beforeApplicationShutdown` waits for the work that runs, at most
 * {@link LeaderModuleOptions.grace}, and then for the role to be free.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181' }), LeaderModule.forRoot()]
 */
@Module({})
export class LeaderModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly setup: RecipeSetup<LeaderModuleOptions>;
  private readonly campaigns = new Set<LeaderRole>();
  private stopTelling: (() => void)[] = [];
  private resigned: Promise<void> | null = null;

  constructor(
    @Optional() @Inject(SETUP) setup: RecipeSetup<LeaderModuleOptions> | undefined,
    @Optional() @Inject(LOCAL_RUNNER) private readonly runner: LeaderRunner,
    private readonly moduleRef: ModuleRef,
    @Optional() private readonly discovery: DiscoveryService,
  ) {
    super();
    if (setup === undefined) {
      throw new LeaderSetupError('import LeaderModule.forRoot(...), not the class LeaderModule');
    }
    this.setup = setup;
  }

  /** The module with its options, `connection` (of `ZooKeeperModule`), `name` and `isGlobal`. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Provides roles to be injected with `@InjectLeader(role)`. To inject one does not make the process
   * take part: `role.campaign()` does.
   *
   * @param options `leaders`: the `name` of the `LeaderModule` that is meant.
   * @throws {LeaderSetupError} Not a list of names. One that is no path of a role stops the start.
   */
  static forFeature(
    roles: readonly string[],
    options: { readonly leaders?: string } = {},
  ): DynamicModule {
    const features = leaderFeatures(roles, options.leaders);
    return featureModule(LeaderFeatureModule, getLeadersToken(options.leaders), features);
  }

  onModuleInit(): void {
    const { setup } = this;
    setup.refuseSecondOfName();
    const names = { own: setup.name, all: setup.names() };
    RUNNERS.bindAll(this.discovery, names, this.runner);
    TERMS.refuseUnclaimed(this.discovery);
    const leaders = this.leaders();
    if (leaders === null) return;
    for (const { value } of this.found(ONLY_MARKS, '@LeaderOnly()')) {
      this.campaigns.add(setup.attempt(() => leaders.role(value.role)));
    }
    this.addListeners(leaders);
    this.addJobs(leaders);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.jobs()?.start(await SchedulerBridge.find(this.moduleRef));
    if (this.setup.options.campaign === false) return;
    for (const role of this.campaigns) role.campaign();
  }

  onModuleDestroy(): void {
    this.jobs()?.stop();
    // Not waited for here: requests that are being served may need what the leader's work needs.
    this.resigned = this.leaders()?.resignAll() ?? null;
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.resigned;
    await this.leaders()?.close();
    for (const stop of this.stopTelling) stop();
    this.runner.end();
  }

  /** The leaders, unless something else stands under their token, as in tests. */
  private leaders(): Leaders | null {
    const leaders: unknown = this.moduleRef.get(getLeadersToken(this.setup.name));
    return leaders instanceof Leaders ? leaders : null;
  }

  private jobs(): LeaderCronJobs | null {
    const jobs: unknown = this.moduleRef.get(getCronJobsToken(this.setup.name));
    return jobs instanceof LeaderCronJobs ? jobs : null;
  }

  /** The marks that mean this module. @throws {LeaderSetupError} One means a module that is not there. */
  private found<T extends RoleMark>(marks: Marks<T>, decorator: string): FoundMark<T>[] {
    const names = this.setup.names();
    return marks.find(this.discovery).filter(({ value, label }) => {
      if (names.includes(value.module)) return value.module === this.setup.name;
      throw new LeaderSetupError(
        `${decorator} on ${label} needs LeaderModule.forRoot(...) with the name "${value.module}" ` +
          'in the imports',
      );
    });
  }

  private addListeners(leaders: Leaders): void {
    const gained = this.listeners(leaders, GAINED_MARKS, '@OnLeadershipGained()');
    const lost = this.listeners(leaders, LOST_MARKS, '@OnLeadershipLost()');
    for (const role of new Set([...gained.keys(), ...lost.keys()])) {
      this.campaigns.add(role);
      const listeners = { gained: gained.get(role) ?? [], lost: lost.get(role) ?? [] };
      const subscription = tellListeners(role, listeners, this.setup.log);
      this.stopTelling.push(() => subscription.unsubscribe());
    }
  }

  private listeners(
    leaders: Leaders,
    marks: Marks<ListenerMark>,
    decorator: string,
  ): Map<LeaderRole, Listener[]> {
    const byRole = new Map<LeaderRole, Listener[]>();
    for (const mark of this.found(marks, decorator)) {
      const object = requireOneObject(mark, decorator, LeaderSetupError);
      const role = this.setup.attempt(() => leaders.role(mark.value.role));
      const { key, label } = mark;
      byRole.set(role, [
        ...(byRole.get(role) ?? []),
        { object, key, label, terms: mark.value.terms },
      ]);
    }
    return byRole;
  }

  private addJobs(leaders: Leaders): void {
    const labels = new Map<string, string>();
    for (const found of this.found(CRON_MARKS, '@LeaderCron()')) {
      const { value: mark, label } = found;
      const object = requireOneObject(found, '@LeaderCron()', LeaderSetupError);
      const name = mark.name ?? label;
      const before = labels.get(name);
      if (before !== undefined) {
        throw new LeaderSetupError(
          `@LeaderCron() on ${label} has the name "${name}" of that on ${before}: give one of them another \`name\``,
        );
      }
      labels.set(name, label);
      const role = this.setup.attempt(() => leaders.role(mark.role));
      this.campaigns.add(role);
      this.jobs()?.add({ name, mark, role, body: bodyOf(object, found) });
    }
  }
}

/** What a job does: its method, with its stream to the end if it returns one. */
function bodyOf(object: object, { key, value: { terms } }: FoundMark<CronMark>) {
  const methods = object as Readonly<Record<string | symbol, (...args: unknown[]) => unknown>>;
  return (_fire: unknown, term: LeaderTerm): unknown =>
    runInTerm(term, () => {
      const result = methods[key]?.(...placeArgument([], terms, term));
      return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
    });
}
