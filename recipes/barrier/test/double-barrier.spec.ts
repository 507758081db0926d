import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Round } from '../src/index.js';
import { BarrierTimeoutError, BarriersClosedError } from '../src/index.js';
import {
  BarrierWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  entering,
  failure,
  settledness,
  type Service,
} from './barrier-world.js';

const DIRECTORY = '/barriers/m';

let world: BarrierWorld;
let ann: Service;
let bob: Service;
let cas: Service;

beforeEach(async () => {
  world = await BarrierWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  cas = await world.connected('cas');
});

const leave = (service: Service, round: Round, options = {}) =>
  world.begin(service, () => round.leave(options));

const reset = (name: string) => world.world.fabric.resetBetween(name, 'server');

async function expectNothingLeft(): Promise<void> {
  await world.pass(100);
  expect(await world.inside(DIRECTORY)).toEqual([]);
  expect(world.watchCount).toBe(0);
  for (const { zk, barriers } of [ann, bob, cas]) {
    expect(zk.watchCount).toBe(0);
    expect(barriers.rounds).toEqual([]);
  }
}

describe('a double barrier', () => {
  it('lets nobody in before all are there, and then everybody with one token', async () => {
    const first = entering(world, [ann, bob], 3);
    const seen = first.map(settledness);
    await world.pass(1_000);
    expect(seen).toEqual([{ isSettled: false }, { isSettled: false }]);
    expect(await world.inside(DIRECTORY)).toHaveLength(2);
    const rounds = await world.world.settle(Promise.all([...first, ...entering(world, [cas], 3)]));
    const ready = await world.look((zk) => zk.exists(`${DIRECTORY}/ready`));
    expect(rounds.map(({ token }) => token)).toEqual(Array(3).fill(ready!.czxid));
    expect(rounds.map(({ isInside }) => isInside)).toEqual([true, true, true]);
    await world.world.settle(
      Promise.all(rounds.map((round, at) => leave([ann, bob, cas][at]!, round))),
    );
    await expectNothingLeft();
  });

  it('lets nobody out before all have finished', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob, cas], 3)));
    const leaving = [leave(ann, rounds[0]!), leave(bob, rounds[1]!)];
    const seen = leaving.map(settledness);
    await world.pass(1_000);
    expect(seen).toEqual([{ isSettled: false }, { isSettled: false }]);
    await world.world.settle(Promise.all([...leaving, leave(cas, rounds[2]!)]));
    expect(rounds.map(({ lost }) => lost)).toEqual([null, null, null]);
    await expectNothingLeft();
  });

  it('meets again, round after round, with greater tokens', async () => {
    const tokens: bigint[][] = [];
    const running = [ann, bob, cas].map((service) => {
      const own: bigint[] = [];
      tokens.push(own);
      return world.begin(service, async () => {
        for (let at = 0; at < 5; at++) {
          await service.barriers.double('m', 3).run((round) => own.push(round.token));
        }
      });
    });
    await world.world.settle(Promise.all(running));
    expect(tokens[0]).toHaveLength(5);
    expect(tokens[1]).toEqual(tokens[0]);
    expect(tokens[2]).toEqual(tokens[0]);
    expect([...tokens[0]!].sort((a, b) => Number(a - b))).toEqual(tokens[0]);
    await expectNothingLeft();
  });

  it('takes in more than the quantity, if they are there when it opens', async () => {
    const dan = await world.connected('dan');
    const first = entering(world, [ann, bob], 3);
    await world.pass(200);
    const rounds = await world.world.settle(
      Promise.all([...first, ...entering(world, [cas, dan], 3)]),
    );
    expect(new Set(rounds.map(({ token }) => token)).size).toBe(1);
    const leaving = [ann, bob, cas, dan].map((service, at) => leave(service, rounds[at]!));
    await world.world.settle(Promise.all(leaving));
    await expectNothingLeft();
  });

  it('lets who comes late wait for the next round, out of the way of this one', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob], 2)));
    const [late] = entering(world, [cas], 2);
    const seen = settledness(late!);
    await world.pass(500);
    expect(await world.inside(DIRECTORY)).toHaveLength(3);
    await world.world.settle(Promise.all([leave(ann, rounds[0]!), leave(bob, rounds[1]!)]));
    await world.pass(500);
    expect(seen.isSettled).toBe(false);
    const next = await world.world.settle(Promise.all([late!, ...entering(world, [ann], 2)]));
    expect(next[0].token).toBe(next[1]!.token);
    expect(next[0].token).toBeGreaterThan(rounds[0]!.token);
    await world.world.settle(Promise.all([leave(cas, next[0]), leave(ann, next[1]!)]));
    await expectNothingLeft();
  });

  it('counts one process as often as it enters', async () => {
    const barrier = ann.barriers.double('m', 2);
    const tokens = await world.in(ann, () =>
      Promise.all([barrier.run(({ token }) => token), barrier.run(({ token }) => token)]),
    );
    expect(tokens[0]).toBe(tokens[1]);
    await expectNothingLeft();
  });
});

