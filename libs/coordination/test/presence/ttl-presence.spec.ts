import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { InvalidArgumentError, type ZooKeeper } from '@aviary/client';
import {
  AlreadyPresentError,
  Presence,
  TtlPresence,
  TtlUnsupportedError,
} from '../../src/index.js';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../../test/recipes/recipe-world.js';

const TTL_MS = 10_000;
const REAPER_MS = 1_000;

let world: RecipeWorld;
let ann: Service;
let bob: Service;
let kinds: string[];

async function start(server = {}): Promise<void> {
  world = await RecipeWorld.start({ network: STEADY, server });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  kinds = [];
}

beforeEach(() => start());

afterEach(async () => {
  await world.in(ann, () => ann.zk.close());
  await world.in(bob, () => bob.zk.close());
  await world.pass(TTL_MS + 3 * REAPER_MS);
  expect(world.watchCount).toBe(0);
  expect(isThere('/g')).toBe(false);
  expect(world.failures).toEqual([]);
});

const isThere = (path: string) => world.port.tree.findText(path) !== -1;
const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');

function join(service: Service, data = 'here', terms: { owner?: string; ttlMs?: number } = {}) {
  const { zk, log } = service;
  const presence = new TtlPresence({ zk, log, path: '/g/a', data, ttlMs: TTL_MS, ...terms });
  if (service === ann) presence.state$.subscribe(({ kind }) => kinds.push(kind));
  return presence;
}

async function joined(service: Service, data?: string, terms?: { owner?: string }) {
  const presence = join(service, data, terms);
  await world.in(service, () => presence.whenJoined());
  return presence;
}

/** Puts another node in the place of the one that is there. */
const replace = ({ zk }: Service) =>
  zk
    .transaction()
    .delete('/g/a/touch')
    .delete('/g/a')
    .create('/g/a', 'foreign', { mode: 'container' })
    .create('/g/a/touch', 'foreign', { mode: 'persistentWithTtl', ttlMs: TTL_MS })
    .commit();

const read = async () => {
  const { data, stat } = await world.look((zk) => zk.get('/g/a'));
  return { text: String(data), czxid: stat.czxid };
};

