import { Controller, Injectable, Scope, type Provider } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import type { TestingModule } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable, Subject, firstValueFrom, of, toArray } from 'rxjs';
import {
  InjectLeader,
  InjectLeaders,
  LeaderCron,
  LeaderCronJobs,
  LeaderModule,
  LeaderOnly,
  LeaderSetupError,
  Leaders,
  NotLeaderError,
  OnLeadershipGained,
  OnLeadershipLost,
  currentTerm,
  type LeaderModuleOptions,
  type LeaderRole,
  type LeaderTerm,
  type LossReason,
} from '../src/index.js';
import { LeaderWorld, STEADY, rejection, type Service } from './leader-world.js';
import { application, sleeper } from './nest-world.js';

let world: LeaderWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

/** Each instance has its own. */
@Injectable()
class Reports {
  readonly ran: string[] = [];
  readonly events: string[] = [];
  work = (): Promise<unknown> => Promise.resolve();
  readonly feed = new Subject<number>();

  @LeaderOnly('reports')
  async send(name: string): Promise<string> {
    this.ran.push(name);
    await this.work();
    return `${name} by ${currentTerm().id}`;
  }

  async sendAll(): Promise<string> {
    return this.send('all');
  }

  @LeaderOnly('reports', { otherwise: 'skip' })
  count(): number {
    return currentTerm().token > 0n ? 1 : 0;
  }

  @LeaderOnly('reports', { otherwise: ({ method, args, error }) => [method, args, error.name] })
  either(_a: number, _b: string): unknown {
    return 'led';
  }

  @LeaderOnly('reports', { onLost: 'ignore' })
  async careless(): Promise<string> {
    await this.work();
    return 'done';
  }

  @LeaderOnly('reports')
  rows(): Observable<number> {
    return this.feed;
  }

  @LeaderOnly('reports', { otherwise: 'skip' })
  skippedRows(): Observable<number> {
    return of(1, 2);
  }

  @OnLeadershipGained('reports')
  gained(term: LeaderTerm): void {
    this.events.push(`gained ${term === currentTerm()}`);
  }

  @OnLeadershipLost('reports')
  async lost(reason: LossReason, term: LeaderTerm): Promise<void> {
    this.events.push(`lost ${reason} ${term.isHeld}`);
    await this.work();
    this.events.push('cleaned up');
  }
}

/** Two instances; the first leads. */
async function two(providers: Provider[] = [Reports], options: LeaderModuleOptions = {}) {
  const start = async (service: Service) => {
    const app = await application(service, providers, options);
    return { app, leaders: app.get(Leaders) };
  };
  const one = await start(ann);
  const role = one.leaders.role('reports');
  if (options.campaign !== false) await world.world.reach(() => role.term !== null);
  return { one, other: await start(bob), role };
}

const close = (service: Service, app: TestingModule) => world.in(service, () => app.close());

