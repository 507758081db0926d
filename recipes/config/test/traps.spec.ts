import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionLossError, Permission } from '@aviary/client';
import {
  ConfigWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  rejection,
  type Service,
} from './config-world.js';
import { Pricing } from './schemas.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
let world: ConfigWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await ConfigWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const PATH = '/config/pricing';
const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');
const numbers = async () => {
  const versions = await world.in(bob, () => bob.configs.history('pricing'));
  return versions.map(({ version }) => version.number);
};

describe('T1 and T21: a publication whose answer is lost', () => {
  // An attempt looks (20 ms) and writes (24 ms); the first also makes two directories.
  it.each(Array.from({ length: 24 }, (_, at) => 1 + at * 3))(
    'is applied once (connection reset after %i ms)',
    async (afterMs) => {
      await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
      world.world.after(afterMs, resetAnn);
      const { version } = await world.in(ann, () =>
        ann.configs.publish('pricing', { vat: 0.2 }, { expectedVersion: 1 }),
      );
      expect(version.number).toBe(2);
      expect(await numbers()).toEqual([2, 1]);
      const { stat, data } = await world.look((zk) => zk.get(PATH));
      expect([stat.version, stat.mzxid, String(data)]).toEqual([
        2,
        version.zxid,
        expect.stringContaining('0.2'),
      ]);
    },
  );

  it.each(Array.from({ length: 40 }, (_, at) => 1 + at * 6))(
    'is applied once where nothing was before (connection reset after %i ms)',
    async (afterMs) => {
      world.world.after(afterMs, resetAnn);
      const { version } = await world.in(ann, () =>
        ann.configs.publish('pricing', { vat: 0.2 }, { expectedVersion: -1 }),
      );
      expect(version.number).toBe(1);
      expect(await numbers()).toEqual([1]);
    },
  );

  it('is told apart from another one with the same value, that came after it', async () => {
    await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    const publishing = world.begin(ann, () => ann.configs.publish('pricing', { vat: 0.2 }));
    // Written at the server, and the answer does not come through.
    await world.pass(31);
    resetAnn();
    world.world.partition(['ann'], ['server']);
    await world.pass(20);
    const others = await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.2 }));
    expect(others.version.number).toBe(3);
    world.world.heal();
    expect(await world.world.settle(publishing)).toMatchObject({ version: { number: 2 } });
    expect(await numbers()).toEqual([3, 2, 1]);
  });

  it('is neither repeated nor denied when the history has forgotten its time', async () => {
    const one = { historyMax: 1 };
    const cas = await world.connected('cas', {}, one);
    const dan = await world.connected('dan', {}, one);
    for (const vat of [0.1, 0.2]) {
      await world.in(cas, () => cas.configs.publish('pricing', { vat }));
    }
    const publishing = rejection(
      world.begin(cas, () => cas.configs.publish('pricing', { vat: 0.3 })),
    );
    // Written at the server, and the answer does not come through.
    await world.pass(31);
    world.world.fabric.resetBetween('cas', 'server');
    world.world.partition(['cas'], ['server']);
    await world.pass(20);
    await world.in(dan, () => dan.configs.publish('pricing', { vat: 0.4 }));
    world.world.heal();
    const error = await world.world.settle(publishing);
    expect(error).toMatchObject({ name: 'ConfigOutcomeUnknownError', outcome: 'unknown' });
    const { stat, data } = await world.look((zk) => zk.get(PATH));
    expect([stat.version, JSON.parse(String(data))]).toEqual([4, { vat: 0.4 }]);
  });

  it('is found also where it is applied only after nobody had found it', async () => {
    await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    const transaction = ann.zk.transaction.bind(ann.zk);
    const exists = ann.zk.exists.bind(ann.zk);
    const onItsWay: (() => Promise<unknown>)[] = [];
    ann.zk.transaction = () => {
      ann.zk.transaction = transaction;
      const made = transaction();
      const commit = made.commit.bind(made);
      made.commit = () => {
        onItsWay.push(commit);
        const facts = { outcome: 'unknown', operation: 'transaction' } as const;
        return Promise.reject(new ConnectionLossError('lost', facts));
      };
      return made;
    };
    ann.zk.exists = async (path, options) => {
      if (path === PATH) await onItsWay.pop()?.();
      return await exists(path, options);
    };
    const { version } = await world.in(ann, () =>
      ann.configs.publish('pricing', { vat: 0.2 }, { expectedVersion: 1 }),
    );
    expect(version.number).toBe(2);
    expect(await numbers()).toEqual([2, 1]);
  });

  it('is published after the first of others, before which there was no history', async () => {
    const history = '/config-records/config%2Fpricing/history';
    await world.look((zk) => zk.ensurePath(history, { mode: 'container' }));
    await world.look((zk) => zk.ensurePath('/config'));
    const publishing = world.begin(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    await world.pass(21);
    resetAnn();
    world.world.partition(['ann'], ['server']);
    await world.pass(20);
    await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.2 }));
    world.world.heal();
    expect((await world.world.settle(publishing)).version.number).toBe(2);
    expect(await numbers()).toEqual([2, 1]);
  });

  it('is published after others if the history shows that it was not before', async () => {
    for (const vat of [0.1, 0.2]) {
      await world.in(ann, () => ann.configs.publish('pricing', { vat }));
    }
    const publishing = world.begin(ann, () => ann.configs.publish('pricing', { vat: 0.3 }));
    // Sent, and lost on the way.
    await world.pass(21);
    resetAnn();
    world.world.partition(['ann'], ['server']);
    await world.pass(20);
    const dan = await world.connected('dan', {}, { historyMax: 2 });
    await world.in(dan, () => dan.configs.publish('pricing', { vat: 0.4 }));
    world.world.heal();
    expect((await world.world.settle(publishing)).version.number).toBe(4);
    expect(await numbers()).toEqual([4, 3, 2]);
  });

  it('is not hidden when the time is over before anybody could look', async () => {
    await world.in(ann, () => ann.configs.publish('pricing', { vat: 0.1 }));
    const publishing = rejection(
      world.begin(ann, () => ann.configs.publish('pricing', { vat: 0.2 }, { waitMs: 1_000 })),
    );
    await world.pass(31);
    resetAnn();
    world.world.partition(['ann'], ['server']);
    const startedMs = world.world.virtualMs;
    const error = await world.world.settle(publishing);
    expect(error).toMatchObject({ outcome: 'unknown' });
    expect(error.message).toMatch(/an earlier attempt may have been applied/);
    expect(world.world.virtualMs - startedMs).toBeLessThan(1_010);
  });
});

