import { beforeEach, describe, expect, it } from '@jest/globals';
import { shareOut, type Assignments, type Share } from '../src/index.js';
import {
  GROUP,
  OWNERS,
  PartitionWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  failure,
  type Worker,
} from './partition-world.js';

const ITEMS = 16;
const ALL = Array.from({ length: ITEMS }, (_, at) => String(at));
const options = { items: ITEMS, graceMs: 2_000 };

let world: PartitionWorld;
let ann: Worker;
let bob: Worker;
let cas: Worker;

beforeEach(async () => {
  world = await PartitionWorld.start({ network: STEADY });
  ann = await world.worker('ann');
  bob = await world.worker('bob');
  cas = await world.worker('cas');
});

/** What `worker` is to own among `members`. */
function due(worker: Worker, ...members: Worker[]): string[] {
  const owners = shareOut(
    ALL,
    members.map(({ service }) => service.name),
  );
  return ALL.filter((item) => owners.get(item) === worker.service.name);
}

const isShared = (...members: Worker[]): boolean =>
  members.every((one) => one.names.join() === due(one, ...members).join());

async function expectNothingLeft(): Promise<void> {
  await world.pass(100);
  expect(await world.inside(OWNERS)).toEqual([]);
  expect(await world.inside(`${GROUP}/members`)).toEqual([]);
  expect(world.watchCount).toBe(0);
  expect([ann, bob, cas].map(({ service }) => service.zk.watchCount)).toEqual([0, 0, 0]);
}

describe('a group', () => {
  it('gives all items to its only member', async () => {
    const share = ann.join(options);
    await world.until(() => isShared(ann));
    expect(ann.names).toEqual(ALL);
    expect(await world.inside(OWNERS)).toHaveLength(ITEMS);
    const zero = ann.items.get('0')!;
    expect([zero.item, zero.index, zero.group, zero.isHeld]).toEqual(['0', 0, GROUP, true]);
    const stat = await world.look((zk) => zk.exists(`${OWNERS}/0`));
    expect(stat).toMatchObject({ czxid: zero.token, ephemeralOwner: ann.service.zk.sessionId });
    const record = await world.look((zk) => zk.exists(GROUP));
    expect(record?.mzxid).toBe(zero.generation);
    await world.in(ann.service, () => share.leave());
    expect(ann.names).toEqual([]);
    await expectNothingLeft();
  });

  it('moves only what a member that comes gets, and what one that goes had', async () => {
    const first = ann.join(options);
    const second = bob.join(options);
    await world.until(() => isShared(ann, bob));
    for (const { journal } of [ann, bob]) journal.length = 0;
    const third = cas.join(options);
    await world.until(() => isShared(ann, bob, cas));
    const moved = [...ann.journal, ...bob.journal].map((line) => line.slice(1)).sort();
    expect(moved).toEqual([...due(cas, ann, bob, cas)].sort());
    expect([...ann.journal, ...bob.journal].every((line) => line.startsWith('-'))).toBe(true);
    for (const { journal } of [ann, bob, cas]) journal.length = 0;
    await world.in(cas.service, () => third.leave());
    await world.until(() => isShared(ann, bob));
    expect([...ann.journal, ...bob.journal].every((line) => line.startsWith('+'))).toBe(true);
    await world.in(ann.service, () => first.leave());
    await world.in(bob.service, () => second.leave());
    await expectNothingLeft();
  });

  it('gives an item to its next owner when the work of the one before has ended', async () => {
    ann.endsAfterMs = 1_000;
    ann.join(options);
    await world.until(() => isShared(ann));
    bob.join(options);
    const [item] = due(bob, ann, bob);
    await world.until(() => ann.items.get(item!)?.signal.aborted === true);
    expect(ann.items.get(item!)!.isHeld).toBe(true);
    expect(String(ann.items.get(item!)!.signal.reason)).toMatch(/goes to another member/);
    await world.pass(900);
    expect(bob.names).toEqual([]);
    const before = ann.items.get(item!)!.token;
    await world.until(() => isShared(ann, bob), 300);
    expect(bob.items.get(item!)!.token).toBeGreaterThan(before);
  });

  it('does not wait for work after its grace, which is no owner any more', async () => {
    ann.endsAfterMs = 20_000;
    ann.join(options);
    await world.until(() => isShared(ann));
    bob.join(options);
    const [item] = due(bob, ann, bob);
    await world.until(() => bob.items.has(item!), 5_000);
    const zombie = ann.items.get(item!)!;
    expect(() => zombie.assertHeld()).toThrow(/the item .* is not held/);
    expect(ann.service.lines.join()).toMatch(/did not end within its grace of 2000 ms/);
    const write = world.in(ann.service, () => zombie.transaction().create('/late').commit());
    expect(await failure(write)).toMatchObject({ name: 'LeaseLostError', outcome: 'notApplied' });
  });

  it('keeps items while a connection is broken, and starts nothing anew after it', async () => {
    ann.join(options);
    bob.join(options);
    await world.until(() => isShared(ann, bob));
    for (const { journal } of [ann, bob]) journal.length = 0;
    world.world.partition(['ann'], ['server']);
    world.world.fabric.resetBetween('ann', 'server');
    await world.pass(SESSION_TIMEOUT_MS / 4);
    world.world.heal();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect([ann.journal, bob.journal]).toEqual([[], []]);
  });

  it('takes the items of a member whose session is over, which was told before', async () => {
    ann.join(options);
    bob.join(options);
    await world.until(() => isShared(ann, bob));
    const held = [...ann.items.values()];
    world.world.partition(['ann'], ['server']);
    await world.until(() => isShared(bob));
    expect(held.map(({ signal }) => signal.aborted)).toEqual(held.map(() => true));
    expect(new Set(held.map(({ lost }) => lost))).toEqual(new Set(['uncertain']));
    expect(ann.names).toEqual([]);
    world.world.heal();
    await world.until(() => isShared(ann, bob));
  });

  it('gives a member that restarts under its name its items back', async () => {
    const share = ann.join(options);
    bob.join(options);
    await world.until(() => isShared(ann, bob));
    bob.journal.length = 0;
    await world.in(ann.service, () => share.leave());
    ann.join(options);
    await world.until(() => isShared(ann, bob));
    // Within the time that members are given to settle: nothing has moved to bob.
    expect(bob.journal).toEqual([]);
  });

  it('begins again as soon as at first with work that went well for long before it failed', async () => {
    const pausesMs: number[] = [];
    let failedMs: number | null = null;
    const now = () => world.world.virtualMs;
    ann.service.process.run(() => {
      ann.service.partitions.join('g', { items: 1 }, async () => {
        if (failedMs !== null) pausesMs.push(Math.round((now() - failedMs) / 100) / 10);
        if (pausesMs.length === 3) await ann.sleep(100_000);
        failedMs = now();
        throw new Error('broken');
      });
    });
    await world.until(() => pausesMs.length === 5, 300_000);
    expect(pausesMs).toEqual([1, 2, 4, 1, 2]);
  });

  it('goes on with the work that fails, after a pause', async () => {
    let runs = 0;
    const share = await world.in(ann.service, () =>
      Promise.resolve(
        ann.service.partitions.join('g', { items: 1 }, () => {
          runs++;
          throw new Error('broken');
        }),
      ),
    );
    await world.until(() => runs === 3, 10_000);
    expect(ann.service.lines.join()).toMatch(
      /the work on the item 0 of .* failed; it begins again/,
    );
    await world.in(ann.service, () => share.leave());
    await expectNothingLeft();
  });
});