describe('a presence with a time to live', () => {
  it('stands as long as its process, and is gone at once when it leaves', async () => {
    const presence = await joined(ann);
    const { czxid } = await read();
    expect(presence.state).toEqual({ kind: 'joined', sessionId: 0n, czxid });
    expect(await world.children('/g/a')).toEqual(['touch']);
    await world.pass(5 * TTL_MS);
    expect(await read()).toEqual({ text: 'here', czxid });
    await world.in(ann, () => presence.leave());
    expect(await world.children('/g')).toEqual([]);
    expect(kinds).toEqual(['joining', 'joined', 'left']);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
  });

  it('is touched thrice in its time, and no more', async () => {
    await joined(ann);
    const version = async () => (await world.look((zk) => zk.exists('/g/a/touch')))!.version;
    expect(await version()).toBe(0);
    await world.pass(3 * TTL_MS);
    expect(await version()).toBeGreaterThanOrEqual(8);
    expect(await version()).toBeLessThanOrEqual(9);
  });

  it('T27: never stands for ever: node and child are made together or not at all', async () => {
    const keeper = world.service('keeper');
    await world.in(keeper, () => keeper.zk.create('/g', '', { mode: 'container' }));
    await world.in(keeper, () => keeper.zk.create('/g/k', '', { mode: 'ephemeral' }));
    for (const ms of [11, 15, 19, 21, 30, 40]) {
      const eve = await world.connected(`eve ${ms}`);
      join(eve);
      await world.pass(ms);
      eve.process.kill();
      // What was sent arrives all the same.
      await world.pass(10);
      expect([isThere('/g/a'), isThere('/g/a/touch')]).toEqual([true, true]);
      await world.pass(TTL_MS - REAPER_MS);
      expect(isThere('/g/a')).toBe(true);
      await world.pass(4 * REAPER_MS);
      expect(isThere('/g/a')).toBe(false);
    }
    await world.in(keeper, () => keeper.zk.close());
  });

  it('outlives its session', async () => {
    const presence = await joined(ann);
    const { czxid } = await read();
    const session = ann.zk.sessionId;
    world.world.partition(['ann'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(presence.state).toMatchObject({ kind: 'suspended', sessionId: 0n });
    world.world.heal();
    await world.in(ann, () => presence.whenJoined());
    expect(ann.zk.sessionId).not.toBe(session);
    expect(presence.state).toMatchObject({ kind: 'joined', czxid });
    expect(kinds).toEqual(['joining', 'joined', 'suspended', 'joined']);
  });

  it('is lost when it was not heard of for its time, and made again', async () => {
    const presence = await joined(ann);
    const { czxid } = await read();
    world.world.partition(['ann'], ['server']);
    await world.pass(TTL_MS + 3 * REAPER_MS);
    expect(presence.state).toEqual({ kind: 'lost', reason: 'ttlPassed' });
    expect(isThere('/g/a')).toBe(false);
    world.world.heal();
    await world.in(ann, () => presence.whenJoined());
    expect((await read()).czxid).toBeGreaterThan(czxid);
    expect(kinds.slice(2)).toEqual(['suspended', 'lost', 'joining', 'joined']);
  });

  it('is lost and found while its session lives', async () => {
    const presence = join(ann, 'here', { ttlMs: 1_000 });
    await world.in(ann, () => presence.whenJoined());
    world.world.partition(['ann'], ['server']);
    resetAnn();
    await world.world.reach(() => presence.state.kind === 'lost');
    world.world.heal();
    await world.in(ann, () => presence.whenJoined());
    expect(ann.zk.state.kind).toBe('reconnected');
    expect(kinds).toEqual(['joining', 'joined', 'suspended', 'lost', 'joining', 'joined']);
  });

  it('goes on with its node if only the child is gone, and makes it again if somebody deletes it', async () => {
    const presence = await joined(ann);
    const { czxid } = await read();
    await world.look((zk) => zk.delete('/g/a/touch'));
    await world.pass(500);
    expect(presence.state).toMatchObject({ kind: 'joined', czxid });
    expect(isThere('/g/a/touch')).toBe(true);
    await world.look((zk) => zk.transaction().delete('/g/a/touch').delete('/g/a').commit());
    await world.pass(1_000);
    expect(presence.state.kind).toBe('joined');
    expect((await read()).czxid).toBeGreaterThan(czxid);
  });
});

describe('its data', () => {
  it.each([0, 5, 10, 15])('is written, and the last counts (reset after %i ms)', async (ms) => {
    const presence = await joined(ann);
    if (ms > 0) world.world.after(ms, resetAnn);
    const updates = ['1', '2', '3'].map((text) => () => presence.update(text));
    await world.in(ann, () => Promise.all(updates.map((update) => update())));
    expect((await read()).text).toBe('3');
    expect(presence.state.kind).not.toBe('lost');
  });

  it('stays as it was when the servers refuse it', async () => {
    await world.in(bob, () => bob.zk.create('/g', '', { mode: 'container' }));
    const presence = await joined(ann);
    const acl = [{ perms: 13, id: { scheme: 'world', id: 'anyone' } }];
    await world.look((zk) => zk.setAcl('/g/a', acl));
    const update = world.in(ann, () => presence.update('busy'));
    await expect(update).rejects.toThrow("the node's ACL does not allow it");
    await world.pass(2 * TTL_MS);
    expect(presence.state.kind).toBe('joined');
    expect((await read()).text).toBe('here');
  });
});

describe('T1, T5: a node that exists already', () => {
  it.each([5, 9, 11, 13, 15, 19])(
    'is ours if we made it: the answer was lost (reset after %i ms)',
    async (ms) => {
      await world.look((zk) => zk.ensurePath('/g', { mode: 'container' }));
      const presence = join(ann);
      world.world.after(ms, resetAnn);
      await world.in(ann, () => presence.whenJoined());
      expect(kinds).not.toContain('conflict');
      await world.pass(2 * TTL_MS);
      expect(presence.state.kind).toBe('joined');
    },
  );

  it('is ours if only the child is gone and nobody had looked yet', async () => {
    await world.look((zk) => zk.ensurePath('/g', { mode: 'container' }));
    const presence = join(ann);
    await world.pass(21);
    world.world.partition(['ann'], ['server']);
    await world.look(async (zk) => {
      await zk.delete('/g/a/touch');
      await zk.create('/g/a/other');
    });
    world.world.heal();
    await world.in(ann, () => presence.whenJoined());
    expect(kinds).not.toContain('conflict');
    await world.look((zk) => zk.delete('/g/a/other'));
    await world.in(ann, () => presence.leave());
  });

  it('is ours if an object of before made it: its create came after all', async () => {
    const before = await joined(ann);
    const owner = await world.look(async (zk) => (await zk.get('/g/a/touch')).data);
    await world.in(ann, () => before.leave());
    await world.look((zk) =>
      zk
        .transaction()
        .create('/g/a', 'late', { mode: 'container' })
        .create('/g/a/touch', owner, { mode: 'persistentWithTtl', ttlMs: TTL_MS })
        .commit(),
    );
    const presence = await joined(ann);
    expect(kinds).not.toContain('conflict');
    expect((await read()).text).toBe('here');
    await world.in(ann, () => presence.leave());
    expect(isThere('/g/a')).toBe(false);
  });

  it('is waited for if it is of another, who goes on; and said once', async () => {
    const other = await joined(bob, 'bob');
    const presence = join(ann);
    await world.pass(3 * TTL_MS);
    expect(presence.state).toMatchObject({ kind: 'conflict', owner: 0n });
    expect((await read()).text).toBe('bob');
    expect([kinds, ann.lines.length]).toEqual([['joining', 'conflict'], 1]);
    await world.in(bob, () => other.leave());
    await world.in(ann, () => presence.whenJoined());
    expect((await read()).text).toBe('here');
  });

  it('is nobody’s if only its child is gone: the servers are about to remove it, which is no conflict', async () => {
    const eve = await world.connected('eve');
    await joined(eve, 'eve');
    eve.process.kill();
    const presence = join(ann);
    await world.world.reach(() => presence.state.kind === 'conflict');
    await world.look((zk) => zk.delete('/g/a/touch'));
    await world.world.reach(() => presence.state.kind === 'joining');
    expect((await read()).text).toBe('eve');
    await world.in(ann, () => presence.whenJoined({ waitMs: 3 * REAPER_MS }));
    expect((await read()).text).toBe('here');
    expect(kinds).toEqual(['joining', 'conflict', 'joining', 'joined']);
    expect(ann.lines.at(-1)).toMatch('is still there, although its time has passed');
  });

  it.each([1, 5, 9, 11, 15, 19, 21, 25])(
    'is joined at once when the servers remove what is left of another (after %i ms)',
    async (ms) => {
      const eve = await world.connected('eve');
      await joined(eve, 'eve');
      eve.process.kill();
      const presence = join(ann);
      await world.world.reach(() => presence.state.kind === 'conflict');
      await world.in(bob, () => bob.zk.delete('/g/a/touch'));
      await world.pass(ms);
      await world.in(bob, () => bob.zk.delete('/g/a'));
      await world.in(ann, () => presence.whenJoined({ waitMs: 200 }));
    },
  );

  it('is another’s if a child comes again, or it stays for longer than servers take to remove it', async () => {
    await world.look(async (zk) => {
      await zk.ensurePath('/g/a');
      await zk.create('/g/a/b');
      await zk.delete('/g/a/b');
    });
    const presence = join(ann);
    await world.pass(500);
    expect(presence.state).toEqual({ kind: 'joining', problem: null });
    await world.look((zk) => zk.create('/g/a/b'));
    await world.world.reach(() => presence.state.kind === 'conflict');
    const emptied = (zk: ZooKeeper) => {
      const anew = zk.transaction().delete('/g/a/b').delete('/g/a').create('/g/a');
      return anew.create('/g/a/b').delete('/g/a/b').commit();
    };
    await world.look(emptied);
    await world.world.reach(() => presence.state.kind === 'joining');
    await world.pass(170_000);
    expect(presence.state.kind).toBe('joining');
    await world.pass(20_000);
    expect(presence.state.kind).toBe('conflict');
    await world.in(ann, () => presence.leave());
    await world.look((zk) => zk.transaction().delete('/g/a').delete('/g').commit());
  });

  it('is waited for, of whatever kind, and never touched', async () => {
    await world.look((zk) => zk.ensurePath('/g', { mode: 'container' }));
    const session = new Presence({ zk: bob.zk, path: '/g/a', data: 'bob' });
    await world.in(bob, () => session.whenJoined());
    const presence = join(ann);
    await world.pass(500);
    expect(presence.state).toMatchObject({ kind: 'conflict', owner: bob.zk.sessionId });
    await world.in(bob, () => session.leave());
    await world.in(ann, () => presence.whenJoined());
    const late = new Presence({ zk: bob.zk, path: '/g/a', data: 'bob' });
    await world.pass(500);
    expect(late.state).toMatchObject({ kind: 'conflict', owner: 0n });
    await world.in(ann, () => presence.leave());
    await world.in(bob, () => late.leave());
    await world.look((zk) => zk.ensurePath('/g/a'));
    const empty = join(ann);
    await world.pass(500);
    expect(empty.state).toMatchObject({ kind: 'conflict', owner: 0n });
    await world.in(ann, () => empty.leave());
    await world.look((zk) => zk.delete('/g/a'));
  });

  it.each([1, 5, 9, 11, 15])(
    'is never written to if it is another’s (made %i ms before an update)',
    async (ms) => {
      const presence = await joined(ann);
      await world.pass(TTL_MS / 2);
      const swap = world.begin(bob, () => replace(bob));
      await world.pass(ms);
      const update = world.begin(ann, () => presence.update('newer'));
      await world.world.settle(swap);
      await world.world.reach(() => presence.state.kind === 'conflict');
      await world.pass(500);
      expect((await read()).text).toBe('foreign');
      await world.pass(TTL_MS + 3 * REAPER_MS);
      await world.world.settle(update);
      expect((await read()).text).toBe('newer');
    },
  );

  it('is not gone on with if it is another’s just now', async () => {
    const eve = await world.connected('eve');
    await joined(eve, 'before', { owner: 'pod-1' });
    await world.pass(TTL_MS / 2);
    eve.process.kill();
    const presence = join(ann, 'after', { owner: 'pod-1' });
    await world.pass(35);
    await world.in(bob, () => replace(bob));
    await world.pass(200);
    expect(presence.state.kind).toBe('conflict');
    expect((await read()).text).toBe('foreign');
  });

  it('is gone on with after a restart of the same owner, with another time to live', async () => {
    const eve = await world.connected('eve');
    await joined(eve, 'before', { owner: 'pod-1' });
    const { czxid } = await read();
    eve.process.kill();
    const presence = join(ann, 'after', { owner: 'pod-1', ttlMs: 30_000 });
    await world.in(ann, () => presence.whenJoined({ waitMs: 1_000 }));
    expect(await read()).toEqual({ text: 'after', czxid });
    // The next touch comes after the old time to live.
    world.world.partition(['ann'], ['server']);
    await world.pass(2 * TTL_MS);
    expect(await read()).toEqual({ text: 'after', czxid });
    world.world.heal();
    await world.in(ann, () => presence.leave());
  });

  it('T23: who was paused for too long does not take it away from who came meanwhile', async () => {
    const presence = await joined(ann);
    ann.process.pause();
    await world.pass(TTL_MS + 3 * REAPER_MS);
    const other = await joined(bob, 'bob');
    const { czxid } = await read();
    ann.process.resume();
    await world.world.reach(() => presence.state.kind === 'conflict');
    await world.in(ann, () => presence.leave());
    await world.pass(2 * TTL_MS);
    expect(await read()).toEqual({ text: 'bob', czxid });
    expect(other.state.kind).toBe('joined');
  });
});

describe('T8, T9: leaving', () => {
  it('without a connection: the node goes as soon as there is one, in whatever session', async () => {
    const presence = await joined(ann);
    const sync = jest.spyOn(ann.zk, 'sync');
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => ann.zk.state.kind === 'suspended');
    await world.in(ann, () => presence.leave());
    await world.pass(2 * SESSION_TIMEOUT_MS);
    expect(isThere('/g/a')).toBe(true);
    expect(() => join(ann)).not.toThrow(AlreadyPresentError);
    world.world.heal();
    await world.world.reach(() => kinds.at(-1) === 'joined');
    expect((await read()).text).toBe('here');
    // Servers that lag behind show what is not so.
    expect(sync).toHaveBeenCalled();
  });

  it('takes what is left of it away when its time has passed', async () => {
    const presence = await joined(ann);
    ann.process.pause();
    await world.look((zk) => zk.delete('/g/a/touch'));
    const leaving = world.begin(ann, () => presence.leave());
    ann.process.resume();
    await world.world.settle(leaving);
    expect(isThere('/g/a')).toBe(false);
  });

  it('takes the node away if its child goes meanwhile', async () => {
    const presence = await joined(ann);
    const leaving = world.begin(ann, () => presence.leave());
    await world.pass(15);
    void world.begin(bob, () => bob.zk.delete('/g/a/touch'));
    await world.world.settle(leaving);
    expect(isThere('/g/a')).toBe(false);
  });

  it('while the create is on its way: nothing stays', async () => {
    await world.look((zk) => zk.ensurePath('/g', { mode: 'container' }));
    for (const ms of [0, 5, 11, 15, 19, 21]) {
      const presence = join(ann);
      await world.pass(ms);
      if (ms === 15) resetAnn();
      await world.in(ann, () => presence.leave());
      await world.pass(500);
      expect(isThere('/g/a')).toBe(false);
      await world.look((zk) => zk.ensurePath('/g', { mode: 'container' }));
    }
    await world.look((zk) => zk.delete('/g'));
  });
});

describe('what cannot be', () => {
  it('is said where the servers have no time to live, and nothing is made', async () => {
    await world.in(ann, () => ann.zk.close());
    await world.in(bob, () => bob.zk.close());
    await start({ extendedTypesEnabled: false });
    const presence = join(ann);
    const waiting = world.in(ann, () => presence.whenJoined());
    await expect(waiting).rejects.toBeInstanceOf(TtlUnsupportedError);
    await expect(waiting).rejects.toThrow('-Dzookeeper.extendedTypesEnabled=true');
    await world.pass(60_000);
    expect([isThere('/g/a'), ann.lines.length]).toEqual([false, 1]);
    await world.in(ann, () => presence.leave());
    // A container that nothing ever stood in stays.
    await world.look((zk) => zk.delete('/g'));
  });

  it('is refused at once', () => {
    for (const ttlMs of [0, 999, 1_000.5, NaN, -1, 2 ** 41, '10s' as never]) {
      expect(() => join(ann, '', { ttlMs })).toThrow(InvalidArgumentError);
    }
    expect(() => join(ann, '', { owner: '' })).toThrow('owner must be a string, and not empty');
    join(ann);
    expect(() => join(ann)).toThrow(AlreadyPresentError);
  });
});
