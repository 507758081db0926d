import { beforeEach, describe, expect, it } from '@jest/globals';
import { ItemNodes } from '../src/core/item-node.js';
import { shareOut } from '../src/index.js';
import {
  GROUP,
  OWNERS,
  PartitionWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Worker,
} from './partition-world.js';

/**
 * The traps that other partitioners fell into, by their numbers in the list of known ones; here
 * each is walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
const ITEMS = 8;
const ALL = Array.from({ length: ITEMS }, (_, at) => String(at));
const options = { items: ITEMS, graceMs: 1_000, settleMs: 100 };

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

const reset = (name: string) => world.world.fabric.resetBetween(name, 'server');

function isShared(...members: Worker[]): boolean {
  const owners = shareOut(
    ALL,
    members.map(({ service }) => service.name),
  );
  return members.every(
    ({ names, service }) =>
      names.join() === ALL.filter((item) => owners.get(item) === service.name).join(),
  );
}

/** The owners as the server has them: session by item. */
async function ownersOf(items: readonly string[]): Promise<(bigint | undefined)[]> {
  return world.look((zk) =>
    Promise.all(items.map(async (item) => (await zk.exists(`${OWNERS}/${item}`))?.ephemeralOwner)),
  );
}

describe('T1: a claim whose answer is lost', () => {
  // Ann's first claims are on their way some 200 ms after she has joined.
  it.each(Array.from({ length: 16 }, (_, at) => 100 + 15 * at))(
    'ends with the items ours, once (reset after %i ms)',
    async (afterMs) => {
      const share = ann.join(options);
      world.world.after(afterMs, () => reset('ann'));
      await world.until(() => isShared(ann), 5_000);
      const session = ann.service.zk.sessionId!;
      expect(await ownersOf(ALL)).toEqual(ALL.map(() => session));
      await world.pass(500);
      expect(ann.journal).toEqual(ALL.map((item) => `+${item}`));
      await world.in(ann.service, () => share.leave());
      expect(await world.inside(OWNERS)).toEqual([]);
    },
  );
});

it('T5: the node of our own session before is not ours', async () => {
  ann.join(options);
  await world.until(() => isShared(ann));
  const before = ann.service.zk.sessionId!;
  // Nobody at the server counts the time for which it stands still; the client does.
  world.host.process?.pause();
  await world.pass(2 * SESSION_TIMEOUT_MS);
  expect(ann.names).toEqual([]);
  const starts = ann.journal.length;
  world.host.process?.resume();
  await world.until(() => isShared(ann));
  expect(ann.service.zk.sessionId).not.toBe(before);
  expect(await ownersOf(ALL)).toEqual(ALL.map(() => ann.service.zk.sessionId));
  await world.pass(3 * SESSION_TIMEOUT_MS);
  // Each began once: none stood on a node that went with the session before.
  expect(ann.journal.slice(starts).sort()).toEqual(ALL.map((item) => `+${item}`));
});

it('T6: an owner whose session is over is told in the first line that it runs', async () => {
  ann.join(options);
  await world.until(() => isShared(ann));
  bob.join(options);
  const item = ann.items.get('0')!;
  ann.service.process.pause();
  await world.until(() => isShared(bob));
  const firstLine = new Promise<unknown[]>((resolve) => {
    ann.service.process.resume();
    resolve([item.isHeld, item.lost]);
  });
  expect(await firstLine).toEqual([false, 'uncertain']);
  expect(bob.items.get('0')!.token).toBeGreaterThan(item.token);
});

describe('T9, T23: a release whose answer is lost', () => {
  it.each([5, 15, 25, 35, 45, 55])(
    'does not take the node of the next owner (reset after %i ms)',
    async (afterMs) => {
      ann.join(options);
      await world.until(() => isShared(ann));
      bob.join(options);
      // The first item that moves is given up in this moment.
      await world.until(() => ann.journal.some((line) => line.startsWith('-')), 5_000);
      world.world.after(afterMs, () => reset('ann'));
      await world.until(() => isShared(ann, bob), 10_000);
      await world.pass(2 * SESSION_TIMEOUT_MS);
      const owners = shareOut(ALL, ['ann', 'bob']);
      const sessions = { ann: ann.service.zk.sessionId!, bob: bob.service.zk.sessionId! };
      const wanted = ALL.map((item) => sessions[owners.get(item) as 'ann' | 'bob']);
      expect(await ownersOf(ALL)).toEqual(wanted);
      expect(bob.journal.filter((line) => line.startsWith('-'))).toEqual([]);
    },
  );
});

it('T19: a change of the members during a gap is seen after it', async () => {
  ann.join(options);
  const share = bob.join(options);
  await world.until(() => isShared(ann, bob));
  world.world.partition(['ann'], ['server']);
  reset('ann');
  await world.pass(50);
  await world.in(bob.service, () => share.leave());
  cas.join(options);
  await world.pass(300);
  world.world.heal();
  await world.until(() => isShared(ann, cas));
});

