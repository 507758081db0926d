import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  DeadlineExceededError,
  InvalidArgumentError,
  InvalidPathError,
  NoAuthError,
  Permission,
  READ_ACL,
  RequestTooLargeError,
} from '@aviary/client';
import { AlreadyPresentError, Presence, PresenceLeftError } from '../../src/index.js';
import {
  RecipeWorld,
  SESSION_TIMEOUT_MS,
  STEADY,
  type Service,
} from '../../../../test/recipes/recipe-world.js';

let world: RecipeWorld;
let ann: Service;
let bob: Service;
let kinds: string[];

beforeEach(async () => {
  world = await RecipeWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  kinds = [];
});

afterEach(async () => {
  await world.in(ann, () => ann.zk.close());
  await world.in(bob, () => bob.zk.close());
  await world.pass(100);
  expect(world.watchCount).toBe(0);
  expect(world.port.tree.findText('/g/ann')).toBe(-1);
  expect(world.failures).toEqual([]);
});

function join(service: Service, data = 'here', path = '/g/ann'): Presence {
  const presence = new Presence({ zk: service.zk, path, data, log: service.log });
  if (service === ann) presence.state$.subscribe(({ kind }) => kinds.push(kind));
  return presence;
}

async function joined(service: Service): Promise<Presence> {
  const presence = join(service);
  await world.in(service, () => presence.whenJoined());
  return presence;
}

const read = () =>
  world.look(async (zk) => {
    const { data, stat } = await zk.get('/g/ann');
    return { text: String(data), owner: stat.ephemeralOwner, czxid: stat.czxid };
  });
const resetAnn = () => world.world.fabric.resetBetween('ann', 'server');