describe('@LeaderOnly()', () => {
  it('runs on the leader, also when the object calls itself', async () => {
    const { one, other } = await two();
    const [leader, follower] = [one, other].map(({ app }) => app.get(Reports)) as [
      Reports,
      Reports,
    ];
    expect(await world.in(ann, () => leader.send('a'))).toBe('a by ann');
    expect(await world.in(ann, () => leader.sendAll())).toBe('all by ann');
    for (const call of [() => follower.send('a'), () => follower.sendAll()]) {
      const error = await rejection(world.in(bob, call));
      expect(error).toBeInstanceOf(NotLeaderError);
      expect(String(error)).toMatch(/this process does not lead "reports"/);
    }
    expect(follower.ran).toEqual([]);
  });

  it('does otherwise what is said, and stays synchronous where the method is', async () => {
    const { one, other } = await two();
    const [leader, follower] = [one, other].map(({ app }) => app.get(Reports)) as [
      Reports,
      Reports,
    ];
    expect([leader.count(), follower.count()]).toEqual([1, undefined]);
    expect(leader.either(1, 'b')).toBe('led');
    expect(follower.either(1, 'b')).toEqual(['Reports.either', [1, 'b'], 'NotLeaderError']);
    expect(await firstValueFrom(leader.skippedRows().pipe(toArray()))).toEqual([1, 2]);
    expect(await firstValueFrom(follower.skippedRows().pipe(toArray()))).toEqual([]);
  });

  it('rejects what was running when the role was lost, and keeps its cause', async () => {
    const { one, role } = await two();
    const reports = one.app.get(Reports);
    const { token } = role.term!;
    reports.work = () => sleeper(ann)(500);
    const calls = [
      world.begin(ann, () => reports.send('a')),
      world.begin(ann, () => reports.careless()),
    ];
    await world.pass(100);
    await world.look((zk) => zk.delete(role.term!.nodePath));
    const lost = await rejection(world.world.settle(calls[0]!));
    expect(lost).toMatchObject({ name: 'LeaseLostError', outcome: 'unknown', token });
    expect(await world.world.settle(calls[1]!)).toBe('done');
  });

  it('lets what was running end well where the role was ours until then', async () => {
    const { one, role } = await two();
    const reports = one.app.get(Reports);
    reports.work = () => sleeper(ann)(500);
    const call = world.begin(ann, () => reports.send('a'));
    await world.pass(100);
    const resigned = world.begin(ann, () => role.resign());
    expect(await world.world.settle(call)).toBe('a by ann');
    await world.world.settle(resigned);
  });

  it('lets work that runs on while the leader steps down call what only the leader may', async () => {
    const { one, role } = await two();
    const reports = one.app.get(Reports);
    reports.work = async () => {
      await sleeper(ann)(300);
      reports.work = () => Promise.resolve();
      reports.ran.push(await reports.sendAll());
    };
    const call = world.begin(ann, () => reports.send('a'));
    await world.pass(100);
    const resigned = world.begin(ann, () => role.resign());
    await world.pass(50);
    expect(role.term).toBeNull();
    expect(await world.world.settle(call)).toBe('a by ann');
    expect(reports.ran).toEqual(['a', 'all', 'all by ann']);
    await world.world.settle(resigned);
  });

  it('N7: holds the role for each stream, which ends with it', async () => {
    const { one, role } = await two();
    const reports = one.app.get(Reports);
    const seen: unknown[] = [];
    ann.process.run(() => {
      reports.rows().subscribe({
        next: (row) => seen.push(row),
        error: (error: Error) => seen.push(error.name),
      });
    });
    await world.pass(10);
    reports.feed.next(1);
    expect(role.term!.workCount).toBe(1);
    await world.in(ann, () => role.resign());
    reports.feed.next(2);
    expect(seen).toEqual([1, 'LeaseLostError']);
    const refused = await rejection(firstValueFrom(reports.rows()));
    expect(refused).toBeInstanceOf(NotLeaderError);
  });

  it('works on request-scoped providers and controllers', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @LeaderOnly('reports')
      async run(): Promise<string> {
        return Promise.resolve(currentTerm().id);
      }
    }
    @Controller()
    class Door {
      @LeaderOnly('reports')
      async open(): Promise<string> {
        return Promise.resolve(currentTerm().id);
      }
    }
    const app = await application(ann, [PerRequest], {}, { controllers: [Door] });
    await world.world.reach(() => app.get(Leaders).role('reports').term !== null);
    const object = await app.resolve(PerRequest, ContextIdFactory.create());
    expect(await world.in(ann, () => object.run())).toBe('ann');
    expect(await world.in(ann, () => app.get(Door).open())).toBe('ann');
  });

  it('is inherited, and counts once where a subclass marks the method again', async () => {
    class Base {
      @LeaderOnly('reports')
      async run(): Promise<string> {
        return Promise.resolve('base');
      }
    }
    @Injectable()
    class Derived extends Base {}
    @Injectable()
    class Again extends Base {
      @LeaderOnly('reports')
      override async run(): Promise<string> {
        return `again ${await super.run()} ${currentTerm().workCount}`;
      }
    }
    const { one, other } = await two([Derived, Again]);
    expect(await world.in(ann, () => one.app.get(Derived).run())).toBe('base');
    expect(await world.in(ann, () => one.app.get(Again).run())).toBe('again base 1');
    expect(await rejection(other.app.get(Derived).run())).toBeInstanceOf(NotLeaderError);
  });

  it('skips scheduled jobs where it does not lead, above @Cron and below it', async () => {
    @Injectable()
    class Jobs {
      ran = 0;

      @LeaderOnly('reports')
      @Cron('0 0 1 1 *', { name: 'below', disabled: true })
      async above(): Promise<void> {
        await Promise.resolve(this.ran++);
      }

      @Cron('0 0 1 1 *', { name: 'above', disabled: true })
      @LeaderOnly('reports')
      async below(): Promise<void> {
        await Promise.resolve(this.ran++);
      }
    }
    const start = (service: Service) =>
      application(service, [Jobs], {}, { imports: [ScheduleModule.forRoot()] });
    const one = await start(ann);
    await world.world.reach(() => one.get(Leaders).role('reports').term !== null);
    const other = await start(bob);
    for (const app of [one, other]) {
      const registry = app.get(SchedulerRegistry);
      expect([...registry.getCronJobs().keys()].sort()).toEqual(['above', 'below']);
      for (const name of ['above', 'below']) await registry.getCronJob(name).fireOnTick();
    }
    expect([one.get(Jobs).ran, other.get(Jobs).ran]).toEqual([2, 0]);
    expect(await other.get(Jobs).above()).toBeUndefined();
    await close(ann, one);
    await close(bob, other);
  });
});

