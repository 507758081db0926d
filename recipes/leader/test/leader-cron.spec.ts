import { beforeEach, describe, expect, it } from '@jest/globals';
import { LeaderCronJob } from '../src/core/cron-job.js';
import { planOf, type MisfirePolicy } from '../src/core/cron-plan.js';
import { decodeRecord, encodeRecord } from '../src/core/cron-record.js';
import { CronSchedule } from '../src/core/cron-schedule.js';
import { CronStore } from '../src/core/cron-store.js';
import type { CronFire, LeaderTerm } from '../src/index.js';
import {
  CountingClock,
  LeaderWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  rejection,
  type Service,
} from './leader-world.js';

const at = (text: string): number => Date.parse(`2026-03-${text}Z`);

describe('a schedule', () => {
  it('knows the times that follow, in its own time zone', () => {
    const nightly = new CronSchedule('0 3 * * *', 'UTC');
    expect(nightly.next(at('01T02:59:59'))).toBe(at('01T03:00:00'));
    expect(nightly.next(at('01T03:00:00'))).toBe(at('02T03:00:00'));
    expect(nightly.next(at('01T03:00:00.500'))).toBe(at('02T03:00:00'));
    const tokyo = new CronSchedule('0 3 * * *', 'Asia/Tokyo');
    expect(tokyo.next(at('01T00:00:00'))).toBe(at('01T18:00:00'));
  });

  it('finds the newest time that has passed, however long ago the last one was', () => {
    const each = new CronSchedule('* * * * * *', 'UTC');
    expect(each.newest(0, at('09T12:00:00.700'))).toBe(at('09T12:00:00'));
    const nightly = new CronSchedule('0 3 * * *', 'UTC');
    expect(nightly.newest(at('01T03:00:00'), at('09T02:00:00'))).toBe(at('08T03:00:00'));
    expect(nightly.newest(at('08T03:00:00'), at('09T02:00:00'))).toBeNull();
    expect(nightly.newest(at('08T03:00:00'), at('09T03:00:00'))).toBe(at('09T03:00:00'));
  });

  it.each(['', 'each night', '61 * * * *', '0 0 30 2 *'])('is refused: %j', (expression) => {
    expect(() => new CronSchedule(expression, 'UTC')).toThrow();
  });

  it('is refused in a time zone that does not exist', () => {
    expect(() => new CronSchedule('0 3 * * *', 'Europe/Atlantis')).toThrow(/timezone/i);
  });
});

describe('the plan of a leader', () => {
  const hourly = new CronSchedule('0 * * * *', 'UTC');
  const plan = (misfire: MisfirePolicy, last: string, now: string) =>
    planOf(hourly, { misfire, lateMs: 5_000 }, at(last), at(now));

  it.each<MisfirePolicy>(['skip', 'run-once', 'run-all'])(
    'waits for the next time (%s)',
    (misfire) => {
      const untilMs = at('01T13:00:00');
      expect(plan(misfire, '01T12:00:00', '01T12:59:59')).toEqual({ kind: 'wait', untilMs });
    },
  );

  it.each<MisfirePolicy>(['skip', 'run-once', 'run-all'])('fires on time (%s)', (misfire) => {
    const fire = { kind: 'fire', atMs: at('01T13:00:00'), missedSinceMs: null };
    expect(plan(misfire, '01T12:00:00', '01T13:00:00')).toEqual(fire);
    expect(plan(misfire, '01T12:00:00', '01T13:00:05')).toEqual(fire);
  });

  it('does with missed times what the policy says', () => {
    const missed = (misfire: MisfirePolicy) => plan(misfire, '01T12:00:00', '01T15:30:00');
    const newest = { atMs: at('01T15:00:00'), missedSinceMs: at('01T13:00:00') };
    expect(missed('skip')).toEqual({ kind: 'skip', ...newest });
    expect(missed('run-once')).toEqual({ kind: 'fire', ...newest });
    const first = { atMs: at('01T13:00:00'), missedSinceMs: null };
    expect(missed('run-all')).toEqual({ kind: 'fire', ...first });
  });

  it('fires the newest on time, also if others were missed before it', () => {
    const newest = { kind: 'fire', atMs: at('01T15:00:00'), missedSinceMs: at('01T13:00:00') };
    expect(plan('skip', '01T12:00:00', '01T15:00:01')).toEqual(newest);
  });

  it('waits if the clock was set back behind the last time', () => {
    const untilMs = at('01T16:00:00');
    expect(plan('run-all', '01T15:00:00', '01T12:30:00')).toEqual({ kind: 'wait', untilMs });
  });
});

