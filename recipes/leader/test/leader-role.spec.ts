import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Subscription } from 'rxjs';
import { Leaders, type LeaderStatus, type LeaderTerm } from '../src/index.js';
import {
  LeaderWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  rejection,
  type Service,
} from './leader-world.js';

let world: LeaderWorld;
let ann: Service;
let bob: Service;
let cas: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  cas = await world.connected('cas');
});

const shown = ({ leader, me, term, queue }: LeaderStatus) => ({
  leader: leader?.id ?? null,
  me: me?.id ?? null,
  leads: term !== null,
  queue: queue.map(({ id }) => id),
});

/** What a service's status says, from now on. */
function follow({ role, process }: Service): ReturnType<typeof shown>[] {
  const seen: ReturnType<typeof shown>[] = [];
  process.run(() => role.status$.subscribe((status) => seen.push(shown(status))));
  return seen;
}

describe('a role', () => {
  it('has one leader at a time, in the order in which they came', async () => {
    await world.campaign(ann, bob, cas);
    const first = await world.leading(ann);
    expect([bob.role.term, cas.role.term]).toEqual([null, null]);
    expect(first).toMatchObject({ role: 'a', path: '/leaders/a', id: 'ann', isHeld: true });
    expect(first.sessionId).toBe(ann.zk.sessionId);
    await world.in(ann, () => ann.role.withdraw());
    expect(first.signal.aborted).toBe(true);
    expect(first.signal.reason).toMatchObject({ name: 'LeaseLostError', reason: 'resigned' });
    const second = await world.leading(bob);
    expect(second.token).toBeGreaterThan(first.token);
    expect(await world.ids()).toEqual(['bob', 'cas']);
    expect(ann.role.isCampaigning).toBe(false);
  });

  it('is held by a node as Curator makes it', async () => {
    await world.campaign(ann);
    expect(await world.nodes()).toEqual([expect.stringMatching(/^_c_[0-9a-f-]{36}-latch-\d{10}$/)]);
    const selector = world.service('dan', {}, { layout: 'selector', root: '/selectors' });
    const leading = world.in(selector, () => selector.role.whenLeading());
    expect((await leading).nodePath).toMatch(/^\/selectors\/a\/_c_[0-9a-f-]{36}-lock-\d{10}$/);
  });

  it('goes to the end of the queue when its leader resigns, and comes back', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    await world.in(ann, () => ann.role.resign());
    await world.leading(bob);
    while ((await world.ids()).length < 2) await world.pass(20);
    expect(await world.ids()).toEqual(['bob', 'ann']);
    await world.in(bob, () => bob.role.resign());
    const again = await world.leading(ann);
    expect(again.token).toBeGreaterThan(first.token);
  });

  it('may be wanted again while it is given up, and then stands behind itself', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    void world.begin(ann, () =>
      first.run(() => new Promise<void>((resolve) => ann.process.clock.setTimer(3_000, resolve))),
    );
    const withdrawn = world.begin(ann, () => {
      const done = ann.role.withdraw();
      ann.role.campaign();
      return done;
    });
    await world.pass(300);
    expect(await world.ids()).toEqual(['ann', 'bob', 'ann']);
    expect([ann.role.isCampaigning, ann.role.term, first.isHeld]).toEqual([true, null, true]);
    await world.world.settle(withdrawn);
    await world.leading(bob);
    await world.in(bob, () => bob.role.withdraw());
    expect((await world.leading(ann)).token).toBeGreaterThan(first.token);
  });

  it('rotates among those who lead for some work, as with the selector of Curator', async () => {
    const led: string[] = [];
    const work =
      ({ process, name }: Service) =>
      async (term: LeaderTerm) => {
        led.push(name);
        expect(term.isOpen).toBe(true);
        await new Promise<void>((resolve) => process.clock.setTimer(50, resolve));
        if (name === 'cas') throw new Error('no paper');
      };
    for (const service of [ann, bob, cas]) {
      service.process.run(() => service.role.campaign(work(service)));
      await world.pass(30);
    }
    await world.world.reach(() => led.length > 6);
    // Who comes first depends on who makes the directory; from there on they take turns.
    expect(new Set(led.slice(0, 3)).size).toBe(3);
    expect(led.slice(3, 6)).toEqual(led.slice(0, 3));
    expect(cas.lines).toContain('the work of the leader of "a" failed');
  });

  it('is one object for each name', () => {
    expect(ann.leaders.role('a')).toBe(ann.role);
    expect(ann.leaders.role('/leaders/a')).toBe(ann.role);
    expect(ann.leaders.role('b')).not.toBe(ann.role);
    expect(ann.leaders.roles.map(({ path }) => path)).toEqual(['/leaders/a', '/leaders/b']);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['', () => ann.leaders.role(''), /must be a string, and not empty/],
    ['..', () => ann.leaders.role('../locks'), /component ".."/],
    ['/', () => ann.leaders.role('/'), /root cannot be a role/],
    ['root', () => new Leaders(ann.zk, { root: 'x' }), /root: a path must start/],
    ['grace', () => new Leaders(ann.zk, { graceMs: NaN }), /graceMs must be a number/],
    ['campaign', () => new Leaders(ann.zk, { campaign: 0 as never }), /campaign must be a boolean/],
    ['layout', () => new Leaders(ann.zk, { layout: 'x' as never }), /layout must be one of latch/],
    ['overrun', () => new Leaders(ann.zk, { onOverrun: 'x' as never }), /onOverrun must be one of/],
  ])('is refused where it makes no sense: %s', (_what, make, problem) => {
    expect(make).toThrow(problem);
  });
});

