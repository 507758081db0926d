import { beforeEach, describe, expect, it } from '@jest/globals';
import { LeaderCronJob } from '../src/core/cron-job.js';
import { RECORD_BYTES_MAX, decodeRecord, encodeRecord } from '../src/core/cron-record.js';
import { CronSchedule } from '../src/core/cron-schedule.js';
import { CronStore } from '../src/core/cron-store.js';
import type { CronFire, LeaderStatus } from '../src/index.js';
import { LeaderWorld, STEADY, rejection, type Service } from './leader-world.js';

/** What happens to those who lead when something else than another leader comes between. */
let world: LeaderWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const sleep = ({ process }: Service, ms: number) =>
  new Promise<void>((resolve) => process.clock.setTimer(ms, resolve));

describe('a client that is closed', () => {
  it('ends every wait for its leadership, and its status', async () => {
    await world.campaign(ann, bob);
    const seen: unknown[] = [];
    bob.process.run(() => {
      const complete = () => seen.push('complete');
      bob.role.status$.subscribe({ next: ({ leader }) => seen.push(leader?.id), complete });
    });
    const waiting = rejection(world.begin(bob, () => bob.role.whenLeading()));
    await world.pass(100);
    await world.in(bob, () => bob.zk.close());
    expect(await world.world.settle(waiting)).toMatchObject({ name: 'ClosedError' });
    const late = rejection(world.in(bob, () => bob.role.whenLeading()));
    expect(await late).toMatchObject({ name: 'ClosedError' });
    expect(seen.at(-1)).toBe('complete');
    expect(bob.lines).toEqual([]);
  });
});

describe('who steps down after the connection broke', () => {
  it('gives up the place that was kept', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => first.signal.aborted);
    await world.pass(20);
    await world.in(ann, () => ann.role.resign());
    world.world.heal();
    await world.leading(bob);
    expect(ann.zk.state.kind).toBe('reconnected');
    while ((await world.ids()).length < 2) await world.pass(20);
    expect(await world.ids()).toEqual(['bob', 'ann']);
  });

  it('hands over, although work of the term before still runs', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    void world.begin(ann, () => first.run(() => sleep(ann, 1_000)));
    world.world.fabric.resetBetween('ann', 'server');
    await world.world.reach(() => first.signal.aborted);
    await world.pass(200);
    await world.in(ann, () => ann.role.transferTo('bob', { waitMs: 5_000 }));
    await world.leading(bob);
  });

  it('has given the place up when that is told, and while it waits keeps it', async () => {
    const cas = await world.connected('cas');
    await world.campaign(ann, bob, cas);
    await world.in(bob, () => bob.role.resign());
    const first = await world.leading(ann);
    void world.begin(ann, () => first.run(() => sleep(ann, 1_000)));
    world.world.fabric.resetBetween('ann', 'server');
    await world.pass(200);
    expect(first.ended).toBe('suspended');
    await world.in(ann, () => ann.role.resign());
    expect(world.port.tree.findText(first.nodePath)).toBe(-1);
    await world.leading(bob);
  });

  it('leads again from the end of the queue, as often as it likes', async () => {
    await world.campaign(ann);
    const first = await world.leading(ann);
    await world.in(ann, () => ann.role.resign());
    const second = await world.leading(ann);
    world.world.fabric.resetBetween('ann', 'server');
    await world.world.reach(() => second.signal.aborted);
    const third = await world.leading(ann);
    expect(second.token).toBeGreaterThan(first.token);
    expect([third.token, third.resumed]).toEqual([second.token, 1]);
  });
});

it('a role that could not be had is wanted again without what stood in the way then', async () => {
  const cas = await world.connected('cas', {}, { layout: 'selector' });
  await world.campaign(ann);
  const refused = await rejection(world.in(cas, () => cas.role.whenLeading()));
  expect(refused).toMatchObject({ name: 'ForeignContenderError' });
  expect(cas.role.problem).toBe(refused);
  await world.in(cas, () => cas.role.withdraw());
  expect(cas.role.problem).toBeNull();
  await world.in(ann, () => ann.role.withdraw());
  expect(await world.in(cas, () => cas.role.whenLeading())).toBe(cas.role.term);
});

