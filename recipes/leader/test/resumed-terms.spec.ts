import { beforeEach, describe, expect, it } from '@jest/globals';
import type { LeaderTerm } from '../src/index.js';
import { LeaderWorld, STEADY, rejection, type Service } from './leader-world.js';

/**
 * Terms that follow each other at one place in the queue, since the connection broke and the session
 * lived: they have the same token.
 */
let world: LeaderWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LeaderWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await world.campaign(ann, bob);
});

const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');
const pairOf = ({ token, resumed }: LeaderTerm) => [token, resumed];

/** Ann's next term after her connection was broken. */
async function resumed(first: LeaderTerm): Promise<LeaderTerm> {
  resetAnn();
  await world.world.reach(() => first.signal.aborted);
  return world.leading(ann);
}

it('are told apart by what they resume, so that the pair of both grows', async () => {
  const first = await world.leading(ann);
  const second = await resumed(first);
  const third = await resumed(second);
  const { token } = first;
  expect([first, second, third].map(pairOf)).toEqual([
    [token, 0],
    [token, 1],
    [token, 2],
  ]);
  expect(new Set([first, second, third].map(({ signal }) => signal)).size).toBe(3);
  await world.in(ann, () => ann.role.resign());
  const others = await world.leading(bob);
  await world.in(bob, () => bob.role.withdraw());
  const again = await world.leading(ann);
  expect(others.token).toBeGreaterThan(token);
  expect(again.token).toBeGreaterThan(others.token);
  expect([others.resumed, again.resumed]).toEqual([0, 0]);
});

it('do not begin beside work that does not stop: the place is given up', async () => {
  const first = await world.leading(ann);
  void world.begin(ann, () => first.run(() => new Promise(() => undefined)));
  resetAnn();
  const next = await world.leading(bob);
  expect(next.token).toBeGreaterThan(first.token);
  await world.in(bob, () => bob.role.withdraw());
  const again = await world.leading(ann);
  expect(again.token).toBeGreaterThan(next.token);
  expect(again.resumed).toBe(0);
});

it('refuse what is written under the guard of one that is over', async () => {
  const first = await world.leading(ann);
  const second = await resumed(first);
  const write = (term: LeaderTerm) =>
    world.in(ann, () => term.transaction().create('/written').commit());
  expect(await rejection(write(first))).toMatchObject({
    name: 'LeaseLostError',
    reason: 'suspended',
    outcome: 'notApplied',
  });
  expect(await world.look((zk) => zk.exists('/written'))).toBeNull();
  await write(second);
});

it('I6: find applied what the one before sent, or never', async () => {
  const applied = new Set<boolean>();
  let term = await world.leading(ann);
  for (const afterMs of [0, 3, 7, 9, 10, 11, 15, 19, 20, 21]) {
    const path = `/sent-${afterMs}`;
    const sender = term;
    const sent = world.begin(ann, () => sender.transaction().create(path).commit());
    await world.pass(afterMs);
    term = await resumed(sender);
    const isThere = async () => (await world.look((zk) => zk.exists(path))) !== null;
    const before = await isThere();
    await sent.catch(() => undefined);
    await world.pass(1_000);
    expect([afterMs, await isThere()]).toEqual([afterMs, before]);
    applied.add(before);
  }
  expect(applied.size).toBe(2);
});

describe('a leader that is asked to step down', () => {
  it('while it has no connection, does so when it has one again', async () => {
    const first = await world.leading(ann);
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => first.signal.aborted, { virtualMsMax: 1_500 });
    const transferred = world.begin(bob, () => bob.role.transferTo('bob'));
    await world.pass(100);
    world.world.heal();
    await world.world.settle(transferred);
    expect(ann.zk.state.kind).toBe('reconnected');
    expect((await world.leading(bob)).token).toBeGreaterThan(first.token);
  });

  it('holds the role until its work has ended, and its node is not written to', async () => {
    const term = await world.leading(ann);
    const working = world.begin(ann, () =>
      term.run(async () => {
        await new Promise<void>((resolve) => ann.process.clock.setTimer(700, resolve));
        expect([term.ended, term.isHeld]).toEqual(['revoked', true]);
        await term.transaction().create('/last').commit();
      }),
    );
    const transferred = world.begin(bob, () => bob.role.transferTo('bob'));
    await world.pass(400);
    expect(term.ended).toBe('revoked');
    expect(await world.look((zk) => zk.exists(term.nodePath))).toMatchObject({ version: 0 });
    await world.world.settle(Promise.all([working, transferred]));
    expect(await world.look((zk) => zk.exists('/last'))).not.toBeNull();
  });

  it('hears of it whatever became of the connection when its term began', async () => {
    const options = { onSuspended: 'hold-until-deadline' } as const;
    const cas = await world.connected('cas', {}, { ...options, root: '/held' });
    const dan = await world.connected('dan', {}, { ...options, root: '/held' });
    for (const afterMs of [0, 3, 9, 11, 15, 19, 21]) {
      const leading = world.begin(cas, () => cas.role.whenLeading());
      const term = await world.world.settle(leading);
      world.world.after(afterMs, () => world.world.fabric.resetBetween('cas', 'server'));
      await world.pass(300);
      expect(term.ended).toBeNull();
      dan.process.run(() => dan.role.campaign());
      await world.pass(300);
      await world.in(dan, () => dan.role.transferTo('dan', { waitMs: 5_000 }));
      expect(term.ended).toBe('revoked');
      await world.in(dan, () => dan.role.withdraw());
    }
  });

  it('is not asked when the chosen one leaves just before', async () => {
    const term = await world.leading(ann);
    const cas = await world.connected('cas');
    await world.pass(100);
    const [, chosen] = await world.nodes();
    // The queue is read in 20 ms, its members in as many; then the transaction leaves.
    const deleted = new Promise<void>((resolve) => {
      world.world.after(35, () => {
        const path = `/leaders/a/${chosen!}`;
        cas.process.run(() => void cas.zk.delete(path).then(resolve));
      });
    });
    const transferred = rejection(world.begin(cas, () => cas.role.transferTo('bob')));
    expect(await world.world.settle(transferred)).toMatchObject({ outcome: 'notApplied' });
    await deleted;
    await world.pass(200);
    expect(term.isOpen).toBe(true);
  });

  it('does so once: the next terms of it are not asked', async () => {
    await world.leading(ann);
    await world.in(bob, () => bob.role.transferTo('bob'));
    await world.leading(bob);
    await world.in(bob, () => bob.role.withdraw());
    const again = await world.leading(ann);
    await world.pass(1_000);
    expect([again.isOpen, ann.role.term]).toEqual([true, again]);
  });
});