describe('the number of a round', () => {
  const meet = async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob], 2)));
    await world.world.settle(Promise.all([leave(ann, rounds[0]!), leave(bob, rounds[1]!)]));
    return rounds;
  };

  it('is that of all its members, and grows by one', async () => {
    for (const number of [1, 2, 3]) {
      expect((await meet()).map((round) => round.number)).toEqual([number, number]);
    }
  });

  it('begins anew when the directory was removed, and the token does not', async () => {
    const [first] = await meet();
    await world.pass(5_000);
    expect(await world.look((zk) => zk.exists(DIRECTORY))).toBeNull();
    const [next] = await meet();
    expect([first!.number, next!.number]).toEqual([1, 1]);
    expect(next!.token).toBeGreaterThan(first!.token);
  });

  it('is none in a round that somebody else has opened, and not a wrong one later', async () => {
    await meet();
    const waiting = entering(world, [ann], 2);
    await world.pass(200);
    await world.look((zk) => zk.create(`${DIRECTORY}/ready`, '192.0.2.1'));
    const theirs = await world.world.settle(waiting[0]!);
    expect(theirs.number).toBeNull();
    await world.world.settle(leave(ann, theirs));
    expect((await meet()).map((round) => round.number)).toEqual([2, 2]);
  });
});

describe('who gives up', () => {
  it('is counted no more', async () => {
    const [waiting] = entering(world, [ann], 2, { waitMs: 300 });
    const error = await failure(world.world.settle(waiting!));
    expect(error).toBeInstanceOf(BarrierTimeoutError);
    expect(error).toMatchObject({
      outcome: 'notApplied',
      message: 'enter /barriers/m: 1 of 2 members were inside within 300 ms',
    });
    await expectNothingLeft();
  });

  it('looks once with waitMs 0', async () => {
    const startedMs = world.world.virtualMs;
    const error = failure(world.world.settle(entering(world, [ann], 2, { waitMs: 0 })[0]!));
    expect(await error).toBeInstanceOf(BarrierTimeoutError);
    expect(world.world.virtualMs - startedMs).toBeLessThan(200);
    await expectNothingLeft();
  });

  it('by an abort or the end of its barriers leaves nothing', async () => {
    const controller = new AbortController();
    const aborted = failure(
      world.begin(ann, () => ann.barriers.double('m', 3).enter({ signal: controller.signal })),
    );
    const closed = failure(world.begin(bob, () => bob.barriers.double('m', 3).enter()));
    await world.pass(200);
    controller.abort(new Error('stop'));
    bob.barriers.stopEntering();
    await world.pass(100);
    expect(await aborted).toMatchObject({ name: 'AbortedError', cause: { message: 'stop' } });
    expect(await closed).toBeInstanceOf(BarriersClosedError);
    const refused = failure(world.in(bob, () => bob.barriers.double('m', 3).enter()));
    expect(await refused).toBeInstanceOf(BarriersClosedError);
    await expectNothingLeft();
  });

  it('of the wait for the others is out, and they go on', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob], 2)));
    const error = await failure(world.world.settle(leave(ann, rounds[0]!, { waitMs: 300 })));
    expect(error).toMatchObject({
      name: 'BarrierTimeoutError',
      message: 'leave /barriers/m: 1 of the members had not left within 300 ms',
    });
    await world.world.settle(leave(bob, rounds[1]!));
    await expectNothingLeft();
  });
});

describe('what is left when all give up', () => {
  it('is nothing: the last one of a round that was abandoned deletes `ready`', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob], 2)));
    await world.in(ann, () => rounds[0]!.abandon());
    expect(await world.inside(DIRECTORY)).toContain('ready');
    reset('bob');
    await world.in(bob, () => rounds[1]!.abandon());
    await world.in(bob, () => bob.barriers.close());
    await expectNothingLeft();
  });

  it.each([45, 55, 61, 65, 75, 85])('nor in the moment when it opens (%i ms)', async (afterMs) => {
    const waiting = failure(entering(world, [ann], 1, { waitMs: afterMs })[0]!);
    expect(await world.world.settle(waiting)).toMatchObject({ outcome: 'notApplied' });
    await world.pass(200);
    expect(await world.inside(DIRECTORY)).toEqual([]);
  });
});