describe('whenLeading', () => {
  it('gives the term as soon as there is one', async () => {
    await world.campaign(ann, bob);
    const waiting = world.begin(bob, () => bob.role.whenLeading());
    await world.in(ann, () => ann.role.withdraw());
    expect(await world.world.settle(waiting)).toBe(bob.role.term);
  });

  it('I9: ends in time, by its signal, and with its leaders', async () => {
    await world.campaign(ann, bob);
    const startedMs = world.world.virtualMs;
    const late = await rejection(world.in(bob, () => bob.role.whenLeading({ waitMs: 300 })));
    expect(late).toMatchObject({ name: 'LeadershipTimeoutError', waitMs: 300 });
    expect(world.world.virtualMs - startedMs).toBeLessThanOrEqual(305);
    const controller = new AbortController();
    const aborted = world.begin(bob, () => bob.role.whenLeading({ signal: controller.signal }));
    bob.process.run(() => controller.abort());
    expect(await rejection(world.world.settle(aborted))).toMatchObject({ name: 'AbortedError' });
    const closed = world.begin(bob, () => bob.role.whenLeading());
    await world.in(bob, () => bob.leaders.close());
    expect(await rejection(closed)).toMatchObject({ name: 'LeadersClosedError' });
    expect(() => bob.role.campaign()).toThrow(/shutting down/);
    expect(() => bob.leaders.role('b').campaign()).toThrow(/shutting down/);
  });

  it('says that nobody answers, where that is so', async () => {
    world.world.partition(['ann'], ['server']);
    const late = rejection(world.in(ann, () => ann.role.whenLeading({ waitMs: 3_000 })));
    expect(String(await late)).toMatch(/within 3000 ms: the client is (lost|suspended|connecting)/);
  });
});