describe('@OnLeadershipGained() and @OnLeadershipLost()', () => {
  it('are told of every term, and the role waits until they have cleaned up', async () => {
    const { one, other, role } = await two();
    const [first, second] = [one, other].map(({ app }) => app.get(Reports)) as [Reports, Reports];
    expect(first.events).toEqual(['gained true']);
    first.work = () => sleeper(ann)(400);
    const resigned = world.begin(ann, () => role.resign());
    await world.pass(200);
    expect(first.events).toEqual(['gained true', 'lost resigned true']);
    expect(second.events).toEqual([]);
    await world.world.settle(resigned);
    await world.world.reach(() => second.events.length === 1);
    expect(first.events).toEqual(['gained true', 'lost resigned true', 'cleaned up']);
  });

  it('that fail are reported, and the term goes on', async () => {
    @Injectable()
    class Broken {
      @OnLeadershipGained('reports')
      gained(): void {
        throw new Error('no paper');
      }

      @OnLeadershipLost('reports')
      async lost(): Promise<void> {
        await Promise.reject(new Error('no pen'));
      }
    }
    const { role } = await two([Broken]);
    expect(ann.lines).toEqual([expect.stringMatching(/Broken\.gained, told .* "reports", failed/)]);
    expect(role.term).not.toBeNull();
    await world.in(ann, () => role.resign());
    expect(ann.lines[1]).toMatch(/Broken\.lost, told that "reports" is lost, failed/);
  });
});

describe('@LeaderCron()', () => {
  @Injectable()
  class Jobs {
    readonly ran: string[] = [];

    @LeaderCron('*/10 * * * * *', { name: 'tick', role: 'reports' })
    async tick(): Promise<void> {
      await Promise.resolve(this.ran.push(`tick ${currentTerm().id}`));
    }

    @LeaderCron('*/10 * * * * *', { role: 'reports' })
    stream(): Observable<number> {
      this.ran.push('subscribed');
      return of(1);
    }

    @LeaderCron('*/10 * * * * *', { name: 'asleep', role: 'reports', disabled: true })
    asleep(): void {
      this.ran.push('asleep');
    }
  }

  it('runs on the leader only, by stable names', async () => {
    const { one, other } = await two([Jobs]);
    await world.pass(11_000);
    expect(one.app.get(Jobs).ran).toContain('tick ann');
    expect(one.app.get(Jobs).ran).toContain('subscribed');
    expect(other.app.get(Jobs).ran).toEqual([]);
    const jobs = other.app.get(LeaderCronJobs);
    expect(jobs.all.map(({ name }) => name)).toEqual(['tick', 'Jobs.stream', 'asleep']);
    const record = await world.in(bob, () => jobs.get('tick')!.record());
    expect(record!.history[0]).toMatchObject({ outcome: 'done', by: 'ann' });
    const names = await world.children('/leader-cron');
    expect(names).toEqual(['Jobs.stream', 'tick']);
  });

  it('stands in the registry of @nestjs/schedule, where it is fired, stopped and started', async () => {
    const app = await application(ann, [Jobs], {}, { imports: [ScheduleModule.forRoot()] });
    const jobs = app.get(Jobs);
    await world.world.reach(() => app.get(Leaders).role('reports').term !== null);
    const registry = app.get(SchedulerRegistry);
    expect([...registry.getCronJobs().keys()]).toEqual(['tick', 'Jobs.stream', 'asleep']);
    const asleep = registry.getCronJob('asleep');
    expect([registry.getCronJob('tick').isActive, asleep.isActive]).toEqual([true, false]);
    await world.in(ann, () => Promise.resolve(asleep.start()));
    await world.pass(100);
    await world.in(ann, () => asleep.fireOnTick());
    expect(jobs.ran.filter((each) => each === 'asleep')).toEqual(['asleep']);
    await world.in(ann, () => Promise.resolve(registry.getCronJob('tick').stop()));
    const { length } = jobs.ran.filter((each) => each === 'tick ann');
    await world.pass(21_000);
    expect(jobs.ran.filter((each) => each === 'tick ann')).toHaveLength(length);
    expect(jobs.ran.filter((each) => each === 'asleep').length).toBeGreaterThan(2);
    await close(ann, app);
    expect(registry.getCronJobs().size).toBe(0);
  });
});