describe('a record', () => {
  it('is read as it was written', () => {
    const date = new Date(at('01T12:00:00'));
    const fire: CronFire = {
      ...{ at: date, outcome: 'failed', by: 'ann', token: 2n ** 60n, attempt: 3 },
      ...{ startedAt: date, endedAt: null, error: 'no "paper"', missedSince: date },
    };
    const record = { last: date, history: [fire, { ...fire, endedAt: date, error: null }] };
    expect(decodeRecord(Buffer.from(encodeRecord(record)))).toEqual(record);
  });

  it.each([null, '', '{}', '[]', '{"last":"x","history":[]}', '{"history":[{}]}'])(
    'is refused if it is none: %j',
    (text) => {
      expect(() => decodeRecord(text === null ? null : Buffer.from(text))).toThrow(SyntaxError);
    },
  );
});

/** A job on one service, and what it did. */
class Runner {
  readonly fires: CronFire[] = [];
  readonly job: LeaderCronJob;
  /** How long it takes. */
  workMs = 0;
  failure: Error | null = null;

  constructor(
    readonly service: Service,
    options: { misfire?: MisfirePolicy; interrupted?: 'leave' | 'run-again'; every?: string } = {},
  ) {
    const { role, zk, log } = service;
    this.job = new LeaderCronJob({
      name: 'tick',
      role,
      schedule: new CronSchedule(options.every ?? '*/10 * * * * *', 'UTC'),
      store: new CronStore(zk, '/cron/tick', undefined),
      misfire: options.misfire ?? 'skip',
      interrupted: options.interrupted ?? 'leave',
      lateMs: 1_000,
      history: 5,
      clock: zk.clock,
      log,
      body: (fire, term) => this.run(fire, term),
    });
  }

  get times(): string[] {
    return this.fires.map((fire) => fire.at.toISOString().slice(14, 19));
  }

  start(): void {
    this.service.process.run(() => {
      this.job.start();
      this.service.role.campaign();
    });
  }

  private async run(fire: CronFire, term: LeaderTerm): Promise<void> {
    expect(term.isHeld).toBe(true);
    this.fires.push(fire);
    const { clock } = this.service.process;
    if (this.workMs > 0) await new Promise<void>((resolve) => clock.setTimer(this.workMs, resolve));
    if (this.failure !== null) throw this.failure;
  }
}