describe('work of a term', () => {
  it('is begun by the leader only', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    expect(await world.in(ann, () => term.run(() => 'done'))).toBe('done');
    await world.in(ann, () => ann.role.resign());
    expect(await rejection(term.run(() => 'done'))).toMatchObject({ name: 'NotLeaderError' });
  });

  it('ends before the role is free, and may write under the guard until then', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    const order: string[] = [];
    const working = world.begin(ann, () =>
      term.run(async () => {
        await new Promise<void>((resolve) => ann.process.clock.setTimer(700, resolve));
        expect(term.signal.aborted).toBe(true);
        expect([term.isOpen, term.isHeld]).toEqual([false, true]);
        term.assertHeld();
        await term.transaction().create('/done', 'by ann').commit();
        order.push('worked');
      }),
    );
    await world.pass(50);
    const resigned = world.begin(ann, () => ann.role.resign().then(() => order.push('resigned')));
    await world.pass(300);
    expect(bob.role.term).toBeNull();
    expect(await world.ids()).toEqual(['ann', 'bob']);
    await world.world.settle(Promise.all([working, resigned]));
    await world.leading(bob);
    expect(order).toEqual(['worked', 'resigned']);
    expect(term.isHeld).toBe(false);
    expect(() => term.assertHeld()).toThrow(/not held/);
  });

  it('cannot write under the guard of a term that others follow', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    const write = () => term.transaction().create('/late').commit();
    await world.look((zk) => zk.delete(term.nodePath));
    const refused = await rejection(world.in(ann, write));
    expect(refused).toMatchObject({ name: 'LeaseLostError', reason: 'nodeDeleted' });
    expect(await world.look((zk) => zk.exists('/late'))).toBeNull();
  });
});

describe('status$', () => {
  it('tells observers who do not take part, and who need no node', async () => {
    const seen = follow(cas);
    await world.pass(100);
    expect(seen).toEqual([{ leader: null, me: null, leads: false, queue: [] }]);
    await world.campaign(ann, bob);
    await world.pass(100);
    expect(seen.at(-1)).toEqual({ leader: 'ann', me: null, leads: false, queue: ['bob'] });
    await world.in(ann, () => ann.role.withdraw());
    await world.pass(100);
    expect(seen.at(-1)).toEqual({ leader: 'bob', me: null, leads: false, queue: [] });
    expect(await world.ids()).toEqual(['bob']);
  });

  it('tells those who take part where they stand', async () => {
    await world.campaign(ann, bob);
    const [leader, waiting] = [follow(ann), follow(bob)];
    await world.pass(100);
    expect(leader.at(-1)).toEqual({ leader: 'ann', me: 'ann', leads: true, queue: ['bob'] });
    expect(waiting.at(-1)).toEqual({ leader: 'ann', me: 'bob', leads: false, queue: ['bob'] });
    await world.in(ann, () => ann.role.resign());
    await world.pass(200);
    expect(leader.at(-1)).toEqual({ leader: 'bob', me: 'ann', leads: false, queue: ['ann'] });
    expect(waiting.at(-1)).toEqual({ leader: 'bob', me: 'bob', leads: true, queue: ['ann'] });
  });

  it('T19: is right again after a gap in which everything changed', async () => {
    await world.campaign(ann);
    const seen = follow(cas);
    await world.pass(100);
    world.world.partition(['cas'], ['server']);
    await world.in(ann, () => ann.role.withdraw());
    await world.campaign(bob);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(seen.at(-1)).toMatchObject({ leader: 'ann' });
    world.world.heal();
    await world.world.reach(() => seen.at(-1)?.leader === 'bob');
  });

  it('shares one watch among its subscribers, and leaves none', async () => {
    await world.campaign(ann);
    await world.pass(100);
    const before = world.watchCount;
    const subscriptions: Subscription[] = [];
    cas.process.run(() => {
      for (let at = 0; at < 3; at++) subscriptions.push(cas.role.status$.subscribe());
    });
    await world.pass(100);
    expect(cas.zk.watchCount).toBe(1);
    expect(world.watchCount).toBe(before + 1);
    for (const each of subscriptions) cas.process.run(() => each.unsubscribe());
    await world.pass(100);
    expect([cas.zk.watchCount, world.watchCount]).toEqual([0, before]);
  });
});