it('T28: we are a member only if the servers say so', async () => {
  const share = ann.join(options);
  bob.join(options);
  await world.until(() => isShared(ann, bob));
  const [node] = (await world.inside(`${GROUP}/members`)).filter((name) => name.startsWith('ann@'));
  const generation = share.assignments.generation!;
  await world.look((zk) => zk.delete(`${GROUP}/members/${node}`));
  await world.pass(1_000);
  expect(await world.inside(`${GROUP}/members`)).toContain(node);
  await world.until(() => isShared(ann, bob));
  expect(share.assignments.generation).toBeGreaterThanOrEqual(generation);
});

describe('T29: a member that comes while items are being claimed', () => {
  it.each(Array.from({ length: 20 }, (_, at) => 20 * at))(
    'is not overlooked (after %i ms), and nothing is claimed for an agreement that is over',
    async (afterMs) => {
      ann.join(options);
      await world.pass(afterMs);
      bob.join(options);
      await world.pass(afterMs / 2);
      cas.join(options);
      await world.until(() => isShared(ann, bob, cas), 10_000);
      const versions = await world.look(async (zk) => (await zk.exists(GROUP))?.version);
      expect(versions).toBeLessThanOrEqual(3);
    },
  );

  it('is refused, whatever it believes, once the group has agreed upon another', async () => {
    ann.join(options);
    await world.until(() => isShared(ann));
    bob.join(options);
    await world.until(() => isShared(ann, bob));
    // Bob is stopped with an agreement in his head; meanwhile the group goes on without him.
    bob.service.process.pause();
    await world.until(() => isShared(ann));
    cas.join(options);
    await world.until(() => isShared(ann, cas));
    const before = await ownersOf(ALL);
    bob.service.process.resume();
    await world.pass(50);
    expect(await ownersOf(ALL)).toEqual(before);
    await world.until(() => isShared(ann, bob, cas));
  });
});

it.each([25, 30, 35])(
  'T6: a claim that came too late to be certain leaves no node behind (stopped after %i ms)',
  async (ms) => {
    const { zk, log, process } = ann.service;
    const terms = { zk, group: GROUP, owners: OWNERS, data: 'ann', acl: undefined, log };
    const { czxid: origin } = await world.look(async (admin) => {
      await admin.ensurePath(OWNERS);
      return (await admin.exists(GROUP))!;
    });
    const options = { inSession: zk.sessionId!, deadlineMs: Infinity };
    const claiming = world.begin(ann.service, () =>
      new ItemNodes(terms).claim('0', { version: 0, origin }, options),
    );
    await world.pass(ms);
    process.pause();
    expect(await world.inside(OWNERS)).toEqual(['0']);
    await world.look((admin) => admin.set(GROUP, 'agreed anew'));
    await world.pass(0.8 * SESSION_TIMEOUT_MS);
    process.resume();
    expect(await world.world.settle(claiming)).toBe('stale');
    expect(await world.inside(OWNERS)).toEqual([]);
  },
);

it('T10: a version that a group had before everybody left it is none of the new one', async () => {
  const { zk, log } = ann.service;
  const terms = { zk, group: GROUP, owners: OWNERS, data: 'ann', acl: undefined, log };
  const nodes = new ItemNodes(terms);
  const claim = (origin: bigint, version = 1) =>
    world.in(ann.service, () =>
      nodes.claim('0', { version, origin }, { inSession: zk.sessionId!, deadlineMs: Infinity }),
    );
  const made = await world.look(async (admin) => {
    await admin.ensurePath(GROUP);
    await admin.set(GROUP, 'agreed');
    return admin.exists(GROUP);
  });
  expect(await claim(made!.czxid - 1n)).toBe('stale');
  expect(await world.inside(OWNERS)).toEqual([]);
  // Nor is one that the group had before its latest agreement.
  expect(await claim(made!.czxid, 0)).toBe('stale');
  expect(await world.inside(OWNERS)).toEqual([]);
  expect(await claim(made!.czxid)).toMatchObject({ path: `${OWNERS}/0` });
});

it('T14: a hundred moves leave no watch behind', async () => {
  ann.join(options);
  for (let round = 0; round < 30; round++) {
    const share = bob.join(options);
    await world.until(() => isShared(ann, bob));
    await world.in(bob.service, () => share.leave());
    await world.until(() => isShared(ann));
  }
  expect(ann.journal.length).toBeGreaterThan(100);
  await world.pass(100);
  expect(bob.service.zk.watchCount).toBe(0);
  // One for each item, for our member's node, for the members and for the agreement.
  expect(ann.service.zk.watchCount).toBeLessThanOrEqual(ITEMS + 4);
  expect(world.watchCount).toBe(ann.service.zk.watchCount);
});
