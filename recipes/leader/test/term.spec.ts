import { Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable, firstValueFrom, of } from 'rxjs';
import {
  LeaderCron,
  LeaderCronJobs,
  LeaderOnly,
  LeaderSetupError,
  Leaders,
  OnLeadershipGained,
  OnLeadershipLost,
  Term,
  currentTerm,
  type LeaderTerm,
  type LossReason,
} from '../src/index.js';
import { LeaderWorld, STEADY, rejection, type Service } from './leader-world.js';
import { application } from './nest-world.js';

let world: LeaderWorld;
let ann: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

@Injectable()
class Reports {
  readonly seen: unknown[] = [];
  readonly terms: (LeaderTerm | undefined)[] = [];

  @LeaderOnly('reports', { otherwise: ({ args }) => args })
  async send(what: string, @Term() term?: LeaderTerm, to?: string): Promise<unknown> {
    return Promise.resolve([what, term, to, term === currentTerm()]);
  }

  @LeaderOnly('reports')
  count(@Term() term?: LeaderTerm, @Term() again?: LeaderTerm): bigint {
    expect(again).toBe(term);
    return term!.token;
  }

  @LeaderOnly('reports')
  rows(@Term() term?: LeaderTerm): Observable<bigint> {
    return of(term!.token);
  }

  @LeaderOnly('reports')
  @Cron('0 0 1 1 *', { name: 'hourly', disabled: true })
  hourly(@Term() term: LeaderTerm): void {
    this.terms.push(term);
  }

  @LeaderCron('0 0 1 1 *', { name: 'nightly', role: 'reports' })
  async nightly(_nothing: undefined, @Term() term?: LeaderTerm): Promise<void> {
    this.terms.push(await Promise.resolve(term));
  }

  @LeaderCron('0 0 1 1 *', { name: 'both', role: 'other' })
  @LeaderOnly('reports')
  both(@Term() term?: LeaderTerm): void {
    this.terms.push(term);
  }

  @OnLeadershipGained('reports')
  gained(term: LeaderTerm, _no?: string, @Term() again?: LeaderTerm): void {
    this.seen.push('gained', term === again);
  }

  @OnLeadershipLost('reports')
  lost(reason: LossReason, @Term() term: LeaderTerm): void {
    this.seen.push(reason, term.ended);
  }
}

async function leading() {
  const app = await application(ann, [Reports], {}, { imports: [ScheduleModule.forRoot()] });
  const role = app.get(Leaders).role('reports');
  await world.world.reach(() => role.term !== null);
  return { app, role, term: role.term!, reports: app.get(Reports) };
}

describe('@Term()', () => {
  it('is the term, whatever else the method is called with', async () => {
    const { reports, role, term } = await leading();
    const sent = (...args: unknown[]) =>
      world.in(ann, () => (reports.send as (...args: unknown[]) => Promise<unknown>)(...args));
    expect(await sent('a')).toEqual(['a', term, undefined, true]);
    expect(await sent('a', 'not a term', 'bob')).toEqual(['a', term, 'bob', true]);
    expect(reports.count()).toBe(term.token);
    const rows = reports.rows();
    expect(await firstValueFrom(rows)).toBe(term.token);
    await world.in(ann, () => role.resign());
    await world.world.reach(() => role.term !== null);
    expect(reports.count()).toBeGreaterThan(term.token);
    // A stream has that of its subscriber's turn.
    expect(await firstValueFrom(rows)).toBe(role.term!.token);
    await world.in(ann, () => role.withdraw());
    expect(await sent('a', 'b', 'c', 'd')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is there for the scheduler, for jobs, and for those who are told of terms', async () => {
    const { app, reports, role, term } = await leading();
    const hourly = app.get(SchedulerRegistry).getCronJob('hourly');
    await world.in(ann, () => Promise.resolve(hourly.fireOnTick()));
    await world.in(ann, () => app.get(LeaderCronJobs).get('nightly')!.fireNow());
    expect(reports.terms).toEqual([term, term]);
    await world.world.reach(() => app.get(Leaders).role('other').term !== null);
    await world.in(ann, () => app.get(LeaderCronJobs).get('both')!.fireNow());
    expect(reports.terms[2]).toBe(term);
    await world.in(ann, () => role.withdraw());
    expect(reports.seen).toEqual(['gained', true, 'resigned', 'resigned']);
    await world.in(ann, () => app.close());
  });

  it('is inherited with its method, and not needed by one that overrides', async () => {
    class Plain {
      @LeaderOnly('reports')
      either(@Term() term?: unknown): unknown {
        return term;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Derived extends Plain {
      @LeaderOnly('reports')
      whole(...args: unknown[]): unknown {
        return [...args, this.either()];
      }
    }
    @Injectable()
    class Overriding extends Plain {
      override either(given?: unknown): unknown {
        return given;
      }
    }
    const app = await application(ann, [Overriding, Derived]);
    const object = await app.resolve(Derived, ContextIdFactory.create());
    const role = app.get(Leaders).role('reports');
    await world.world.reach(() => role.term !== null);
    expect(object.whole('a')).toEqual(['a', role.term]);
    expect(app.get(Overriding).either('mine')).toBe('mine');
  });

  it('stops the start on a method that no leader runs, and says what to write', async () => {
    class Unmarked {
      run(@Term() _term?: LeaderTerm): void {}
    }
    class Marked {
      @LeaderOnly('reports')
      run(@Term() _term?: LeaderTerm): void {}
    }
    class Forgets extends Marked {
      override run(@Term() _term?: LeaderTerm): void {}
    }
    for (const type of [Unmarked, Forgets]) {
      for (const provider of [type, { provide: type, useValue: new type() }]) {
        const error = await rejection(application(ann, [provider]));
        expect(error).toEqual(
          new LeaderSetupError(
            `@Term() on a parameter of ${type.name}.run: nothing would give it a value: put ` +
              '@LeaderOnly(role), @LeaderCron(expression), @OnLeadershipGained(role) or ' +
              '@OnLeadershipLost(role) on the method',
          ),
        );
      }
    }
  });
});