describe('a presence', () => {
  it('stands from join to leave, and leaves nothing', async () => {
    const presence = await joined(ann);
    expect(await read()).toMatchObject({ text: 'here', owner: ann.zk.sessionId });
    expect(presence.state).toMatchObject({ kind: 'joined', czxid: (await read()).czxid });
    await world.in(ann, () => presence.leave());
    expect(await world.children('/g')).toEqual([]);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
    expect(kinds).toEqual(['joining', 'joined', 'left']);
    await expect(presence.whenJoined()).rejects.toBeInstanceOf(PresenceLeftError);
    await expect(presence.update('x')).rejects.toBeInstanceOf(PresenceLeftError);
  });

  it('joins as soon as there is a connection, and its parents as often as they vanish', async () => {
    const presence = join(world.service('cas'), 'here', '/deep/er/cas');
    await world.world.reach(() => presence.state.kind === 'joined');
    const zk = await world.look((look) => look.exists('/deep/er'));
    expect(zk).not.toBeNull();
    const leaving = presence.leave();
    await world.world.settle(leaving);
    await world.world.reach(() => world.port.tree.findText('/deep') === -1);
    const again = await joined(ann);
    await world.in(ann, () => again.leave());
  });

  it('is made again after the session has ended', async () => {
    const presence = await joined(ann);
    const session = ann.zk.sessionId;
    world.world.partition(['ann'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(world.port.tree.findText('/g/ann')).toBe(-1);
    expect(presence.state).toMatchObject({ kind: 'lost', reason: 'sessionLost' });
    world.world.heal();
    await world.in(ann, () => presence.whenJoined());
    expect(kinds).toEqual(['joining', 'joined', 'suspended', 'lost', 'joining', 'joined']);
    expect((await read()).owner).toBe(ann.zk.sessionId);
    expect(ann.zk.sessionId).not.toBe(session);
  });

  it('goes on when the session does, and looks whether the node was there all the time', async () => {
    const presence = await joined(ann);
    const { czxid } = await read();
    resetAnn();
    await world.world.reach(() => kinds.includes('suspended'));
    await world.in(ann, () => presence.whenJoined());
    expect(presence.state).toMatchObject({ kind: 'joined', czxid });
    resetAnn();
    await world.look((zk) => zk.delete('/g/ann'));
    await world.pass(1_000);
    expect(presence.state.kind).toBe('joined');
    expect((await read()).czxid).toBeGreaterThan(czxid);
  });

  it('is made again when somebody deletes it, but not as fast as he can', async () => {
    const presence = await joined(ann);
    let deletions = 0;
    bob.process.run(() => {
      const subscription = bob.zk.watchNode('/g/ann').subscribe((node) => {
        if (node === null) return;
        deletions++;
        void bob.zk.delete('/g/ann').catch(() => undefined);
      });
      bob.process.clock.setTimer(20_000, () => subscription.unsubscribe());
    });
    await world.pass(20_000);
    expect(deletions).toBeGreaterThan(3);
    expect(deletions).toBeLessThan(12);
    await world.pass(31_000);
    expect(presence.state.kind).toBe('joined');
    expect(kinds).toContain('lost');
  });
});

describe('data', () => {
  it('is written at once, and the newest one when the node is made again', async () => {
    const presence = await joined(ann);
    await world.in(ann, () => presence.update('busy'));
    expect((await read()).text).toBe('busy');
    world.world.partition(['ann'], ['server']);
    const update = world.begin(ann, () => presence.update('later'));
    await world.pass(3 * SESSION_TIMEOUT_MS);
    world.world.heal();
    await world.world.settle(update);
    expect((await read()).text).toBe('later');
    await world.pass(100);
    expect(presence.state.kind).toBe('joined');
  });

  it('of several updates the last one counts', async () => {
    const presence = await joined(ann);
    const all = world.begin(ann, () =>
      Promise.all(['1', '2', '3', '4'].map((text) => presence.update(text))),
    );
    await world.world.settle(all);
    expect((await read()).text).toBe('4');
  });

  it.each([5, 10, 15, 19])(
    'arrives although its answer is lost (reset after %i ms)',
    async (ms) => {
      const presence = await joined(ann);
      world.world.after(ms, resetAnn);
      await world.in(ann, () => presence.update('busy'));
      expect((await read()).text).toBe('busy');
    },
  );

  it('stays as it was when the servers refuse it', async () => {
    const presence = await joined(ann);
    const large = world.in(ann, () => presence.update('x'.repeat(2_000_000)));
    await expect(large).rejects.toBeInstanceOf(RequestTooLargeError);
    await world.pass(100);
    expect(presence.state.kind).toBe('joined');
    expect((await read()).text).toBe('here');
    await world.in(ann, () => presence.update('goes on'));
    expect((await read()).text).toBe('goes on');
  });

  it('must not be written where its ACL forbids it, and that is said', async () => {
    const acl = [{ perms: Permission.read | Permission.delete, id: READ_ACL[0]!.id }];
    const open = await world.in(bob, () => bob.zk.create('/g', ''));
    expect(open.path).toBe('/g');
    const presence = new Presence({ zk: ann.zk, path: '/g/ann', data: 'here', acl });
    await world.in(ann, () => presence.whenJoined());
    const update = world.in(ann, () => presence.update('busy'));
    await expect(update).rejects.toBeInstanceOf(NoAuthError);
    expect((await read()).text).toBe('here');
    await world.in(ann, () => presence.leave());
  });
});

describe('T1, T5: a node that exists already', () => {
  it.each([1, 5, 9, 11, 13, 15, 19])(
    'is ours if this session made it: the answer was lost (reset after %i ms)',
    async (ms) => {
      await world.look((zk) => zk.ensurePath('/g'));
      const presence = join(ann);
      void presence.update('newer');
      world.world.after(ms, resetAnn);
      await world.in(ann, () => presence.whenJoined());
      await world.pass(200);
      expect(await read()).toMatchObject({ text: 'newer', owner: ann.zk.sessionId });
    },
  );

  it('is replaced, with no moment without it, if an earlier session of ours made it', async () => {
    const old = await joined(bob);
    const seen: boolean[] = [];
    const watching = bob.zk.watchNode('/g/ann').subscribe((node) => seen.push(node !== null));
    await world.pass(50);
    const presence = join(ann);
    // No server of ours lets it come to this: the client ends its former session first.
    const { kin } = presence as unknown as { readonly kin: { readonly sessions: bigint[] } };
    kin.sessions.unshift(bob.zk.sessionId!);
    await world.in(ann, () => presence.whenJoined());
    expect((await read()).owner).toBe(ann.zk.sessionId);
    watching.unsubscribe();
    expect(seen).not.toContain(false);
    await world.in(bob, () => old.leave());
    expect((await read()).owner).toBe(ann.zk.sessionId);
  });

  it('is waited for if it is of another session, and that is said', async () => {
    const other = await joined(bob);
    const presence = join(ann);
    await world.pass(200);
    expect(presence.state).toMatchObject({ kind: 'conflict', owner: bob.zk.sessionId });
    expect((await read()).owner).toBe(bob.zk.sessionId);
    expect(ann.lines.join()).toContain('/g/ann is taken: its node belongs to the session 0x');
    const waiting = world.in(ann, () => presence.whenJoined({ waitMs: 500 }));
    await expect(waiting).rejects.toThrow('the path is taken by another session');
    await expect(waiting).rejects.toBeInstanceOf(DeadlineExceededError);
    await world.in(bob, () => other.leave());
    await world.in(ann, () => presence.whenJoined());
    expect((await read()).owner).toBe(ann.zk.sessionId);
    expect(kinds).toEqual(['joining', 'conflict', 'joining', 'joined']);
  });

  it('is said to be another’s once, however often that one changes it', async () => {
    const other = await joined(bob);
    const presence = join(ann);
    await world.pass(200);
    for (const text of ['1', '2', '3']) await world.in(bob, () => other.update(text));
    await world.pass(200);
    expect(kinds).toEqual(['joining', 'conflict']);
    expect(ann.lines).toHaveLength(1);
    await world.in(bob, () => other.leave());
    await world.in(ann, () => presence.whenJoined());
  });

  it.each([1, 5, 9, 11, 15, 19])(
    'is never written to if it is another’s (made %i ms before an update)',
    async (ms) => {
      const presence = await joined(ann);
      await world.in(ann, () => presence.update('busy'));
      const swap = world.begin(bob, () =>
        Promise.all([
          bob.zk.delete('/g/ann'),
          bob.zk.create('/g/ann', 'foreign', { mode: 'ephemeral' }),
        ]),
      );
      await world.pass(ms);
      const update = world.begin(ann, () => presence.update('newer'));
      await world.world.settle(swap);
      await world.world.reach(() => presence.state.kind === 'conflict');
      expect(await read()).toMatchObject({ text: 'foreign', owner: bob.zk.sessionId });
      await world.in(bob, () => bob.zk.delete('/g/ann'));
      await world.world.settle(update);
      expect(await read()).toMatchObject({ text: 'newer', owner: ann.zk.sessionId });
    },
  );

  it('is never written to if it came while there was no connection', async () => {
    const presence = await joined(ann);
    await world.in(ann, () => presence.update('busy'));
    world.world.partition(['ann'], ['server']);
    let update: Promise<void> | null = null;
    ann.zk.state$.subscribe(({ kind }) => {
      if (kind === 'reconnected') update = presence.update('newer');
    });
    await world.look((zk) => zk.delete('/g/ann'));
    await world.in(bob, async () => {
      await bob.zk.create('/g/ann', '', { mode: 'ephemeral' });
      // The same version as that of ours.
      await bob.zk.set('/g/ann', 'foreign');
    });
    resetAnn();
    world.world.heal();
    await world.world.reach(() => presence.state.kind === 'conflict');
    expect(ann.zk.state.kind).toBe('reconnected');
    expect((await read()).text).toBe('foreign');
    await world.in(bob, () => bob.zk.delete('/g/ann'));
    await world.world.settle(update!);
  });

  it('is not taken for ours if it was written to all the same: it looked like ours', async () => {
    const presence = await joined(ann);
    const swap = world.begin(bob, () =>
      Promise.all([bob.zk.delete('/g/ann'), bob.zk.create('/g/ann', '', { mode: 'ephemeral' })]),
    );
    await world.pass(9);
    let isWritten = false;
    const update = world.begin(ann, () => presence.update('newer').then(() => (isWritten = true)));
    await world.world.settle(swap);
    await world.world.reach(() => presence.state.kind === 'conflict');
    await world.pass(500);
    expect(isWritten).toBe(false);
    await world.in(bob, () => bob.zk.delete('/g/ann'));
    await world.world.settle(update);
    expect(await read()).toMatchObject({ text: 'newer', owner: ann.zk.sessionId });
  });

  it('is waited for until its session ends, and left alone by who gives up', async () => {
    const eve = await world.connected('eve');
    await joined(eve);
    const first = join(ann);
    await world.pass(200);
    await world.in(ann, () => first.leave());
    expect((await read()).owner).toBe(eve.zk.sessionId);
    const second = join(ann);
    eve.process.kill();
    await world.in(ann, () => second.whenJoined({ waitMs: 3 * SESSION_TIMEOUT_MS }));
  });
});

describe('T8, T9, T23: leaving', () => {
  it('without a connection: the node goes as soon as there is one', async () => {
    const presence = await joined(ann);
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => ann.zk.state.kind === 'suspended');
    await world.in(ann, () => presence.leave());
    expect(presence.state.kind).toBe('left');
    expect(await world.children('/g')).toEqual(['ann']);
    // The next one in this process waits for that, and is not deleted with it.
    const next = join(ann, 'next');
    world.world.heal();
    await world.in(ann, () => next.whenJoined());
    expect(ann.zk.state.kind).toBe('reconnected');
    await world.pass(1_000);
    expect((await read()).text).toBe('next');
  });

  it('after a create in doubt: believes a server only when that has caught up', async () => {
    await world.look((zk) => zk.ensurePath('/g'));
    const sync = jest.spyOn(ann.zk, 'sync');
    const presence = join(ann);
    await world.pass(15);
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => ann.zk.state.kind === 'suspended');
    await world.in(ann, () => presence.leave());
    world.world.heal();
    await world.world.reach(() => world.port.tree.findText('/g/ann') === -1);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('while the create is on its way: nothing stays', async () => {
    await world.look((zk) => zk.ensurePath('/g'));
    for (const ms of [0, 5, 11, 15, 19, 21]) {
      const presence = join(ann);
      await world.pass(ms);
      if (ms === 15) resetAnn();
      await world.in(ann, () => presence.leave());
      await world.pass(500);
      expect(world.port.tree.findText('/g/ann')).toBe(-1);
    }
  });

  it('does not delete what stands there for somebody else by now', async () => {
    const presence = await joined(ann);
    world.world.partition(['ann'], ['server']);
    await world.pass(3 * SESSION_TIMEOUT_MS);
    const other = await joined(bob);
    const leaving = world.begin(ann, () => presence.leave());
    world.world.heal();
    await world.world.settle(leaving);
    await world.pass(1_000);
    expect((await read()).owner).toBe(bob.zk.sessionId);
    await world.in(bob, () => other.leave());
  });
});

it('T18: what an old session answers late changes nothing in the new one', async () => {
  const presence = await joined(ann);
  const update = world.begin(ann, () => presence.update('from before'));
  await world.pass(5);
  ann.process.pause();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  const newest = world.begin(ann, () => presence.update('newest'));
  ann.process.resume();
  await world.world.settle(Promise.all([update, newest]));
  await world.in(ann, () => presence.whenJoined());
  expect(await read()).toMatchObject({ text: 'newest', owner: ann.zk.sessionId });
});

describe('what the servers refuse', () => {
  it('is said once, ends waits that would be for nothing, and is tried again', async () => {
    const [{ id }] = READ_ACL as [(typeof READ_ACL)[number]];
    await world.in(bob, () => bob.zk.create('/g', '', { acl: [{ perms: Permission.admin, id }] }));
    const presence = join(ann);
    const waiting = world.in(ann, () => presence.whenJoined());
    await expect(waiting).rejects.toBeInstanceOf(NoAuthError);
    await world.pass(3_000);
    await expect(world.in(ann, () => presence.whenJoined())).rejects.toThrow('create /g/ann');
    expect([kinds, ann.lines.length]).toEqual([['joining', 'joining'], 1]);
    await world.in(bob, () => bob.zk.setAcl('/g', [{ perms: Permission.all, id }]));
    await world.world.reach(() => presence.state.kind === 'joined');
    await world.in(ann, () => presence.leave());
  });

  it('and what needs no server for that, at once', async () => {
    const terms = { zk: ann.zk, path: '/g/ann', data: 'here' };
    expect(() => join(ann, 'x'.repeat(2_000_000))).toThrow(RequestTooLargeError);
    for (const acl of ['all', [], [null], [{ perms: 'all', id: READ_ACL[0]!.id }]]) {
      expect(() => new Presence({ ...terms, acl: acl as never })).toThrow(InvalidArgumentError);
    }
    const presence = await joined(ann);
    for (const waitMs of [NaN, -1, '5s' as never]) {
      const waiting = world.in(ann, () => presence.whenJoined({ waitMs }));
      await expect(waiting).rejects.toThrow('waitMs must be a number of milliseconds');
    }
    const odd = world.in(ann, () => presence.update(5 as never));
    await expect(odd).rejects.toThrow('data must be a string');
  });
});

it('ends with its client', async () => {
  const presence = await joined(ann);
  await world.in(ann, () => ann.zk.close());
  expect(presence.state.kind).toBe('left');
  await expect(presence.whenJoined()).rejects.toBeInstanceOf(PresenceLeftError);
});

it('refuses paths that are none, and the same one twice', async () => {
  expect(() => join(ann, '', 'g')).toThrow(InvalidPathError);
  expect(() => join(ann, '', '/')).toThrow(InvalidPathError);
  const first = join(ann);
  expect(() => join(ann)).toThrow(AlreadyPresentError);
  await world.in(ann, () => first.leave());
  const second = join(ann);
  await world.in(ann, () => second.whenJoined());
});
