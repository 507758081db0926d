import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Round } from '../src/index.js';
import {
  BarrierWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  entering,
  failure,
  settledness,
  type Service,
} from './barrier-world.js';

/**
 * The traps that other barriers fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
const DIRECTORY = '/barriers/m';
const READY = `${DIRECTORY}/ready`;

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
const both = (quantity = 2) =>
  world.world.settle(Promise.all(entering(world, [ann, bob], quantity)));

/** The process is gone, and the servers find out when its session has expired. */
async function crash(service: Service): Promise<void> {
  service.process.kill();
  await world.pass(2 * SESSION_TIMEOUT_MS);
}

describe('T1: a create whose answer is lost', () => {
  it.each([5, 15, 25, 31, 35, 39, 45, 55, 65, 75, 85, 95])(
    'counts its caller once (reset after %i ms)',
    async (afterMs) => {
      world.world.after(afterMs, () => reset('ann'));
      const [waiting] = entering(world, [ann], 2, { waitMs: 1_000 });
      const seen = settledness(waiting!);
      await world.pass(900);
      expect(await world.inside(DIRECTORY)).toHaveLength(1);
      expect(seen.isSettled).toBe(false);
      await failure(world.world.settle(waiting!));
      await world.pass(200);
      expect(await world.inside(DIRECTORY)).toEqual([]);
    },
  );

  it.each([5, 15, 25, 31, 35, 45, 55, 65, 71, 75, 79, 85, 95])(
    'opens one round, whoever the answer was for (reset after %i ms)',
    async (afterMs) => {
      const [first] = entering(world, [bob], 2);
      await world.pass(500);
      world.world.after(afterMs, () => reset('ann'));
      const rounds = await world.world.settle(Promise.all([first!, entering(world, [ann], 2)[0]!]));
      expect(rounds[0].token).toBe(rounds[1].token);
      expect(await world.inside(DIRECTORY)).toHaveLength(3);
    },
  );
});

describe('T4: a member of a session that is over', () => {
  it('enters again in the next session, and its old node does not count', async () => {
    const [waiting] = entering(world, [ann], 2);
    const seen = settledness(waiting!);
    await world.pass(200);
    // Nobody at the server counts the time for which it stands still; the client does.
    world.host.process?.pause();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    world.host.process?.resume();
    await world.pass(100);
    expect(seen.isSettled).toBe(false);
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(seen.isSettled).toBe(false);
    expect(await world.inside(DIRECTORY)).toHaveLength(1);
    const rounds = await world.world.settle(Promise.all([waiting!, entering(world, [bob], 2)[0]!]));
    expect(rounds[0].token).toBe(rounds[1].token);
  });
});

it('T6: a member whose session is over is told in the first line that it runs', async () => {
  const [round] = await both();
  ann.process.pause();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  const firstLine = new Promise<unknown[]>((resolve) => {
    ann.process.resume();
    resolve([round!.isInside, round!.signal.aborted, round!.lost]);
  });
  expect(await firstLine).toEqual([false, true, 'uncertain']);
  expect(() => round!.assertInside()).toThrow(/round of the double barrier .* is not held/);
});

describe('T8: whoever gives up leaves no node', () => {
  it.each([5, 15, 25, 35, 45, 55, 65])('an abort after %i ms', async (afterMs) => {
    const controller = new AbortController();
    world.world.after(afterMs, () => controller.abort());
    const { signal } = controller;
    await failure(world.in(ann, () => ann.barriers.double('m', 2).enter({ signal })));
    await world.pass(200);
    expect(await world.inside(DIRECTORY)).toEqual([]);
    expect(world.watchCount).toBe(0);
  });

  it('a time that ends while there is no connection', async () => {
    const waiting = failure(entering(world, [ann], 2, { waitMs: 600 })[0]!);
    await world.pass(200);
    world.world.partition(['ann'], ['server']);
    reset('ann');
    await world.pass(700);
    expect(await waiting).toMatchObject({ name: 'BarrierTimeoutError' });
    expect(await world.inside(DIRECTORY)).toHaveLength(1);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(200);
    expect(ann.zk.state.kind).toBe('reconnected');
    expect(await world.inside(DIRECTORY)).toEqual([]);
  });
});

it('T12: a round that opens between the look and the watch is not missed', async () => {
  for (let afterMs = 0; afterMs <= 60; afterMs += 5) {
    const [first] = entering(world, [ann], 2);
    await world.pass(afterMs);
    const rounds = await world.world.settle(Promise.all([first!, entering(world, [bob], 2)[0]!]), {
      virtualMsMax: 1_000,
    });
    await world.world.settle(Promise.all([leave(ann, rounds[0]), leave(bob, rounds[1])]), {
      virtualMsMax: 1_000,
    });
    await world.pass(100);
  }
});