describe('transferTo', () => {
  const transfer = (by: Service, id: string, waitMs?: number) =>
    world.in(by, () => by.role.transferTo(id, { waitMs }));

  it.each(['ann', 'bob', 'cas', 'dan'])(
    'makes the last one the leader, asked by %s',
    async (by) => {
      const dan = await world.connected('dan');
      const all = [ann, bob, cas, dan];
      await world.campaign(...all);
      const first = await world.leading(ann);
      const asking = all.find(({ name }) => name === by)!;
      const transferred = transfer(asking, 'dan');
      await transferred;
      const term = await world.leading(dan);
      expect(term.token).toBeGreaterThan(first.token);
      expect(first.ended).toBe(by === 'ann' ? 'resigned' : 'revoked');
      // The others are back, behind it.
      while ((await world.ids()).length < 4) await world.pass(20);
      expect((await world.ids())[0]).toBe('dan');
      // Whoever leads later has a greater token.
      let last = term.token;
      for (let at = 0; at < 3; at++) {
        const leader = all.find(({ role }) => role.term !== null)!;
        await world.in(leader, () => leader.role.withdraw());
        await world.world.reach(() => all.some(({ role }) => role.term !== null));
        const next = all.find(({ role }) => role.term !== null)!.role.term!;
        expect(next.token).toBeGreaterThan(last);
        last = next.token;
      }
    },
  );

  it('waits for the work of the leader, and nobody in between leads', async () => {
    await world.campaign(ann, bob, cas);
    const term = await world.leading(ann);
    const working = world.begin(ann, () =>
      term.run(() => new Promise<void>((resolve) => ann.process.clock.setTimer(800, resolve))),
    );
    const led = new Set<string>();
    bob.process.run(() => bob.role.term$.subscribe((each) => each && led.add('bob')));
    const transferred = world.begin(cas, () => cas.role.transferTo('cas'));
    await world.pass(500);
    expect(cas.role.term).toBeNull();
    await world.world.settle(working);
    await world.world.settle(transferred);
    await world.leading(cas);
    expect([...led]).toEqual([]);
  });

  it('waits for whom another hand-over has just sent to the end of the queue', async () => {
    await world.campaign(ann, bob, cas);
    await world.leading(ann);
    bob.process.pause();
    await transfer(ann, 'cas');
    await world.leading(cas);
    const again = world.begin(ann, () => ann.role.transferTo('bob', { waitMs: 10_000 }));
    await world.pass(500);
    expect((await world.children(ann.role.path)).length).toBe(2);
    bob.process.resume();
    await world.world.settle(again);
    await world.leading(bob);
  });

  it('does nothing for who leads already, and refuses whom nobody knows', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    await transfer(bob, 'ann');
    expect(term.isOpen).toBe(true);
    const unknown = await rejection(transfer(ann, 'zoe'));
    expect(unknown).toMatchObject({ name: 'HandOverError', outcome: 'notApplied' });
    expect(String(unknown)).toMatch(/nobody called "zoe" takes part, but "ann", "bob"/);
    expect(term.isOpen).toBe(true);
  });

  it('I9: ends in time where the leader does not step down', async () => {
    await world.campaign(ann, bob);
    await world.leading(ann);
    const term = ann.role.term!;
    void world.begin(ann, () => term.run(() => new Promise<void>(() => undefined)));
    const error = await rejection(transfer(bob, 'bob', 500));
    expect(error).toMatchObject({ name: 'HandOverError', outcome: 'unknown' });
    expect(String(error)).toMatch(/"ann" has not stepped down in time, but "bob" is the next/);
    // After its grace period the role passes on all the same.
    await world.leading(bob);
  });
});

describe('the end', () => {
  it('I8: leaves no node, no watch and no timer', async () => {
    const before = world.watchCount;
    await world.campaign(ann, bob, cas);
    await world.leading(ann);
    follow(ann);
    await world.pass(100);
    const closed = [ann, bob, cas].map((each) => world.begin(each, () => each.leaders.close()));
    await world.world.settle(Promise.all(closed));
    expect(await world.ids()).toEqual([]);
    // The subscriber of the status is left, and goes with the client.
    expect([bob, cas].map(({ zk }) => zk.watchCount)).toEqual([0, 0]);
    await world.in(ann, () => ann.zk.close());
    await world.pass(100);
    expect(world.watchCount).toBe(before);
    await world.pass(5_000);
    expect(await world.look((zk) => zk.exists('/leaders'))).toBeNull();
  });
});
