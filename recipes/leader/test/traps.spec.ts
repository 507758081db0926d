import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LeaderTerm } from '../src/index.js';
import { LeaderWorld, SESSION_TIMEOUT_MS, STEADY, type Service } from './leader-world.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
let world: LeaderWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await world.look((zk) => zk.ensurePath('/leaders/a'));
});

const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');
const sleep = ({ process }: Service, ms: number) =>
  new Promise<void>((resolve) => process.clock.setTimer(ms, resolve));

/** The term is right, as the server sees it: its node stands first and is of the current session. */
async function expectRightful(service: Service, term: LeaderTerm): Promise<void> {
  const stat = await world.look((zk) => zk.exists(term.nodePath));
  expect(stat).toMatchObject({ ephemeralOwner: service.zk.sessionId, czxid: term.token });
  expect(term.nodePath.endsWith((await world.nodes())[0]!)).toBe(true);
}

describe('T1: a create whose answer is lost', () => {
  it.each([5, 9, 11, 13, 15, 19])('leaves one node (reset after %i ms)', async (afterMs) => {
    ann.process.run(() => ann.role.campaign());
    world.world.after(afterMs, resetAnn);
    const term = await world.leading(ann);
    expect(await world.ids()).toEqual(['ann']);
    await expectRightful(ann, term);
  });

  it('is cleaned up behind a candidate that was withdrawn meanwhile', async () => {
    ann.process.run(() => ann.role.campaign());
    world.world.after(13, () => {
      resetAnn();
      world.world.partition(['ann'], ['server']);
    });
    await world.pass(50);
    const closing = world.begin(ann, () => ann.leaders.close({ deadlineMs: 100 }));
    await world.world.settle(closing);
    expect(await world.ids()).toEqual(['ann']);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(200);
    expect(await world.ids()).toEqual([]);
    expect(ann.zk.state.kind).toBe('reconnected');
  });
});

it('T3: a node of the session before is never taken for one of this session', async () => {
  await world.campaign(bob);
  ann.process.run(() => ann.role.campaign());
  await world.pass(15);
  // Ann's node is there, its answer lost, and her session ends before she can look for it.
  resetAnn();
  world.world.partition(['ann'], ['server']);
  const [, before] = await world.nodes();
  expect(before).toBeDefined();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  world.world.heal();
  await world.in(bob, () => bob.role.withdraw());
  const term = await world.leading(ann);
  expect(term.nodePath.endsWith(before!)).toBe(false);
  await expectRightful(ann, term);
  expect(await world.ids()).toEqual(['ann']);
});

describe('T4: a dying node of our own', () => {
  it('does not lead: the process slept past its session, and was first when it woke', async () => {
    const cas = await world.connected('cas');
    await world.campaign(bob, ann);
    const sessionBefore = ann.zk.sessionId;
    ann.process.pause();
    await world.pass(100);
    // The predecessor goes; the event that says so waits in the socket of the stopped process.
    await world.in(bob, () => bob.role.withdraw());
    await world.pass(3 * SESSION_TIMEOUT_MS);
    await world.campaign(cas);
    const led: LeaderTerm[] = [];
    ann.role.term$.subscribe((term) => term && led.push(term));
    ann.process.resume();
    await world.pass(500);
    expect(led).toEqual([]);
    expect(cas.role.term?.isOpen).toBe(true);
    await world.in(cas, () => cas.role.withdraw());
    const term = await world.leading(ann);
    expect(term.sessionId).not.toBe(sessionBefore);
    await expectRightful(ann, term);
  });

  it('does not lead: the servers have not noticed yet that the session is over', async () => {
    await world.campaign(ann);
    const first = await world.leading(ann);
    // Nobody at the server counts the time for which it stands still; the client does.
    world.host.process?.pause();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(first.isHeld).toBe(false);
    world.host.process?.resume();
    const second = await world.leading(ann);
    expect(second.token).toBeGreaterThan(first.token);
    await expectRightful(ann, second);
    expect(await world.ids()).toEqual(['ann']);
  });
});

describe('T6: a leader whose session is over', () => {
  it('is told in every way there is', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    ann.process.pause();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const next = await world.leading(bob);
    expect(next.token).toBeGreaterThan(term.token);
    // The first line that runs, before any timer and any byte from the socket.
    const firstLine = new Promise<unknown[]>((resolve) => {
      ann.process.resume();
      resolve([term.isOpen, term.isHeld, term.signal.aborted, ann.role.term]);
    });
    expect(await firstLine).toEqual([false, false, true, null]);
    expect(() => term.assertHeld()).toThrow(/is not held/);
    const write = term.transaction().create('/zombie');
    const written = world.in(ann, () => write.commit()).catch((error: unknown) => error);
    expect(await written).toMatchObject({ name: 'LeaseLostError' });
    expect(await world.look((zk) => zk.exists('/zombie'))).toBeNull();
  });
});