describe('T13, GH-1290: a wake-up is not the condition', () => {
  const wakeUps: [string, () => Promise<unknown>][] = [
    ['a new connection', () => (reset('ann'), world.in(ann, () => ann.zk.whenConnected()))],
    [
      'a `ready` that came and went',
      () => world.look((zk) => zk.transaction().create(READY).delete(READY).commit()),
    ],
    [
      'a new session',
      async () => {
        world.world.partition(['ann'], ['server']);
        await world.pass(3 * SESSION_TIMEOUT_MS);
        world.world.heal();
        await world.in(ann, () => ann.zk.whenConnected());
      },
    ],
  ];

  it.each(wakeUps)('nobody passes alone: %s', async (_what, wake) => {
    const [waiting] = entering(world, [ann], 2, { waitMs: 60_000 });
    const seen = settledness(waiting!);
    await world.pass(200);
    const barrier = bob.barriers.barrier('b');
    await world.in(bob, () => barrier.raise());
    const single = settledness(world.begin(ann, () => ann.barriers.barrier('b').wait()));
    await world.pass(100);
    await wake();
    await world.pass(500);
    expect(seen.isSettled).toBe(false);
    expect(single.isSettled).toBe(false);
    await world.in(bob, () => barrier.lower());
    const rounds = await world.world.settle(Promise.all([waiting!, entering(world, [bob], 2)[0]!]));
    expect(rounds[0].token).toBe(rounds[1].token);
    expect(single.isSettled).toBe(true);
  });
});

it('T14: hundred waits leave no watch', async () => {
  const barrier = ann.barriers.barrier('b');
  await world.in(bob, () => bob.barriers.barrier('b').raise());
  for (let at = 0; at < 50; at++) {
    await failure(world.in(ann, () => barrier.wait({ waitMs: 30 })));
    await failure(world.in(ann, () => ann.barriers.double('m', 2).enter({ waitMs: 100 })));
  }
  await world.pass(100);
  expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
});

describe('T26: a `ready` that a round left behind', () => {
  it('lets nobody through: all members died inside', async () => {
    await both();
    ann.process.kill();
    await crash(bob);
    expect(await world.inside(DIRECTORY)).toEqual(['ready']);
    const [waiting] = entering(world, [cas], 2);
    const seen = settledness(waiting!);
    await world.pass(1_000);
    expect(seen.isSettled).toBe(false);
    expect(await world.inside(DIRECTORY)).toHaveLength(1);
    const dan = await world.connected('dan');
    const rounds = await world.world.settle(Promise.all([waiting!, entering(world, [dan], 2)[0]!]));
    expect(rounds[0].token).toBe(rounds[1].token);
  });

  it('lets nobody through: Curator or kazoo left it, before there was a member', async () => {
    await world.look(async (zk) => {
      await zk.ensurePath(DIRECTORY);
      await zk.create(READY, '192.0.2.1');
    });
    const [waiting] = entering(world, [ann], 2, { waitMs: 1_000 });
    expect(await failure(world.world.settle(waiting!))).toMatchObject({
      message: 'enter /barriers/m: 1 of 2 members were inside within 1000 ms',
    });
  });

  it('is not taken for that of a later round by who is late to clean up', async () => {
    const [round] = await both();
    ann.process.kill();
    await crash(bob);
    expect(round).toBeDefined();
    // Cas looks, and stops before it deletes what it saw.
    const [late] = entering(world, [cas], 2);
    const seen = settledness(late!);
    await world.pass(15);
    cas.process.pause();
    const dan = await world.connected('dan');
    const eva = await world.connected('eva');
    const rounds = await world.world.settle(Promise.all(entering(world, [dan, eva], 2)));
    cas.process.resume();
    await world.pass(500);
    expect((await world.look((zk) => zk.exists(READY)))?.czxid).toBe(rounds[0]!.token);
    expect(seen.isSettled).toBe(false);
  });

  it('goes with the last member, in the same transaction', async () => {
    const rounds = await both();
    let seen: string[] = [];
    await world.world.settle(Promise.all([leave(ann, rounds[0]!), leave(bob, rounds[1]!)]));
    seen = await world.inside(DIRECTORY);
    expect(seen).toEqual([]);
  });
});

describe('CURATOR-233: leave returns only when all have left', () => {
  it('whatever wakes it', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob, cas], 3)));
    const leaving = [leave(ann, rounds[0]!), leave(bob, rounds[1]!)];
    const seen = leaving.map(settledness);
    await world.pass(200);
    reset('ann');
    reset('bob');
    await world.pass(500);
    expect(seen).toEqual([{ isSettled: false }, { isSettled: false }]);
    await world.world.settle(Promise.all([...leaving, leave(cas, rounds[2]!)]));
  });
});

