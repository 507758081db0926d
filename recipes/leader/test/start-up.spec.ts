import { Injectable, Scope } from '@nestjs/common';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { getZooKeeperToken } from '@aviary/nest';
import {
  LeaderCron,
  LeaderModule,
  LeaderOnly,
  LeaderSetupError,
  Leaders,
  OnLeadershipGained,
  OnLeadershipLost,
  getLeadersToken,
  type LeaderModuleOptions,
} from '../src/index.js';
import { LeaderWorld, STEADY, rejection, type Service } from './leader-world.js';
import { application } from './nest-world.js';

let world: LeaderWorld;
let ann: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

/** A decorator without its types, which would not let most of these pass. */
type Untyped = (...words: unknown[]) => (...where: unknown[]) => void;
const only = LeaderOnly as unknown as Untyped;
const cron = LeaderCron as unknown as Untyped;
const lost = OnLeadershipLost as unknown as Untyped;

class Tower {
  ring(): void {}
}
const tower = Tower.prototype;
const onRing = [tower, 'ring', Object.getOwnPropertyDescriptor(tower, 'ring')];

describe('the start stops', () => {
  it.each<[string, () => void, RegExp]>([
    [
      '@LeaderOnly on a class',
      () => only('a')(Tower),
      /on Tower: it belongs on a method, not on a/,
    ],
    ['@LeaderOnly on a property', () => only('a')(tower, 'x'), /not on a property/],
    ['@LeaderOnly without a role', () => only('')(...onRing), /on Tower\.ring: its role must be a/],
    [
      'an unknown way',
      () => only('a', { otherwise: 'wait' })(...onRing),
      /otherwise must be one of "throw", "skip", not "wait"/,
    ],
    [
      'a way for options',
      () => only('a', 'skip')(...onRing),
      /its options must be an object, not "skip"/,
    ],
    ['null for options', () => cron('* * * * *', null)(...onRing), /an object, not null/],
    [
      'a module that has no name',
      () => lost('a', { leaders: 5 })(...onRing),
      /leaders must be .* 5/,
    ],
    ['no expression', () => cron()(...onRing), /its expression must be a string, not undefined/],
    [
      'a number for a zone',
      () => cron('* * * * *', { timeZone: 5 })(...onRing),
      /timeZone must be/,
    ],
    ['a number for a name', () => cron('* * * * *', { name: 5 })(...onRing), /it is no string/],
    [
      'a word for a boolean',
      () => cron('* * * * *', { disabled: 'no' })(...onRing),
      /disabled must/,
    ],
    [
      'no cron expression',
      () => cron('each night')(...onRing),
      /"each night" in "UTC" is no time to/,
    ],
    [
      'a day that never comes',
      () => cron('0 0 31 2 *')(...onRing),
      /^@LeaderCron\(\) on Tower\.ring: "0 0 31 2 \*" in "UTC" is no time to fire at: it never fires, since no month that it names has such a day$/,
    ],
    [
      'an unknown zone',
      () => cron('* * * * *', { timeZone: 'X' })(...onRing),
      /in "X" is no time to/,
    ],
    [
      'a climbing name',
      () => cron('* * * * *', { name: '..' })(...onRing),
      /cannot be that of a node/,
    ],
    ['a name with a slash', () => cron('* * * * *', { name: 'a/b' })(...onRing), /it has a slash/],
    [
      'an unknown misfire',
      () => cron('* * * * *', { misfire: 'all' })(...onRing),
      /misfire must be one of .*, not "all"/,
    ],
    [
      'an unknown way to go on',
      () => cron('* * * * *', { interrupted: 'x' })(...onRing),
      /interrupted must be one of .*, not "x"/,
    ],
    [
      'a wrong time',
      () => cron('* * * * *', { late: 'x' })(...onRing),
      /late must be milliseconds/,
    ],
    ['no history', () => cron('* * * * *', { history: 0 })(...onRing), /a whole number from 1/],
    ['a static method', () => lost('a')(Tower, 'x', { value: () => 1 }), /on Tower\.x: a static/],
    [
      'forFeature of no list',
      () => LeaderModule.forFeature('a' as never),
      /^LeaderModule\.forFeature: its roles must be a list, such as \["reports"\], not "a"$/,
    ],
    [
      'forFeature of nothing',
      () => LeaderModule.forFeature([undefined as never]),
      /^LeaderModule\.forFeature: the name of a role must be a string, .* not undefined$/,
    ],
    [
      'no role',
      () => lost('')(...onRing),
      /@OnLeadershipLost\(\) on Tower\.ring: its role must be/,
    ],
  ])('at definition: %s', (_what, define, problem) => {
    expect(define).toThrow(LeaderSetupError);
    expect(define).toThrow(problem);
  });

  class Gained {
    @OnLeadershipGained('a')
    gained(): void {}
  }
  class Ticks {
    @LeaderCron('* * * * *')
    tick(): void {}
  }
  class Only {
    @LeaderOnly('a')
    async run(): Promise<void> {}
  }

  it.each([Gained, Ticks, Only])('without LeaderModule: %p', async (type) => {
    @Injectable()
    class Marked extends (type as new () => object) {}
    const connection = { provide: getZooKeeperToken(), useValue: ann.zk };
    const testing = Test.createTestingModule({ providers: [Marked, connection] });
    const error = await rejection(testing.compile());
    expect((error as Error).constructor.name).toBe('UnknownDependenciesException');
    expect(String(error)).toMatch(
      /its @\w+\(\) needs LeaderModule\.forRoot\(\.\.\.\) in the imports/,
    );
  });

  it.each([Gained, Ticks])(
    'with a request-scoped object that nobody could call: %p',
    async (type) => {
      @Injectable({ scope: Scope.REQUEST })
      class Marked extends (type as new () => object) {}
      const error = await rejection(application(ann, [Marked]));
      expect(error).toBeInstanceOf(LeaderSetupError);
      expect(String(error)).toMatch(/on Marked\.\w+: .*request-scoped.* default scope/);
    },
  );

  it('with two jobs of one name, and with one that Nest knows already', async () => {
    @Injectable()
    class One {
      @LeaderCron('* * * * *', { name: 'tick' })
      tick(): void {}
    }
    @Injectable()
    class Other {
      @LeaderCron('* * * * *', { name: 'tick' })
      tock(): void {}
    }
    expect(String(await rejection(application(ann, [One, Other])))).toMatch(
      /@LeaderCron\(\) on Other\.tock has the name "tick" of that on One\.tick/,
    );
    @Injectable()
    class Nests {
      @Cron('* * * * *', { name: 'tick', disabled: true })
      tick(): void {}
    }
    const both = application(ann, [One, Nests], {}, { imports: [ScheduleModule.forRoot()] });
    expect(String(await rejection(both))).toMatch(/tick/);
  });

  it.each<[string, LeaderModuleOptions, RegExp]>([
    ['root', { root: 'x' }, /LeaderModule "default": root: a path must start/],
    ['grace', { grace: 'x' as never }, /LeaderModule "default": grace must be milliseconds or/],
    ['cronRoot', { cronRoot: 'x' }, /LeaderModule "default": cronRoot: a path must start/],
    ['campaign', { campaign: 'no' as never }, /campaign must be a boolean, not no/],
    [
      'onForeignContender',
      { onForeignContender: 'ignore' as never },
      /onForeignContender must be one of throw, warn, not ignore/,
    ],
    ['layout', { layout: 'x' as never }, /layout must be one of latch, selector, not x/],
  ])('with a wrong option: %s', async (_name, options, problem) => {
    const error = await rejection(application(ann, [], options));
    expect(error).toBeInstanceOf(LeaderSetupError);
    expect(String(error)).toMatch(problem);
  });

  it('with a role that is no path, as a class, or with the leaders of a name that is not there', async () => {
    class Climbs {
      @LeaderOnly('../a')
      async run(): Promise<void> {}
    }
    expect(String(await rejection(application(ann, [Climbs])))).toMatch(/role: .*component "\.\."/);
    const error = await rejection(
      application(ann, [], {}, { imports: [LeaderModule.forFeature(['../a'])] }),
    );
    expect(error).toBeInstanceOf(LeaderSetupError);
    expect(String(error)).toMatch(
      /LeaderModule\.forFeature: role: .*component "\.\.": .*\/\.\.\/a/,
    );
    const connection = { provide: getZooKeeperToken(), useValue: ann.zk };
    const testing = Test.createTestingModule({ imports: [LeaderModule], providers: [connection] });
    expect(String(await rejection(testing.compile()))).toMatch(/import LeaderModule\.forRoot/);
    class Named {
      @OnLeadershipGained('a', { leaders: 'audit' })
      gained(): void {}
    }
    const given = [{ provide: Named, useValue: new Named() }];
    expect(String(await rejection(application(ann, given)))).toMatch(/with the name "audit"/);
  });

  it('not where a test substitutes the leaders', async () => {
    const connection = { provide: getZooKeeperToken(), useValue: ann.zk };
    class Free {}
    const app = await Test.createTestingModule({
      imports: [
        { module: Free, global: true, providers: [connection], exports: [connection] },
        LeaderModule.forRoot(),
      ],
    })
      .overrideProvider(getLeadersToken())
      .useValue({ fake: true })
      .compile();
    await app.init();
    expect(app.get(Leaders)).toEqual({ fake: true });
    await app.close();
  });
});