describe('a job of the leader', () => {
  let world: LeaderWorld;
  let ann: Service;
  let bob: Service;

  beforeEach(async () => {
    world = await LeaderWorld.start({ network: STEADY });
    ann = await world.connected('ann');
    bob = await world.connected('bob');
  });

  const record = (runner: Runner) => world.in(runner.service, () => runner.job.record());
  const outcomes = async (runner: Runner) =>
    (await record(runner))!.history.map(({ outcome, by }) => `${outcome} ${by}`);
  const seconds = (times: readonly string[]) => times.map((time) => Number(time.slice(3)));

  async function both(options: ConstructorParameters<typeof Runner>[1] = {}) {
    const [one, other] = [new Runner(ann, options), new Runner(bob, options)];
    one.start();
    await world.leading(ann);
    other.start();
    return { one, other };
  }

  it('fires on the leader only, at each time once, and is remembered', async () => {
    const { one, other } = await both();
    await world.pass(35_000);
    expect(one.fires.length).toBeGreaterThanOrEqual(3);
    expect(other.fires).toEqual([]);
    expect(new Set(one.times).size).toBe(one.times.length);
    expect(seconds(one.times).every((second) => second % 10 === 0)).toBe(true);
    const { history, last } = (await record(other))!;
    expect(history.map((fire) => fire.at)).toEqual(one.fires.map((fire) => fire.at).reverse());
    expect(last).toEqual(history[0]!.at);
    expect(history[0]).toMatchObject({
      outcome: 'done',
      by: 'ann',
      error: null,
      missedSince: null,
    });
    expect(history[0]!.token).toBe(ann.role.term!.token);
  });

  it('goes on on the next leader, and no time is fired twice', async () => {
    const { one, other } = await both({ misfire: 'run-all' });
    for (let round = 0; round < 5; round++) {
      await world.pass(7_300);
      const leader = ann.role.term === null ? bob : ann;
      await world.in(leader, () => leader.role.resign());
    }
    await world.pass(10_000);
    const times = [...one.times, ...other.times];
    expect(new Set(times).size).toBe(times.length);
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(Math.min(one.times.length, other.times.length)).toBeGreaterThan(0);
  });

  it('keeps no longer history than it is told to', async () => {
    const { one } = await both();
    await world.pass(85_000);
    expect(one.fires.length).toBeGreaterThan(6);
    expect((await record(one))!.history).toHaveLength(5);
  });

  it('says what failed, and goes on', async () => {
    const { one } = await both();
    one.failure = new Error('no paper');
    await world.pass(25_000);
    expect(one.fires.length).toBeGreaterThanOrEqual(2);
    expect((await record(one))!.history[0]).toMatchObject({
      outcome: 'failed',
      error: 'Error: no paper',
    });
    expect(ann.lines).toContain('the cron job "tick" failed');
  });

  it('never runs beside itself', async () => {
    const { one } = await both();
    one.workMs = 14_000;
    await world.pass(61_000);
    expect(one.fires.length).toBeLessThanOrEqual(5);
    for (const [index, fire] of one.fires.entries()) {
      const before = one.fires[index - 1];
      if (before)
        expect(fire.startedAt.getTime() - before.startedAt.getTime()).toBeGreaterThan(13_999);
    }
  });

  describe('whose leader is away for half a minute', () => {
    async function absence(misfire: MisfirePolicy) {
      const runners = await both({ misfire });
      const { one, other } = runners;
      await world.pass(12_000);
      await world.in(ann, () => ann.role.withdraw());
      await world.in(bob, () => bob.role.withdraw());
      const before = one.fires.length + other.fires.length;
      expect(before).toBeGreaterThan(0);
      await world.pass(34_000);
      bob.process.run(() => bob.role.campaign());
      await world.leading(bob);
      await world.pass(2_000);
      return { ...runners, made: other.fires };
    }

    it('makes up for nothing with `skip`, and says since when', async () => {
      const { made, other } = await absence('skip');
      expect(made.filter(({ missedSince }) => missedSince !== null)).toEqual([]);
      const [skipped] = (await record(other))!.history;
      expect(skipped).toMatchObject({ outcome: 'skipped', by: 'bob' });
      expect(skipped!.at.getTime() - skipped!.missedSince!.getTime()).toBe(20_000);
    });

    it('makes up for the newest with `run-once`', async () => {
      const { made } = await absence('run-once');
      expect(made).toHaveLength(1);
      expect(made[0]!.at.getTime() - made[0]!.missedSince!.getTime()).toBe(20_000);
    });

    it('makes up for all with `run-all`, in order', async () => {
      const { made } = await absence('run-all');
      expect(made).toHaveLength(3);
      const [first, second, third] = made.map((fire) => fire.at.getTime());
      expect([second! - first!, third! - second!]).toEqual([10_000, 10_000]);
    });
  });

  describe('whose leader dies in the middle of a fire', () => {
    async function death(interrupted: 'leave' | 'run-again') {
      const { one, other } = await both({ interrupted });
      one.workMs = 60_000;
      await world.world.reach(() => one.fires.length === 1);
      ann.process.kill();
      await world.leading(bob);
      await world.pass(500);
      return { one, other };
    }

    it('does not repeat it, and says that it was interrupted', async () => {
      const { other, one } = await death('leave');
      expect(other.fires).toEqual([]);
      expect(await outcomes(other)).toEqual(['interrupted ann']);
      await world.pass(10_000);
      expect(other.times).not.toContain(one.times[0]);
      expect(other.fires.length).toBeGreaterThan(0);
    });

    it('runs it again where that is said, and then it is done', async () => {
      const { one, other } = await death('run-again');
      expect(other.times).toEqual(one.times);
      expect(await outcomes(other)).toEqual(['done bob', 'interrupted ann']);
    });

    it('runs it three times at most', async () => {
      const services = ['cas', 'dan', 'eve', 'fay'];
      const { one, other } = await both({ interrupted: 'run-again' });
      const all = [one, other];
      for (const name of services) {
        const runner = new Runner(await world.connected(name), { interrupted: 'run-again' });
        runner.start();
        await world.pass(100);
        all.push(runner);
      }
      for (const runner of all) runner.workMs = 60_000;
      await world.world.reach(() => one.fires.length === 1);
      const [time] = one.times;
      for (const runner of all.slice(0, 3)) {
        await world.world.reach(() => runner.times.includes(time!));
        runner.service.process.kill();
      }
      await world.leading(all[3]!.service);
      await world.pass(1_000);
      const again = all.slice(3).filter(({ times }) => times.includes(time!));
      expect(again).toEqual([]);
    });
  });

  it('lets a fire end that runs when the leader resigns, and writes how', async () => {
    const { one, other } = await both();
    one.workMs = 3_000;
    await world.world.reach(() => one.fires.length === 1);
    await world.in(ann, () => ann.role.resign());
    await world.leading(bob);
    expect((await outcomes(other))[0]).toBe('done ann');
  });

  it('writes later how a fire ended during which its leader lost the connection', async () => {
    const { one } = await both();
    one.workMs = 1_000;
    await world.world.reach(() => one.fires.length === 1);
    world.world.fabric.resetBetween('ann', 'server');
    await world.pass(4_000);
    expect(ann.role.term).not.toBeNull();
    expect((await outcomes(one))[0]).toBe('done ann');
  });

  it('T21: fires once, whenever the connection breaks around its claim', async () => {
    const { one, other } = await both();
    await world.pass(5_000);
    let expected = one.fires.length;
    for (const afterMs of [1, 5, 9, 11, 13, 15, 19, 21, 25, 31, 35, 39, 41]) {
      const nextMs = one.job.nextAt.getTime() - ann.process.clock.wallMs();
      world.world.after(nextMs + afterMs, () => {
        world.world.fabric.resetBetween('ann', 'server');
      });
      await world.pass(nextMs + 5_000);
      expected++;
      expect([afterMs, one.fires.length + other.fires.length]).toEqual([afterMs, expected]);
    }
    const times = one.fires.map((fire) => fire.at.getTime());
    expect(new Set(times).size).toBe(times.length);
  });

  it('T31: fires no time twice when the clock is set back, and looks when it is set forward', async () => {
    const { one } = await both({ misfire: 'run-once' });
    await world.pass(12_000);
    const { host } = ann.process;
    const before = one.times.length;
    host.stepWallClock(-45_000);
    await world.pass(35_000);
    expect(one.times).toHaveLength(before);
    await world.pass(25_000);
    expect(one.times.length).toBeGreaterThan(before);
    const last = one.times.length;
    host.stepWallClock(25_000);
    await world.pass(60_000);
    const made = one.fires.slice(last).find(({ missedSince }) => missedSince !== null);
    expect(made!.at.getTime() - made!.missedSince!.getTime()).toBeGreaterThanOrEqual(10_000);
    expect(
      new Set(one.times.map((time, at) => `${time} ${one.fires[at]!.at.getTime()}`)).size,
    ).toBe(one.times.length);
  });

  it('is not fired by a leader that slept past its session', async () => {
    const { one, other } = await both();
    await world.pass(5_000);
    const before = one.fires.length;
    ann.process.pause();
    await world.pass(10_000 + 3 * SESSION_TIMEOUT_MS);
    expect(other.fires.length).toBeGreaterThan(0);
    ann.process.resume();
    await world.pass(3_000);
    expect(one.fires.length).toBe(before);
  });

  it('fires by hand on the leader, beside its schedule', async () => {
    const { one, other } = await both();
    await world.pass(3_000);
    const last = (await record(one))!.last;
    const fired = await world.in(ann, () => one.job.fireNow());
    expect(fired).toMatchObject({ outcome: 'done', by: 'ann' });
    expect(one.fires.at(-1)!.startedAt).toEqual(fired.startedAt);
    expect((await record(one))!.last).toEqual(last);
    expect(await rejection(other.job.fireNow())).toMatchObject({ name: 'NotLeaderError' });
    await world.in(ann, () => Promise.resolve(one.job.stop()));
    expect(await rejection(one.job.fireNow())).toMatchObject({ name: 'NotLeaderError' });
    const { length } = one.fires;
    await world.pass(21_000);
    expect(one.fires).toHaveLength(length);
    ann.process.run(() => one.job.start());
    await world.pass(10_000);
    expect(one.fires.length).toBeGreaterThan(length);
  });

  it('reports a record that is none, and touches nothing', async () => {
    await world.look(async (zk) => {
      await zk.ensurePath('/cron');
      await zk.create('/cron/tick', 'not mine');
    });
    const { one } = await both();
    await world.pass(12_000);
    expect(one.fires).toEqual([]);
    expect(ann.lines).toContain('the cron job "tick" cannot be fired');
    expect(String((await world.look((zk) => zk.get('/cron/tick'))).data)).toBe('not mine');
  });

  it('I8: leaves no timer and no watch when it is stopped', async () => {
    const process = world.world.addHost('dan').boot();
    const clock = new CountingClock(process.clock);
    const dan = world.serviceOf('dan', process, { clock });
    const runner = new Runner(dan);
    runner.start();
    await world.leading(dan);
    dan.process.run(() => void dan.role.status$.subscribe());
    const waiting = rejection(
      world.in(dan, () => dan.leaders.role('b').whenLeading({ waitMs: 1 })),
    );
    expect(await waiting).toMatchObject({ name: 'LeadershipTimeoutError' });
    await world.world.reach(() => runner.fires.length === 2);
    expect(clock.pending.size).toBeGreaterThan(0);
    await world.in(dan, async () => {
      runner.job.stop();
      await dan.leaders.close();
      await dan.zk.close();
    });
    await world.pass(100);
    expect([clock.pending.size, dan.zk.watchCount, world.watchCount]).toEqual([0, 0, 0]);
  });
});
