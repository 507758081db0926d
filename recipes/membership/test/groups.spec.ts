import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidPathError, RequestTooLargeError } from '@aviary/client';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../test/recipes/recipe-world.js';
import { rejection } from '../../../test/rejection.js';
import {
  Groups,
  MembershipsClosedError,
  PayloadError,
  type Member,
  type RosterView,
} from '../src/index.js';

interface Place {
  readonly zone: string;
}

let world: RecipeWorld;
let ann: Service;
let bob: Service;
let anns: Groups;
let bobs: Groups;

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  anns = new Groups(ann.zk, { log: ann.log, identity: 'ann 1' });
  bobs = new Groups(bob.zk, { log: bob.log });
});

const ids = (members: readonly Member[]) => members.map(({ id }) => id).join();

describe('a group', () => {
  it('shows who is there, with what they say of themselves, until they leave', async () => {
    const seen: string[] = [];
    bobs.members$<Place>('workers').subscribe((members) => {
      seen.push(members.map(({ id, payload }) => `${id} ${payload?.zone ?? '-'}`).join());
    });
    const me = await world.in(ann, () =>
      anns.join<Place>('workers', { zone: 'eu' }, { id: 'a-1' }).whenJoined(),
    );
    const other = await world.in(bob, () =>
      bobs.join('workers', undefined, { id: 'b-1' }).whenJoined(),
    );
    await world.in(ann, () => me.update({ zone: 'us' }));
    await world.pass(100);
    await world.in(bob, () => other.leave());
    await world.in(ann, () => me.leave());
    await world.pass(100);
    expect(seen).toEqual(['', 'a-1 eu', 'a-1 eu,b-1 -', 'a-1 us,b-1 -', 'a-1 us', '']);
    expect([anns.memberships, bobs.memberships]).toEqual([[], []]);
  });

  it("has the layout of Curator's GroupMember", async () => {
    await world.in(ann, () => anns.join('workers', { zone: 'eu' }, { id: 'a-1' }).whenJoined());
    await world.in(ann, () => anns.join('workers', undefined, { id: 'a-2' }).whenJoined());
    const [one, two, parent] = await world.look((zk) =>
      Promise.all([
        zk.get('/groups/workers/a-1'),
        zk.get('/groups/workers/a-2'),
        zk.get('/groups/workers'),
      ]),
    );
    expect(String(one.data)).toBe('{"zone":"eu"}');
    expect(String(two.data)).toBe('ann 1');
    await world.in(bob, () => bobs.join('workers', undefined, { id: 'b-1' }).whenJoined());
    const members = await world.in(ann, () => anns.members('workers'));
    expect(members.map(({ payload }) => payload)).toEqual([{ zone: 'eu' }, null, null]);
    expect(one.stat.ephemeralOwner).toBe(ann.zk.sessionId);
    expect([parent.stat.ephemeralOwner, String(parent.data)]).toEqual([0n, '']);
  });

  it('sees members of other clients, whatever they write', async () => {
    await world.look((zk) => zk.ensurePath('/groups/workers'));
    await world.in(bob, () =>
      bob.zk.create('/groups/workers/java', '10.0.0.7', { mode: 'ephemeral' }),
    );
    const [member] = await world.in(ann, () => anns.members('workers'));
    expect(member).toMatchObject({ id: 'java', payload: null, sessionId: bob.zk.sessionId });
    expect(String(member?.data)).toBe('10.0.0.7');
    const texts = new Groups(ann.zk, { payload: 'text' });
    expect(await world.in(ann, () => texts.members('workers'))).toMatchObject([
      { payload: '10.0.0.7' },
    ]);
    const me = anns.join<unknown>('b', 1);
    const unwritable = await rejection(me.update(1n));
    expect(unwritable).toBeInstanceOf(PayloadError);
    expect(unwritable.message).toMatch(
      /^the group \/groups\/b: the payload cannot be written: .*BigInt/,
    );
    expect(unwritable).toMatchObject({ outcome: 'notApplied', path: '/groups/b' });
    expect(unwritable.cause).toBeInstanceOf(TypeError);
    await world.in(ann, () => me.leave());
    const bytes = new Groups(ann.zk, { payload: 'bytes' });
    expect(await world.in(ann, () => bytes.members('workers'))).toMatchObject([
      { payload: Buffer.from('10.0.0.7') },
    ]);
  });

  it('tells who came, changed and went', async () => {
    const told: string[] = [];
    await world.in(ann, () => anns.join('workers', 1, { id: 'a' }).whenJoined());
    bobs.changes$('workers').subscribe((change) => {
      const id = 'member' in change ? change.member.id : change.before.id;
      told.push(`${change.kind} ${id}`);
    });
    await world.pass(100);
    const b = await world.in(bob, () => bobs.join('workers', 1, { id: 'b' }).whenJoined());
    await world.in(bob, () => b.update(2));
    await world.pass(100);
    await world.in(bob, () => b.leave());
    await world.pass(100);
    // Somebody deletes a member, which joins again before the next look.
    await world.look((zk) => zk.delete('/groups/workers/a'));
    await world.pass(500);
    expect(told.slice(0, 4)).toEqual(['joined a', 'joined b', 'updated b', 'left b']);
    expect(told.slice(4)).toEqual(['left a', 'joined a']);
  });

  it('is one object for one name, one watch for all who look, and nothing after them', async () => {
    expect(anns.group('workers')).toBe(anns.group('/groups/workers'));
    const subscriptions = [1, 2, 3].map(() => anns.members$('workers').subscribe());
    subscriptions.push(anns.changes$('workers').subscribe());
    await world.pass(200);
    expect(world.watchCount).toBe(1);
    for (const subscription of subscriptions) subscription.unsubscribe();
    await world.pass(100);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('keeps a member with a time to live over the restart of its process', async () => {
    const told: string[] = [];
    bobs.changes$('workers').subscribe(({ kind }) => told.push(kind));
    const options = { id: 'a', ttlMs: 10_000, owner: 'pod-1' };
    await world.in(ann, () => anns.join('workers', 1, options).whenJoined());
    ann.process.kill();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const cas = await world.connected('cas');
    const cass = new Groups(cas.zk);
    const me = await world.in(cas, () => cass.join('workers', 1, options).whenJoined());
    await world.pass(20_000);
    expect(told).toEqual(['joined', 'updated']);
    await world.in(cas, () => me.update(2));
    await world.in(cas, () => cass.close());
    await world.pass(100);
    expect(told).toEqual(['joined', 'updated', 'updated', 'left']);
  });

  it('refuses names that are none, and payloads that cannot be written', async () => {
    expect(() => anns.group('')).toThrow('must be a string, and not empty');
    expect(() => anns.group('/')).toThrow('the root cannot be a group');
    expect(() => anns.group('../x')).toThrow(InvalidPathError);
    expect(() => anns.join('a', 1, { id: 'x/y' })).toThrow('a name without a slash');
    expect(() => anns.join('a', 1, { id: '..' })).toThrow(InvalidPathError);
    expect(() => anns.join('a', 1, { ttlMs: 5 })).toThrow('ttlMs must be a whole number from 1000');
    expect(() => anns.join('a', 1, { id: 'x', owner: 'me' })).toThrow('an owner needs an `id`');
    expect(() => anns.join('a', () => 1)).toThrow('a function is no payload: JSON has none');
    const bytes = new Groups(ann.zk, { payload: 'bytes' });
    expect(() => bytes.join('a', 'text')).toThrow('must be a Uint8Array');
    expect(() => new Groups(ann.zk, { payload: 'yaml' as never })).toThrow('not yaml');
    expect(() => new Groups(ann.zk, { identity: 5 as never })).toThrow('must be a string');
    expect(() => new Groups(ann.zk, { acl: [null!] })).toThrow('an ACL must be a list');
    expect(() => anns.join('a', 'x'.repeat(2_000_000))).toThrow(RequestTooLargeError);
    await world.in(ann, () => anns.join('a', 1, { id: 'x' }).whenJoined());
    expect(() => anns.join('a', 1, { id: 'x' })).toThrow('this client is present there already');
    await world.in(ann, () => anns.close());
    expect(() => anns.join('a', 1)).toThrow(MembershipsClosedError);
  });
});

describe('while there is no connection', () => {
  it('T19: the list is kept, marked, and right again afterwards', async () => {
    const views: RosterView<Member>[] = [];
    await world.in(bob, () => bobs.join('workers', 1, { id: 'b' }).whenJoined());
    const me = await world.in(ann, () => anns.join('workers', 1, { id: 'a' }).whenJoined());
    anns.group('workers').view$.subscribe((view) => views.push(view));
    await world.pass(100);
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => views.at(-1)?.stale === true);
    expect(ids(views.at(-1)!.members)).toBe('a,b');
    await world.in(bob, () => bobs.close());
    await world.world.reach(() => me.state.kind === 'lost');
    expect(ids(views.at(-1)!.members)).toBe('a,b');
    world.world.heal();
    await world.in(ann, () => me.whenJoined());
    await world.pass(200);
    expect(views.at(-1)?.stale).toBe(false);
    expect(ids(views.at(-1)!.members)).toBe('a');
    expect(views.filter(({ members, stale }) => members.length === 0 && stale)).toEqual([]);
  });

  it('T28: what this process thinks of itself is apart from who is a member', async () => {
    world.world.partition(['ann'], ['server']);
    const me = anns.join('workers', 1, { id: 'a' });
    const lists: string[] = [];
    bobs.members$('workers').subscribe((members) => lists.push(ids(members)));
    await world.pass(500);
    expect([me.state.kind, lists]).toEqual(['joining', ['']]);
    world.world.heal();
    await world.in(ann, () => me.whenJoined());
    await world.pass(100);
    expect([me.state.kind, lists]).toEqual(['joined', ['', 'a']]);
  });
});