describe('CURATOR-536: leave comes to an end', () => {
  it('while others enter the next round already', async () => {
    // Each of many rounds is left by members of different speed, who come back at once.
    const running = [ann, bob, cas].map((service, at) =>
      world.begin(service, async () => {
        for (let round = 0; round < 10; round++) {
          await service.barriers
            .double('m', 3)
            .run(
              () => new Promise<void>((resolve) => service.process.clock.setTimer(7 * at, resolve)),
            );
        }
      }),
    );
    await world.world.settle(Promise.all(running), { virtualMsMax: 20_000 });
  });

  it('although a member of Curator came while the round was open, and stays', async () => {
    const rounds = await both();
    await world.in(cas, () =>
      cas.zk.create(`${DIRECTORY}/0-of-curator`, '', { mode: 'ephemeral' }),
    );
    await world.world.settle(Promise.all([leave(ann, rounds[0]!), leave(bob, rounds[1]!)]), {
      virtualMsMax: 5_000,
    });
    expect(await world.inside(DIRECTORY)).toEqual(['0-of-curator', 'ready']);
  });

  it('although a member dies', async () => {
    const rounds = await world.world.settle(Promise.all(entering(world, [ann, bob, cas], 3)));
    const leaving = Promise.all([leave(ann, rounds[0]!), leave(bob, rounds[1]!)]);
    await world.pass(100);
    cas.process.kill();
    await world.world.settle(leaving, { virtualMsMax: 3 * SESSION_TIMEOUT_MS });
    await world.pass(100);
    expect(await world.inside(DIRECTORY)).toEqual([]);
  });
});

describe('a member that dies in the middle', () => {
  it('of waiting is missed, and the round does not open without another', async () => {
    void entering(world, [ann], 2);
    await world.pass(200);
    await crash(ann);
    const [waiting] = entering(world, [bob], 2);
    const seen = settledness(waiting!);
    await world.pass(500);
    expect(seen.isSettled).toBe(false);
    await world.world.settle(Promise.all([waiting!, entering(world, [cas], 2)[0]!]));
  });

  it('of opening the round is missed: that is looked at in the transaction', async () => {
    // Cas makes three; ann goes between the moment when cas counts and when the round opens.
    const found = new Set<string>();
    const admin = await world.connected('admin');
    for (let afterMs = 55; afterMs <= 105; afterMs += 5) {
      const rounds = entering(world, [ann, bob], 3);
      await world.pass(500);
      const { members } = await world.in(admin, () => admin.barriers.double('m', 3).inspect());
      const ofAnn = members.find(({ identity }) => identity === 'ann');
      rounds.push(...entering(world, [cas], 3));
      await world.pass(afterMs);
      const deleted = await world.in(admin, () =>
        admin.zk
          .transaction()
          .create(READY)
          .delete(READY)
          .delete(ofAnn!.nodePath)
          .commit()
          .then(
            () => 'before the round',
            () => 'in the round',
          ),
      );
      found.add(deleted);
      const met = await world.world.settle(Promise.all(rounds));
      // In either case three stood inside at the moment of its token: ann has come again, or was
      // there.
      expect(met.map(({ lost }) => lost)).toEqual([null, null, null]);
      expect(new Set(met.map(({ token }) => token)).size).toBe(1);
      const leaving = [ann, bob, cas].map((service, at) => leave(service, met[at]!));
      await world.world.settle(Promise.all(leaving));
      await world.pass(100);
    }
    expect([...found].sort()).toEqual(['before the round', 'in the round']);
  });
});

it('T4: a node that somebody has put in the place of ours is not ours', async () => {
  const [waiting] = entering(world, [ann], 2);
  await world.pass(200);
  const [name] = await world.inside(DIRECTORY);
  const path = `${DIRECTORY}/${name}`;
  await world.look((zk) => zk.transaction().delete(path).create(path, 'theirs').commit());
  await world.pass(300);
  expect(await world.inside(DIRECTORY)).not.toContain(name);
  const [round] = await world.world.settle(Promise.all([waiting!, entering(world, [bob], 2)[0]!]));
  const { stat } = await world.look((zk) => zk.get(round.nodePath));
  expect(stat.ephemeralOwner).toBe(ann.zk.sessionId);
});

it.each([-1, -2, -(2 ** 31)])(
  'T20: a `ready` that was left goes, although the directory is at version %i',
  async (version) => {
    await world.look(async (zk) => {
      await zk.ensurePath(DIRECTORY);
      await zk.create(READY);
    });
    const left = await world.look((zk) => zk.exists(READY));
    world.forgeVersion(DIRECTORY, version);
    const [round] = await world.world.settle(Promise.all(entering(world, [ann], 1)));
    expect(round!.token).toBeGreaterThan(left!.czxid);
  },
);

it('T28: a member that somebody deleted is none, and comes again', async () => {
  const [waiting] = entering(world, [ann], 2);
  await world.pass(200);
  const [name] = await world.inside(DIRECTORY);
  await world.look((zk) => zk.delete(`${DIRECTORY}/${name}`));
  await world.pass(200);
  const [again] = await world.inside(DIRECTORY);
  expect(again).not.toBe(name);
  await world.world.settle(Promise.all([waiting!, entering(world, [bob], 2)[0]!]));
});
