import { setTimeout as pause } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { Leaders } from '@aviary/leader';
import { LockClient, type LockView } from '@aviary/lock';
import { Services, uriOf } from '@aviary/membership';
import { Inject, Injectable } from '@nestjs/common';
import {
  Subscription,
  concatMap,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  type Observable,
} from 'rxjs';
import type { DemoOptions } from '../command-line.js';
import { BOOKS_ROLE, ORDERS_SERVICE, TILL_LOCK, serviceIdOf } from '../layout.js';
import { Till } from '../till/till.js';
import type { EnsemblePlace } from './ensemble-place.js';
import { InstanceProcess } from './instance-process.js';
import type { MemberView } from './own-ensemble.js';
import { Publisher } from './publisher.js';
import { Report } from './report.js';
import { DEMO_OPTIONS, ENSEMBLE_PLACE } from './supervisor.tokens.js';

/** An instance that could not work at the till is asked again after this time. */
const RETRY_MS = 200;
/** What an instance can do at one visit; the last one of several is a smaller machine. */
const ORDERS_MAX = 20;
const ORDERS_MAX_OF_LAST = 5;

/** Starts instances, keeps each of them busy, and shows what happens. */
@Injectable()
export class Supervisor {
  private current: InstanceProcess[] = [];
  private stopping = false;
  private readonly subscriptions = new Subscription();
  private readonly work = new Set<Promise<void>>();
  private isDeserted: () => void = () => undefined;

  constructor(
    @Inject(ENSEMBLE_PLACE) private readonly place: EnsemblePlace,
    @Inject(DEMO_OPTIONS) private readonly options: DemoOptions,
    private readonly zk: ZooKeeper,
    private readonly locks: LockClient,
    private readonly leaders: Leaders,
    private readonly services: Services,
    private readonly till: Till,
    private readonly publisher: Publisher,
    private readonly report: Report,
  ) {}

  /** One for each name, dead or alive. */
  get instances(): readonly InstanceProcess[] {
    return this.current;
  }

  /** The members that were started for this demo; null: the ensemble is somebody's. */
  get members(): readonly MemberView[] | null {
    return this.place.own?.members ?? null;
  }

  /** Resolves when all instances listen. @throws {Error} One of them ended first. */
  async open(tillUrl: string): Promise<void> {
    await this.publisher.begin();
    // The demo may have been told to stop meanwhile.
    if (this.stopping) return;
    const { servers } = this.place;
    const { instances, sessionTimeoutMs, holdMs, isCareless } = this.options;
    this.current = Array.from({ length: instances }, (_, index) => {
      const isLastOfSeveral = index > 0 && index === instances - 1;
      return new InstanceProcess({
        ...{ name: `#${index + 1}`, servers, sessionTimeoutMs, tillUrl, holdMs, isCareless },
        ordersPerVisitMax: isLastOfSeveral ? ORDERS_MAX_OF_LAST : ORDERS_MAX,
      });
    });
    await Promise.all(this.current.map((instance) => instance.listening()));
  }

  /** Lets them work; resolves when none of them is left. */
  async run(): Promise<void> {
    this.show();
    const deserted = new Promise<void>((resolve) => (this.isDeserted = resolve));
    for (const instance of this.current) this.engage(instance);
    await deserted;
  }

  /** Starts everybody again who has ended. @returns their names. */
  restart(): readonly string[] {
    if (this.stopping) return [];
    const ended = this.current.filter(({ end }) => end !== null);
    for (const instance of ended) {
      const next = new InstanceProcess(instance.settings, instance.visits);
      this.current[this.current.indexOf(instance)] = next;
      this.engage(next);
    }
    const members = this.place.own?.restart() ?? [];
    return [...ended.map(({ name }) => name), ...members.map((id) => `member ${id}`)];
  }

  /** The process of the instance that holds the lock, as soon as one that runs does. */
  holderPid(): Promise<number> {
    return firstValueFrom(
      this.runningOf(this.queue$().pipe(map(({ holder }) => holder?.identity))),
    );
  }

  /** The process of the instance that leads, as soon as one that runs does. */
  leaderPid(): Promise<number> {
    const { status$ } = this.leaders.role(BOOKS_ROLE);
    return firstValueFrom(this.runningOf(status$.pipe(map(({ leader }) => leader?.id))));
  }

  /** Ends the instances and what goes on with them. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.current.map((instance) => instance.stop()));
    await Promise.all(this.work);
    this.subscriptions.unsubscribe();
  }

  private isStopping(): boolean {
    return this.stopping;
  }

  private queue$(): Observable<LockView> {
    return this.zk
      .watchChildren(this.locks.pathOf(TILL_LOCK))
      .pipe(concatMap(() => this.locks.inspect(TILL_LOCK)));
  }

  /** The processes of those instances, of those that run. */
  private runningOf(name$: Observable<string | undefined>): Observable<number> {
    return name$.pipe(
      map((wanted) => this.current.find(({ name, end }) => name === wanted && end === null)?.pid),
      filter((pid) => pid !== undefined),
    );
  }

  private show(): void {
    const { till, report } = this;
    const failed = (error: unknown) => report.line(`the rest cannot be shown: ${String(error)}`);
    const shown: readonly Subscription[] = [
      this.queue$().subscribe({ next: (view) => report.queue(view), error: failed }),
      this.publisher.settled$
        // Those who end are not missed.
        .pipe(filter(() => !this.isStopping()))
        .subscribe({ next: (words) => report.config(words), error: failed }),
      till.events$.subscribe((event) => report.till(event)),
      till.books.closer$.subscribe((closing) => report.closes(closing)),
      // So that what is found is not read anew for each visit.
      this.services.service(ORDERS_SERVICE).instances$.subscribe({ error: failed }),
    ];
    for (const subscription of shown) this.subscriptions.add(subscription);
    this.subscriptions.add(this.place.own?.events$.subscribe((event) => report.member(event)));
  }

  /** Where customers find an instance, as soon as they do; null: it has ended. */
  private urlOf({ name, pid, ended }: InstanceProcess): Promise<string | null> {
    const wanted = serviceIdOf(name, pid);
    const found$ = this.services.service(ORDERS_SERVICE).instances$.pipe(
      map((instances) => instances.find(({ id }) => id === wanted)),
      map((instance) => (instance === undefined ? null : uriOf(instance))),
      filter((url) => url !== null),
    );
    return firstValueFrom(merge(found$, from(ended).pipe(map(() => null))));
  }

  private engage(instance: InstanceProcess): void {
    const work = this.keepBusy(instance).finally(() => {
      this.work.delete(work);
      if (this.work.size === 0) this.isDeserted();
    });
    this.work.add(work);
  }

  private async keepBusy(instance: InstanceProcess): Promise<void> {
    const { report } = this;
    const { name } = instance;
    while (!this.isStopping()) {
      const url = await this.urlOf(instance);
      const problem = url === null ? null : await instance.visit(url).catch(String);
      if (this.isStopping()) return;
      if (instance.end !== null) return report.line(`  ${name} has ended: ${instance.end}`);
      if (problem === null) continue;
      report.line(`  ${name} gave up: ${problem}`);
      await pause(RETRY_MS);
    }
  }
}