describe('T7: the end of a term is counted from the last contact', () => {
  it('so that it comes before anybody else leads, whatever the connection seems to be', async () => {
    const cas = await world.connected('cas', {}, { onSuspended: 'hold-until-deadline' });
    await world.campaign(cas, bob);
    const term = await world.leading(cas);
    // No packet arrives, and nobody says that the connection is broken.
    world.world.partition(['cas'], ['server']);
    let overlap = false;
    await world.world.reach(() => {
      overlap ||= bob.role.term !== null && term.isHeld;
      return bob.role.term !== null;
    });
    expect([overlap, term.isHeld, term.signal.aborted]).toEqual([false, false, true]);
  });
});

describe('a broken connection (CURATOR-644, CURATOR-645)', () => {
  it('ends the term but not the place, where that is the policy', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    resetAnn();
    await world.world.reach(() => first.signal.aborted);
    expect(first.ended).toBe('suspended');
    const second = await world.leading(ann);
    expect(second).not.toBe(first);
    // Nobody led in between: it is the same node, and the same token.
    expect([second.nodePath, second.token]).toEqual([first.nodePath, first.token]);
    expect([first.resumed, second.resumed]).toEqual([0, 1]);
    expect(await world.ids()).toEqual(['ann', 'bob']);
    expect(first.isHeld).toBe(false);
    await expectRightful(ann, second);
  });

  it('costs nothing while the session is certain, where that is the policy', async () => {
    const cas = await world.connected('cas', {}, { onSuspended: 'hold-until-deadline' });
    await world.campaign(cas, bob);
    const term = await world.leading(cas);
    for (let round = 0; round < 3; round++) {
      world.world.fabric.resetBetween('cas', 'server');
      await world.pass(300);
    }
    expect([term.isOpen, cas.role.term === term]).toEqual([true, true]);
  });

  it('does not let two who lose theirs in turns push each other out of the queue', async () => {
    await world.campaign(ann, bob);
    const nodes = await world.nodes();
    for (let round = 0; round < 6; round++) {
      world.world.fabric.resetBetween(round % 2 === 0 ? 'ann' : 'bob', 'server');
      await world.pass(100);
    }
    expect(await world.nodes()).toEqual(nodes);
    await world.leading(ann);
  });

  it('does not start a term before the work of the one before has stopped', async () => {
    await world.campaign(ann, bob);
    const first = await world.leading(ann);
    const working = world.begin(ann, () => first.run(() => sleep(ann, 1_000)));
    resetAnn();
    await world.pass(500);
    expect([ann.zk.state.kind, ann.role.term]).toEqual(['reconnected', null]);
    await world.world.settle(working);
    expect((await world.leading(ann)).token).toBe(first.token);
  });
});

it('T8: who withdraws from the queue leaves no node, even without a connection', async () => {
  await world.campaign(ann, bob);
  world.world.partition(['bob'], ['server']);
  await world.in(bob, () => bob.role.withdraw());
  expect(await world.ids()).toEqual(['ann', 'bob']);
  world.world.heal();
  while ((await world.ids()).length > 1) await world.pass(50);
  expect(await world.ids()).toEqual(['ann']);
});

it('T9: who resigns without a connection, and comes back, does not queue behind itself', async () => {
  await world.campaign(ann);
  const first = await world.leading(ann);
  world.world.partition(['ann'], ['server']);
  ann.process.run(() => void ann.role.resign());
  await world.pass(300);
  world.world.heal();
  const second = await world.leading(ann);
  expect(second.token).toBeGreaterThan(first.token);
  while ((await world.ids()).length > 1) await world.pass(20);
  await expectRightful(ann, second);
});

it('T10: tokens grow, also when the directory was reaped and numbers begin anew', async () => {
  await world.campaign(ann);
  const first = await world.leading(ann);
  await world.look(async (zk) => {
    await zk.create('/leaders/b', '', { mode: 'container' });
  });
  const { role } = ann;
  await world.in(ann, () => role.withdraw());
  // The container is empty, and goes.
  await world.look((zk) => zk.delete('/leaders/a'));
  await world.campaign(bob);
  const second = await world.leading(bob);
  expect(second.nodePath.slice(-10)).toBe(first.nodePath.slice(-10));
  expect(second.token).toBeGreaterThan(first.token);
});

it('T12: no wake-up is lost when the leader goes between the look and the watch', async () => {
  for (const afterMs of [1, 5, 9, 11, 15, 19, 21, 25, 31, 39]) {
    ann.process.run(() => ann.role.campaign());
    await world.leading(ann);
    bob.process.run(() => bob.role.campaign());
    await world.pass(afterMs);
    await world.in(ann, () => ann.role.withdraw());
    await world.leading(bob, 1_000);
    await world.in(bob, () => bob.role.withdraw());
  }
});