describe('the application', () => {
  it('N3: starts although another one leads, and although nobody answers', async () => {
    const { one } = await two();
    expect(one.leaders.role('reports').term).not.toBeNull();
    const cas = world.service('cas');
    world.world.partition(['cas'], ['server']);
    const app = await application(cas, [Reports]);
    expect(app.get(Leaders).role('reports')).toMatchObject({ isCampaigning: true, term: null });
  });

  it('only observes with `campaign: false`', async () => {
    const { one, other } = await two([Reports], { campaign: false });
    await world.pass(1_000);
    expect([one, other].map(({ leaders }) => leaders.role('reports').isCampaigning)).toEqual([
      false,
      false,
    ]);
    const status = await world.in(ann, () => firstValueFrom(one.leaders.role('reports').status$));
    expect(status).toMatchObject({ leader: null, me: null });
  });

  it('leads with `campaign: false` only when it was told to, and not because it waits', async () => {
    const app = await application(ann, [Reports], { campaign: false });
    const role = app.get(Leaders).role('reports');
    const refused = async (waiting: Promise<unknown>) => {
      const error = await rejection(waiting);
      expect(error).toMatchObject({ name: 'NotCampaigningError', outcome: 'notApplied' });
      expect(String(error)).toMatch(
        /not take part for "reports".*: call campaign\(\) of the role fi/,
      );
      await world.pass(200);
      expect([role.isCampaigning, role.term]).toEqual([false, null]);
    };
    await refused(world.in(ann, () => role.whenLeading({ waitMs: 1_000 })));
    ann.process.run(() => role.campaign());
    const term = await world.in(ann, () => role.whenLeading({ waitMs: 1_000 }));
    expect(await world.in(ann, () => app.get(Reports).send('a'))).toBe('a by ann');
    expect(term.isHeld).toBe(true);
    await world.in(ann, () => role.withdraw());
    await refused(world.in(ann, () => role.whenLeading({ waitMs: 1_000 })));
  });

  it('ends waits with `campaign: false` when it is told to withdraw', async () => {
    const one = await application(ann, [Reports]);
    await world.world.reach(() => one.get(Leaders).role('reports').term !== null);
    const role = (await application(bob, [Reports], { campaign: false }))
      .get(Leaders)
      .role('reports');
    bob.process.run(() => role.campaign());
    const waiting = rejection(world.begin(bob, () => role.whenLeading()));
    await world.pass(200);
    await world.in(bob, () => role.withdraw());
    expect(await world.world.settle(waiting)).toMatchObject({ name: 'NotCampaigningError' });
  });

  it('resigns, lets work end, and frees the role when it is closed', async () => {
    const { one, other, role } = await two();
    const reports = one.app.get(Reports);
    reports.work = () => sleeper(ann)(800);
    const call = world.begin(ann, () => reports.send('last'));
    await world.pass(50);
    const closing = world.begin(ann, () => one.app.close());
    await world.pass(100);
    expect(role.term).toBeNull();
    expect(await rejection(reports.send('late'))).toBeInstanceOf(NotLeaderError);
    expect(other.leaders.role('reports').term).toBeNull();
    expect(await world.world.settle(call)).toBe('last by ann');
    await world.world.settle(closing);
    expect(reports.events.slice(0, 2)).toEqual(['gained true', 'lost shutdown true']);
    await world.world.reach(() => other.leaders.role('reports').term !== null);
    await close(bob, other.app);
    expect([ann, bob].map(({ zk }) => zk.watchCount)).toEqual([0, 0]);
    // A watch whose read was on its way is taken back when that has been answered.
    await world.pass(50);
    expect(world.watchCount).toBe(0);
  });

  it('injects leaders and roles, of the module that is meant', async () => {
    @Injectable()
    class Panel {
      constructor(
        readonly leaders: Leaders,
        @InjectLeaders('audit') readonly audit: Leaders,
        @InjectLeader('reports') readonly reports: LeaderRole,
        @InjectLeader('log', 'audit') readonly log: LeaderRole,
      ) {}
    }
    const audit = LeaderModule.forRootAsync({
      name: 'audit',
      useFactory: () => Promise.resolve({ root: '/audit', layout: 'selector' as const }),
    });
    const imports = [
      audit,
      LeaderModule.forFeature(['reports']),
      LeaderModule.forFeature(['reports', 'log'], { leaders: 'audit' }),
    ];
    const panel = (await application(ann, [Panel], {}, { imports })).get(Panel);
    expect(panel.reports).toBe(panel.leaders.role('reports'));
    expect(panel.log).toBe(panel.audit.role('log'));
    expect([panel.reports.path, panel.log.path]).toEqual(['/leaders/reports', '/audit/log']);
    expect(panel.reports.isCampaigning).toBe(false);
  });

  it('keeps apart the terms of two applications in one process', async () => {
    const { one, role } = await two();
    const term = role.term!;
    await close(ann, one.app);
    expect(() => currentTerm()).toThrow(LeaderSetupError);
    expect(term.isHeld).toBe(false);
  });
});