it('T1: who finds its node only after a lost answer is shown where it stands', async () => {
  await world.campaign(ann);
  const seen: LeaderStatus[] = [];
  bob.process.run(() => bob.role.status$.subscribe((status) => seen.push(status)));
  await world.pass(100);
  bob.process.run(() => bob.role.campaign());
  world.world.after(15, () => world.world.fabric.resetBetween('bob', 'server'));
  await world.pass(1_000);
  expect(seen.at(-1)).toMatchObject({ leader: { id: 'ann' }, me: { id: 'bob' } });
  await world.in(bob, () => bob.role.withdraw());
  await world.pass(100);
  expect(seen.at(-1)).toMatchObject({ leader: { id: 'ann' }, me: null });
  const shown = seen.map(({ leader, me, queue }) => [leader?.id, me?.id, queue.length].join());
  expect(shown.filter((one, at) => one === shown[at - 1])).toEqual([]);
});

it('work without a limit holds the role for as long as it takes', async () => {
  const cas = await world.connected('cas', {}, { graceMs: Infinity });
  await world.campaign(cas, bob);
  const term = await world.leading(cas);
  void world.begin(cas, () => term.run(() => sleep(cas, 20_000)));
  const resigned = world.begin(cas, () => cas.role.resign());
  await world.pass(19_000);
  expect([bob.role.term, term.isHeld]).toEqual([null, true]);
  await world.world.settle(resigned);
  await world.leading(bob);
  expect(cas.lines).toEqual([]);
});

describe('a job', () => {
  it('tells who fires it by hand why it cannot be fired', async () => {
    await world.look(async (zk) => {
      await zk.ensurePath('/cron');
      await zk.create('/cron/tick', 'not mine');
    });
    const job = new LeaderCronJob({
      name: 'tick',
      role: ann.role,
      schedule: new CronSchedule('*/10 * * * * *', 'UTC'),
      store: new CronStore(ann.zk, '/cron/tick', undefined),
      misfire: 'skip',
      interrupted: 'leave',
      lateMs: 1_000,
      history: 5,
      clock: ann.process.clock,
      log: ann.log,
      body: () => undefined,
    });
    await world.campaign(ann);
    await world.leading(ann);
    ann.process.run(() => job.start());
    const error = await rejection(world.in(ann, () => job.fireNow()));
    expect(error).toBeInstanceOf(SyntaxError);
  });

  it('remembers as much as a node can hold', () => {
    const at = new Date(0);
    const fire: CronFire = {
      ...{ at, outcome: 'failed', by: 'ann', token: 1n, attempt: 1, startedAt: at, endedAt: at },
      ...{ error: '\u0001€'.repeat(250), missedSince: null },
    };
    const history = Array.from({ length: 1_000 }, (_, attempt) => ({ ...fire, attempt }));
    const text = encodeRecord({ last: at, history });
    expect(Buffer.byteLength(text)).toBeLessThan(RECORD_BYTES_MAX + 100);
    const kept = decodeRecord(Buffer.from(text)).history;
    expect(kept).toEqual(history.slice(0, kept.length));
    expect(kept.length).toBeGreaterThan(100);
  });

  it('has times that ascend, also where clocks are set back by half an hour', () => {
    const each = new CronSchedule('*/10 * * * *', 'Australia/Lord_Howe');
    const fromMs = Date.parse('2026-04-04T14:00:00Z');
    const untilMs = Date.parse('2026-04-04T17:00:00Z');
    const times: number[] = [];
    for (let atMs = each.next(fromMs); atMs <= untilMs && times.length < 20;) {
      times.push(atMs);
      atMs = each.next(atMs);
    }
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
    expect(times.at(-1)).toBe(untilMs);
    expect(each.newest(fromMs, untilMs)).toBe(untilMs);
  });
});