it('T13: a wake-up is not taken for the role', async () => {
  const cas = await world.connected('cas');
  await world.campaign(ann, bob, cas);
  await world.leading(ann);
  // Whom cas waits for goes, and ann stands all the same.
  await world.in(bob, () => bob.role.withdraw());
  world.world.fabric.resetBetween('cas', 'server');
  await world.pass(500);
  expect([ann.role.term !== null, cas.role.term]).toEqual([true, null]);
});

it('T14: a queue costs as many watches after many terms as at first, and none afterwards', async () => {
  const before = world.watchCount;
  await world.campaign(ann, bob);
  await world.leading(ann);
  // Each watches its own node; the one that waits the leader's, and the leader whether it is asked to
  // step down.
  await world.pass(100);
  expect(world.watchCount - before).toBe(4);
  for (let round = 0; round < 4; round++) {
    const [leader, other] = round % 2 === 0 ? [ann, bob] : [bob, ann];
    await world.in(leader, () => leader.role.resign());
    await world.leading(other);
  }
  await world.pass(200);
  expect(world.watchCount - before).toBe(4);
  for (const each of [ann, bob]) await world.in(each, () => each.leaders.close());
  await world.pass(200);
  expect([world.watchCount, ann.zk.watchCount, bob.zk.watchCount]).toEqual([before, 0, 0]);
});

it('T18: what an old session answers late starts no term', async () => {
  await world.campaign(bob);
  ann.process.run(() => ann.role.campaign());
  await world.pass(100);
  const led: LeaderTerm[] = [];
  ann.role.term$.subscribe((term) => term && led.push(term));
  ann.process.pause();
  await world.in(bob, () => bob.role.withdraw());
  await world.pass(3 * SESSION_TIMEOUT_MS);
  ann.process.resume();
  const term = await world.leading(ann);
  expect(led).toEqual([term]);
  await expectRightful(ann, term);
});

describe('T32: work that does not stop', () => {
  const neverStops = () => new Promise<void>(() => undefined);

  it('holds the role for the grace period, is reported, and then another one leads', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    void world.begin(ann, () => term.run(neverStops));
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => ann.role.resign());
    const tookMs = world.world.virtualMs - startedMs;
    expect([tookMs >= 5_000, tookMs < 5_100]).toEqual([true, true]);
    await world.leading(bob);
    expect(ann.lines.join()).toMatch(/work of the term \d+ of "a" .* still runs 5000 ms after/);
  });

  it('does not stop others from leading when its session is over', async () => {
    await world.campaign(ann, bob);
    const term = await world.leading(ann);
    void world.begin(ann, () => term.run(neverStops));
    world.world.partition(['ann'], ['server']);
    await world.leading(bob);
    expect(term.isHeld).toBe(false);
    world.world.heal();
    // It queues again once the grace period is over, though its old work goes on.
    while (!(await world.ids()).includes('ann')) await world.pass(100);
    expect(ann.lines.join()).toMatch(/still runs/);
  });

  it('ends the process, where that is said', async () => {
    const cas = await world.connected('cas', {}, { onOverrun: 'exit-process', graceMs: 200 });
    await world.campaign(cas);
    const term = await world.leading(cas);
    void world.begin(cas, () => term.run(neverStops));
    const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    try {
      await world.in(cas, () => cas.role.resign());
      expect(exit).toHaveBeenCalledWith(1);
    } finally {
      exit.mockRestore();
    }
    expect(cas.lines.join()).toMatch(/the process ends, as onOverrun says/);
  });
});

it('T33: a state that says the connection is back revives no term that has ended', async () => {
  await world.campaign(ann, bob);
  const first = await world.leading(ann);
  resetAnn();
  await world.world.reach(() => first.signal.aborted);
  await world.leading(ann);
  expect([first.isHeld, first.isOpen, first.ended]).toEqual([false, false, 'suspended']);
});

describe('contenders of another recipe', () => {
  it('are refused: beside a latch no selector takes part, and the other way round', async () => {
    const cas = await world.connected('cas', {}, { layout: 'selector' });
    await world.campaign(ann);
    await world.leading(ann);
    const refused = await world
      .in(cas, () => cas.role.whenLeading())
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'ForeignContenderError' });
    expect(String(refused)).toMatch(
      /the role \/leaders\/a has the contender .*Curator's LeaderLatch/,
    );
    expect(await world.ids()).toEqual(['ann']);
    expect(cas.lines.join()).toMatch(/this process does not take part for "a": the role/);
    // It looks again from time to time, and takes part when the other one has gone.
    await world.in(ann, () => ann.role.withdraw());
    const term = await world.leading(cas);
    expect(term.nodePath).toMatch(/-lock-/);
  });

  it('are shown to observers', async () => {
    const cas = await world.connected('cas', {}, { layout: 'selector' });
    await world.campaign(ann);
    const seen: unknown[] = [];
    cas.process.run(() => cas.role.status$.subscribe(({ foreign }) => seen.push(foreign?.recipe)));
    await world.pass(200);
    expect(seen).toEqual(["Curator's LeaderLatch"]);
  });
});
