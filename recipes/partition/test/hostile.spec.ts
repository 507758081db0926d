import { beforeEach, describe, expect, it } from '@jest/globals';
import { Partitions } from '../src/index.js';
import { GROUP, OWNERS, PartitionWorld, STEADY, Worker } from './partition-world.js';

const options = { items: 4, settleMs: 100 };

let world: PartitionWorld;
let ann: Worker;

beforeEach(async () => {
  world = await PartitionWorld.start({ network: STEADY });
  ann = await world.worker('ann');
});

describe('a strategy', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['throws', () => new Map([['0', broken()]]), /the strategy of .* failed.*: Error: broken/],
    ['returns no Map', () => ({ 0: 'ann' }), /failed.*: TypeError: it must return a Map/],
    ['returns nothing', () => undefined, /failed.*: TypeError: it must return a Map/],
  ])('that %s gives nobody anything, and says so once', async (_what, strategy, problem) => {
    Object.defineProperty(strategy, 'name', { value: 'bad' });
    const share = ann.join({ ...options, strategy: strategy as never });
    await world.pass(2_000);
    expect(ann.names).toEqual([]);
    expect(ann.service.lines).toEqual([expect.stringMatching(problem)]);
    await world.in(ann.service, () => share.leave());
    await world.pass(100);
    expect(world.watchCount).toBe(0);
  });

  it('may do with its arguments what it likes', async () => {
    const strategy = (items: readonly string[], members: readonly string[]) => {
      const owners = new Map(items.map((item) => [item, members[0]!]));
      (items as string[]).reverse();
      (members as string[]).length = 0;
      return owners;
    };
    const share = ann.join({ ...options, strategy });
    await world.until(() => ann.names.length === 4);
    expect(share.assignments.members).toEqual(['ann']);
    expect(ann.items.get('3')?.index).toBe(3);
  });
});

function broken(): string {
  throw new Error('broken');
}

describe('work that does not end', () => {
  it('owns nothing after the deadline of who leaves, be the grace as long as it likes', async () => {
    ann.endsAfterMs = 1_000_000;
    const share = ann.join({ ...options, graceMs: Infinity });
    await world.until(() => ann.names.length === 4);
    const before = [...ann.items.values()];
    await world.in(ann.service, () => share.leave({ deadlineMs: 200 }));
    expect(before.map(({ isHeld }) => isHeld)).toEqual([false, false, false, false]);
    await world.pass(100);
    expect(await world.inside(OWNERS)).toEqual([]);
    // Who joins again in the same session has nodes of his own.
    ann.join(options);
    await world.until(() => ann.journal.length === 8);
    const [one] = before;
    expect(ann.items.get(one!.item)!.token).toBeGreaterThan(one!.token);
  });

  it('is none of ours when its item comes back: its end ends nothing', async () => {
    const bob = await world.worker('bob');
    ann.endsAfterMs = 6_000;
    ann.join({ ...options, graceMs: 500 });
    await world.until(() => ann.names.length === 4);
    const share = bob.join({ ...options, graceMs: 500 });
    await world.until(() => bob.names.length > 0);
    const [item] = bob.names;
    await world.in(bob.service, () => share.leave());
    const ends = () => ann.journal.filter((line) => line === `-${item}`).length;
    const starts = () => ann.journal.filter((line) => line === `+${item}`).length;
    await world.until(() => starts() === 2, 5_000);
    expect(ends()).toBe(0);
    await world.until(() => ends() === 1);
    await world.pass(2_000);
    expect(starts()).toBe(2);
  });

  it('is waited for without an end, if it has an infinite grace', async () => {
    ann.endsAfterMs = 100_000;
    const share = ann.join({ ...options, graceMs: Infinity });
    await world.until(() => ann.names.length === 4);
    const left = world.begin(ann.service, () => share.leave());
    await world.pass(90_000);
    expect(await world.inside(OWNERS)).toHaveLength(4);
    await world.world.settle(left);
    expect(await world.inside(OWNERS)).toEqual([]);
  });
});

it('two members with one session do not take the nodes of each other for their own', async () => {
  const { zk, log, process } = ann.service;
  const twin = new Worker({
    ...ann.service,
    partitions: new Partitions(zk, { member: 'twin', log }),
  });
  ann.endsAfterMs = 2_000;
  ann.join(options);
  await world.until(() => ann.names.length === 4);
  const tokens = new Map([...ann.items].map(([item, { token }]) => [item, token]));
  process.run(() => twin.join(options));
  await world.until(() => [...ann.items.values()].some(({ signal }) => signal.aborted));
  await world.pass(1_500);
  // The work of the one before goes on.
  expect(twin.names).toEqual([]);
  await world.until(() => twin.names.length > 0 && ann.names.length + twin.names.length === 4);
  for (const [item, { token }] of twin.items) expect(token).toBeGreaterThan(tokens.get(item)!);
});

it('a group goes on whatever somebody writes into its nodes, or deletes', async () => {
  const bob = await world.worker('bob');
  ann.join(options);
  bob.join(options);
  const isShared = () => ann.names.length > 0 && bob.names.length > 0;
  const isWhole = () => isShared() && ann.names.length + bob.names.length === 4;
  await world.until(isWhole);
  const [mine] = ann.names;
  const acts = [
    ['set', GROUP, 'garbage'],
    ['set', GROUP, ''],
    ['set', `${OWNERS}/${mine}`, 'x'],
    ['delete', `${OWNERS}/${mine}`, ''],
    ['create', `${GROUP}/members/foreign`, ''],
    ['create', `${GROUP}/members/zoe@4.other`, ''],
    ['create', `${OWNERS}/foreign`, ''],
  ] as const;
  for (const [act, path, data] of acts) {
    await world.look(async (zk) => {
      if (act === 'set') await zk.set(path, data);
      else if (act === 'delete') await zk.delete(path);
      else await zk.create(path, data);
    });
    await world.pass(4_000);
    expect(isWhole()).toBe(true);
    for (const one of [...ann.items.values(), ...bob.items.values()]) one.assertHeld();
  }
});

it.each<[object, RegExp]>([
  [{ graceMs: '5s' }, /graceMs must be a number of milliseconds from 0 up, not 5s/],
  [{ settleMs: NaN }, /settleMs must be a number of milliseconds/],
  [{ settleMs: Infinity }, /settleMs must come to an end/],
])('joining is refused with %j', (wrong, problem) => {
  expect(() => ann.join({ ...options, ...wrong })).toThrow(problem);
  const { partitions } = ann.service;
  expect(() => partitions.join('h', options, undefined as never)).toThrow(/own must be a function/);
  expect(() => ann.join(options).leave({ deadlineMs: NaN })).toThrow(/deadlineMs must be/);
});
