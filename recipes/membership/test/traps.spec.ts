import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../test/recipes/recipe-world.js';
import { Groups, Services, type Membership } from '../src/index.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
let world: RecipeWorld;
let ann: Service;
let bob: Service;
let anns: Groups;
let bobs: Groups;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  anns = new Groups(ann.zk, { log: ann.log });
  bobs = new Groups(bob.zk, { log: bob.log });
  await world.look((zk) => zk.ensurePath('/groups/g'));
});

const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');
const isThere = (path: string) => world.port.tree.findText(path) !== -1;

function join(groups: Groups, id: string): Membership<string> {
  return groups.join('g', id, { id });
}

async function expectOurs({ zk }: Service, path: string): Promise<void> {
  const stat = await world.look((look) => look.exists(path));
  expect(stat?.ephemeralOwner).toBe(zk.sessionId);
}

describe('T1: a create whose answer is lost', () => {
  it.each([5, 9, 11, 13, 15, 19])('makes one member (reset after %i ms)', async (afterMs) => {
    const me = join(anns, 'a');
    world.world.after(afterMs, resetAnn);
    await world.in(ann, () => me.whenJoined());
    expect(await world.children('/groups/g')).toEqual(['a']);
    await expectOurs(ann, '/groups/g/a');
  });
});

describe('T4, T5: a member of the same name', () => {
  it('is not taken for this one when it was made in the session before', async () => {
    const me = await world.in(ann, () => join(anns, 'a').whenJoined());
    // Nobody at the server counts the time for which it stands still; the client does.
    world.host.process?.pause();
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(me.state.kind).toBe('lost');
    world.host.process?.resume();
    await world.in(ann, () => me.whenJoined());
    await expectOurs(ann, '/groups/g/a');
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(me.state.kind).toBe('joined');
    await expectOurs(ann, '/groups/g/a');
  });

  it('is a conflict when it is of another process, and for a service as well', async () => {
    const settings = { name: 's', id: 'a', address: '10.0.0.7', port: 1 };
    const theirs = new Services(bob.zk).register(settings);
    await world.in(bob, () => theirs.whenRegistered());
    await world.in(bob, () => join(bobs, 'a').whenJoined());
    const mine = new Services(ann.zk).register(settings);
    const me = join(anns, 'a');
    await world.pass(200);
    for (const { state } of [mine, me]) {
      expect(state).toMatchObject({ kind: 'conflict', owner: bob.zk.sessionId });
    }
    await expectOurs(bob, '/groups/g/a');
    await world.in(bob, () => bob.zk.close());
    await world.in(ann, () => Promise.all([mine.whenRegistered(), me.whenJoined()]));
    await expectOurs(ann, '/groups/g/a');
    await expectOurs(ann, '/services/s/a');
  });

  it('is replaced after a crash as soon as its session is over', async () => {
    const eve = await world.connected('eve');
    await world.in(eve, () => join(new Groups(eve.zk), 'a').whenJoined());
    eve.process.kill();
    const me = join(anns, 'a');
    await world.in(ann, () => me.whenJoined({ waitMs: 3 * SESSION_TIMEOUT_MS }));
  });
});

describe('T8, T9: leaving', () => {
  it('leaves no node, whenever it happens', async () => {
    for (const ms of [0, 5, 11, 15, 19, 25]) {
      const me = join(anns, 'a');
      await world.pass(ms);
      if (ms > 10) resetAnn();
      await world.in(ann, () => me.leave());
      await world.pass(1_000);
      expect(isThere('/groups/g/a')).toBe(false);
      await world.look((zk) => zk.ensurePath('/groups/g'));
    }
  });

  it('and joining again at once, in the same process or another, is no conflict with oneself', async () => {
    for (let round = 0; round < 5; round++) {
      const me = join(anns, 'a');
      await world.in(ann, () => me.whenJoined());
      void me.leave();
    }
    const last = join(anns, 'a');
    await world.in(ann, () => last.whenJoined());
    await world.pass(1_000);
    await expectOurs(ann, '/groups/g/a');
  });
});

it('T14: nothing is left behind: no watch, no node, no timer', async () => {
  const services = new Services(ann.zk);
  const base = [ann.zk.watchCount, world.watchCount];
  const me = await world.in(ann, () => join(anns, 'a').whenJoined());
  const listed = [
    anns.members$('g').subscribe(),
    anns.changes$('g').subscribe(),
    services.service('s').instances$.subscribe(),
  ];
  const registration = services.register({ name: 's', address: 'b', port: 1 });
  await world.in(ann, () => registration.whenRegistered());
  for (const subscription of listed) subscription.unsubscribe();
  await world.in(ann, () => Promise.all([me.leave(), services.close()]));
  await world.pass(100);
  expect([ann.zk.watchCount, world.watchCount]).toEqual(base);
  expect(await world.in(ann, () => ann.zk.ephemerals())).toEqual([]);
});

it('T18: answers of an old session change nothing in the new one', async () => {
  const me = await world.in(ann, () => join(anns, 'a').whenJoined());
  const updating = world.begin(ann, () => me.update('old'));
  await world.pass(15);
  ann.process.pause();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  ann.process.resume();
  await world.world.settle(updating);
  await world.in(ann, () => me.update('new'));
  const [member] = await world.in(bob, () => bobs.members('g'));
  expect(member).toMatchObject({ payload: 'new', sessionId: ann.zk.sessionId });
  expect(me.state).toMatchObject({ kind: 'joined', czxid: member?.czxid });
});

it('T23: who leaves late does not take the member away that has come meanwhile', async () => {
  const me = await world.in(ann, () => join(anns, 'a').whenJoined());
  world.world.partition(['ann'], ['server']);
  await world.pass(3 * SESSION_TIMEOUT_MS);
  await world.in(bob, () => join(bobs, 'a').whenJoined());
  const leaving = world.begin(ann, () => me.leave());
  world.world.heal();
  await world.world.settle(leaving);
  await world.pass(2 * SESSION_TIMEOUT_MS);
  await expectOurs(bob, '/groups/g/a');
});

it('T27: a member with a time to live is made with its child or not at all, and goes after it', async () => {
  await world.in(bob, () => join(bobs, 'b').whenJoined());
  for (const ms of [11, 15, 19, 21]) {
    const eve = await world.connected(`eve ${ms}`);
    new Groups(eve.zk).join('g', 'e', { id: 'e', ttlMs: 4_000 });
    await world.pass(ms);
    eve.process.kill();
    await world.pass(3_000);
    expect([isThere('/groups/g/e'), isThere('/groups/g/e/touch')]).toEqual([true, true]);
    expect(await world.in(ann, () => anns.members('g'))).toMatchObject([
      { id: 'b' },
      { id: 'e', payload: 'e', sessionId: 0n },
    ]);
    // Its time, and two rounds of the server.
    await world.pass(3_000);
    expect(isThere('/groups/g/e')).toBe(false);
  }
});

it('T28: a list shows this process only once the servers do', async () => {
  const lists: number[] = [];
  anns.members$('g').subscribe((members) => lists.push(members.length));
  const me = join(anns, 'a');
  expect(me.state.kind).toBe('joining');
  await world.pass(5);
  expect(lists).toEqual([]);
  await world.in(ann, () => me.whenJoined());
  await world.pass(100);
  expect(lists.at(-1)).toBe(1);
});