describe('T12: a change between the read and the watch', () => {
  it.each(Array.from({ length: 20 }, (_, at) => at * 2))(
    'is not missed (written %i ms after the other began)',
    async (afterMs) => {
      await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.1 }));
      const live = ann.configs.watch('pricing', { schema: Pricing });
      await world.pass(afterMs);
      await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.2 }));
      await world.pass(50);
      expect(live.value.vat).toBe(0.2);
    },
  );
});

it('T13: a wake-up that means nothing changes nothing', async () => {
  await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.1 }));
  const live = ann.configs.watch('pricing', { schema: Pricing });
  await world.in(ann, () => live.ready());
  let changes = 0;
  live.changes$.subscribe(() => changes++);
  const { value, version } = live;
  for (let round = 0; round < 3; round++) {
    resetAnn();
    await world.pass(500);
  }
  expect(ann.zk.state.kind).toBe('reconnected');
  expect([live.value, live.version, changes]).toEqual([value, version, 0]);
});

it('T14: nothing is left behind by who closes', async () => {
  for (let round = 0; round < 5; round++) {
    const live = ann.configs.watch('pricing', { schema: Pricing });
    await world.in(ann, () => ann.configs.publish('pricing', { vat: round / 10 }));
    await world.in(ann, () => live.ready());
    await world.in(ann, () => live.close());
    await world.pass(50);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
    expect(await world.in(ann, () => ann.zk.ephemerals())).toEqual([]);
  }
  await world.in(ann, () => ann.configs.close());
  const error = await rejection(world.in(ann, () => ann.configs.publish('pricing', 1)));
  expect(error.name).toBe('ConfigClosedError');
  expect(() => ann.configs.watch('pricing')).toThrow(/it was closed/);
});