describe('members that mean other items', () => {
  it('wait until the ones before have left', async () => {
    const old = ann.join({ items: 4 });
    await world.until(() => ann.names.length === 4);
    const share = bob.join({ items: 8 });
    await world.pass(3_000);
    expect(bob.names).toEqual([]);
    expect(share.assignments.isSuperseded).toBe(true);
    expect(ann.names).toHaveLength(4);
    await world.in(ann.service, () => old.leave());
    await world.until(() => bob.names.length === 8);
    expect(share.assignments.isSuperseded).toBe(false);
  });
});

describe('assignments$', () => {
  it('tells what was agreed upon and what is ours, and completes', async () => {
    const seen: Assignments[] = [];
    let isComplete = false;
    const share: Share = ann.join(options);
    share.assignments$.subscribe({
      next: (one) => seen.push(one),
      complete: () => (isComplete = true),
    });
    bob.join(options);
    await world.until(() => isShared(ann, bob));
    const last = seen.at(-1)!;
    expect(last.members).toEqual(['ann', 'bob']);
    expect(last.owners).toEqual(shareOut(ALL, ['ann', 'bob']));
    expect(last.partitions.map(({ item }) => item).sort()).toEqual([...ann.names].sort());
    const generations = seen.flatMap(({ generation }) => generation ?? []);
    expect([...generations].sort((a, b) => Number(a - b))).toEqual(generations);
    await world.in(ann.service, () => share.leave());
    expect(isComplete).toBe(true);
  });
});

describe('what is refused', () => {
  it('a second membership in one group', () => {
    ann.join(options);
    expect(() => ann.join(options)).toThrow(/g\/members\/ann@16/);
  });

  it.each([
    ['', /not empty/],
    ['/', /root cannot be a group/],
    ['a//b', /^join: /],
  ] as const)('the group %p', (group, message) => {
    const { partitions } = ann.service;
    expect(() => partitions.join(group, options, ann.own)).toThrow(message);
  });

  it('times that are none, and a group after the end', async () => {
    const { partitions } = ann.service;
    expect(() => partitions.join('g', { items: 1, graceMs: -1 }, ann.own)).toThrow(/graceMs must/);
    await world.in(ann.service, () => partitions.close());
    expect(() => partitions.join('g', { items: 1 }, ann.own)).toThrow(/shutting down/);
  });
});