describe('run', () => {
  it('refuses what it cannot do before it waits', async () => {
    const barrier = ann.barriers.double('m', 2);
    const late = failure(world.in(ann, () => barrier.run(() => 1, { leaveWaitMs: NaN })));
    expect(await late).toMatchObject({
      message: 'leaveWaitMs must be a number of milliseconds from 0 up, not NaN',
    });
    const none = failure(world.in(ann, () => barrier.run(undefined as never)));
    expect(await none).toMatchObject({ name: 'InvalidArgumentError' });
    expect(await world.inside(DIRECTORY)).toEqual([]);
  });

  it('ends with a body that leaves the round, or abandons it', async () => {
    const barrier = ann.barriers.double('m', 1);
    await world.in(ann, () => barrier.run((round) => round.leave()));
    expect(await world.in(ann, () => barrier.run((round) => round.abandon()))).toBeUndefined();
    await expectNothingLeft();
  });

  it('abandons the round of a body that throws', async () => {
    const broken = failure(
      world.begin(ann, () =>
        ann.barriers.double('m', 2).run(() => {
          throw new Error('broken');
        }),
      ),
    );
    const other = world.begin(bob, () => bob.barriers.double('m', 2).run(() => 'fine'));
    expect(await world.world.settle(other)).toBe('fine');
    expect(await broken).toMatchObject({ message: 'broken' });
    await expectNothingLeft();
  });

  it('tells a member of the loss of its session, and others do not wait for it', async () => {
    const reasons: unknown[] = [];
    const lost = failure(
      world.begin(ann, () =>
        ann.barriers.double('m', 2).run(
          (round) =>
            new Promise<void>((resolve) => {
              round.signal.addEventListener('abort', () => {
                reasons.push((round.signal.reason as { reason: string }).reason);
                resolve();
              });
            }),
        ),
      ),
    );
    const other = world.begin(bob, () => bob.barriers.double('m', 2).run(() => 'fine'));
    await world.pass(200);
    world.world.partition(['ann'], ['server']);
    expect(await world.world.settle(other)).toBe('fine');
    expect(reasons).toEqual(['uncertain']);
    expect(await lost).toMatchObject({ name: 'LeaseLostError', outcome: 'unknown' });
    world.world.heal();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    await expectNothingLeft();
  });
});

it('stays inside, if it is to leave in a time that is none', async () => {
  const [round] = await world.world.settle(Promise.all(entering(world, [ann], 1)));
  const refused = failure(world.world.settle(leave(ann, round!, { waitMs: NaN })));
  expect(await refused).toMatchObject({ name: 'InvalidArgumentError' });
  expect(round!.isInside).toBe(true);
  await world.world.settle(leave(ann, round!));
  await expectNothingLeft();
});

it('drains for whoever asks', async () => {
  const [round] = await world.world.settle(Promise.all(entering(world, [ann], 1)));
  const startedMs = world.world.virtualMs;
  const drained = world.begin(ann, () =>
    Promise.all([ann.barriers.drain(5_000), ann.barriers.drain(5_000)]),
  );
  await world.world.settle(leave(ann, round!));
  await world.world.settle(drained);
  expect(world.world.virtualMs - startedMs).toBeLessThan(500);
});

it('shows who is inside', async () => {
  const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob], 2)));
  const view = await world.in(cas, () => cas.barriers.double('m', 2).inspect());
  expect(view.openRound).toBe(rounds[0]!.token);
  expect(view.members.map(({ identity }) => identity).sort()).toEqual(['ann', 'bob']);
  expect(view.members.map(({ sessionId }) => sessionId)).toContain(ann.zk.sessionId);
});

it('guards transactions by its member', async () => {
  const [round] = await world.world.settle(Promise.all(entering(world, [ann], 1)));
  await world.in(ann, () => round!.transaction().create('/inside').commit());
  await world.look((zk) => zk.delete(round!.nodePath));
  const late = world.in(ann, () => round!.transaction().create('/outside').commit());
  expect(await failure(late)).toMatchObject({ name: 'LeaseLostError', reason: 'nodeDeleted' });
  expect(await world.look((zk) => zk.exists('/outside'))).toBeNull();
});

it.each([0, -1, 1.5, NaN])('refuses a quantity of %p', (quantity) => {
  expect(() => ann.barriers.double('m', quantity)).toThrow(/whole number of members from 1 up/);
});