describe('T19: what was published during a gap', () => {
  it.each<[string, number]>([
    ['in which the session lived', 800],
    ['in which the session ended', 3 * SESSION_TIMEOUT_MS],
  ])('is seen after it: %s', async (_which, gapMs) => {
    await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.1 }));
    const live = ann.configs.watch('pricing', { schema: Pricing });
    await world.in(ann, () => live.ready());
    const seen: bigint[] = [];
    live.changes$.subscribe(({ version }) => seen.push(version.zxid));
    world.world.partition(['ann'], ['server']);
    for (const vat of [0.2, 0.3, 0.4]) {
      await world.in(bob, () => bob.configs.publish('pricing', { vat }));
    }
    await world.pass(gapMs);
    world.world.heal();
    await world.pass(1_000);
    expect(live.value.vat).toBe(0.4);
    expect(seen).toEqual([...new Set(seen)].sort((one, other) => (one < other ? -1 : 1)));
  });
});

describe('a valid version that nobody saw, since a bad one came right after it', () => {
  it('is found in the history', async () => {
    await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.1 }));
    const live = ann.configs.watch('pricing', { schema: Pricing });
    await world.in(ann, () => live.ready());
    world.world.partition(['ann'], ['server']);
    const { version } = await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.2 }));
    for (const vat of [7, 8]) await world.in(bob, () => bob.configs.publish('pricing', { vat }));
    world.world.heal();
    await world.pass(1_000);
    expect(live.value.vat).toBe(0.2);
    expect(live.version).toEqual(version);
    expect(live.state).toMatchObject({ kind: 'degraded', problem: { version: { number: 4 } } });
    expect(ann.lines.at(-1)).toMatch(/goes on with version 2/);
  });

  it('is found later if the history cannot be read just then', async () => {
    await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.1 }));
    await world.in(bob, () => bob.configs.publish('pricing', { vat: 7 }));
    const records = '/config-records/config%2Fpricing/history';
    const everybodyMay = (perms: number) => [{ perms, id: { scheme: 'world', id: 'anyone' } }];
    const { admin, all } = Permission;
    await world.look((zk) => zk.setAcl(records, everybodyMay(admin)));
    const live = ann.configs.watch('pricing', { schema: Pricing });
    await world.pass(5_000);
    expect(live.hasValue).toBe(false);
    await world.look((zk) => zk.setAcl(records, everybodyMay(all)));
    await world.pass(10_000);
    expect(live.value.vat).toBe(0.1);
    await world.in(ann, () => live.close());
  });
});

it('T20: versions are compared by zxid, so numbers that begin anew are not taken for older', async () => {
  for (const vat of [0.1, 0.2, 0.3]) {
    await world.in(bob, () => bob.configs.publish('pricing', { vat }));
  }
  const live = ann.configs.watch('pricing', { schema: Pricing });
  await world.in(ann, () => live.ready());
  const before = live.version!;
  await world.look((zk) => zk.delete(PATH));
  await world.in(bob, () => bob.configs.publish('pricing', { vat: 0.4 }));
  await world.pass(50);
  expect(live.value.vat).toBe(0.4);
  expect(live.version!.number).toBe(1);
  expect(live.version!.zxid).toBeGreaterThan(before.zxid);
});
