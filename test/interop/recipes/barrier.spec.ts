import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Barriers } from '@aviary/barrier';
import type { ZooKeeper } from '@aviary/client';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom, isOpen } from './shared-room.js';

const WAIT_MS = 20_000;

afterAll(removeAll);

describe.each(SERVER_KINDS)('barriers on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;
  let barriers: Barriers;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
    barriers = new Barriers(zk, { identity: 'ours' });
  });

  afterAll(() => room.stop());

  it('hold everybody back when one of us raises them, and let everybody go', async () => {
    const barrier = barriers.barrier('/raised-by-us');
    await barrier.raise();
    const java = await room.curator.make('barrier', '/raised-by-us');
    const python = await room.kazoo.make('barrier', '/raised-by-us');
    const waiting = [java.tell('wait', WAIT_MS), python.tell('wait', WAIT_MS)];
    expect(await isOpen(Promise.race(waiting), zk)).toBe(true);
    await barrier.lower();
    expect(await Promise.all(waiting)).toEqual(['true', 'True']);
  });

  it.each(['curator', 'kazoo'] as const)('hold us back when %s raises them', async (who) => {
    const theirs = await room[who].make('barrier', `/raised-by-${who}`);
    await theirs.tell('set');
    const passed = barriers.barrier(`/raised-by-${who}`).wait({ waitMs: WAIT_MS });
    expect(await isOpen(passed, zk)).toBe(true);
    await theirs.tell('remove');
    await passed;
  });

  it.each([
    ['curator', 'true'],
    ['kazoo', 'True'],
  ] as const)('bring us and %s into one round, and out of it again', async (who, yes) => {
    const path = `/round-with-${who}`;
    const theirs = await room[who].make('double', path, 2);
    for (let round = 0; round < 3; round++) {
      const entered = theirs.tell('enter', WAIT_MS);
      const ours = await barriers.double(path, 2).enter({ waitMs: WAIT_MS });
      expect(await entered).toBe(yes);
      const left = theirs.tell('leave', WAIT_MS);
      await ours.leave({ waitMs: WAIT_MS });
      expect(await left).toBe(yes);
      await room.untilChildren(path, 0);
    }
  });

  it.each([
    ['curator', 'true'],
    ['kazoo', 'True'],
  ] as const)('let us in when %s opens the round', async (who, yes) => {
    const path = `/opened-by-${who}`;
    const theirs = await room[who].make('double', path, 2);
    const entered = barriers.double(path, 2).enter({ waitMs: WAIT_MS });
    await room.untilChildren(path, 1);
    expect(await theirs.tell('enter', WAIT_MS)).toBe(yes);
    const ours = await entered;
    expect(ours.number).toBeNull();
    const left = theirs.tell('leave', WAIT_MS);
    await ours.leave({ waitMs: WAIT_MS });
    expect(await left).toBe(yes);
    await room.untilChildren(path, 0);
  });

  it('bring three of three kinds into one round', async () => {
    const path = '/round-of-three';
    const java = await room.curator.make('double', path, 3);
    const python = await room.kazoo.make('double', path, 3);
    const entered = [java.tell('enter', WAIT_MS), python.tell('enter', WAIT_MS)];
    await room.untilChildren(path, 2);
    expect(await isOpen(Promise.race(entered), zk)).toBe(true);
    const ours = await barriers.double(path, 3).enter({ waitMs: WAIT_MS });
    expect(await Promise.all(entered)).toEqual(['true', 'True']);
    const left = [java.tell('leave', WAIT_MS), python.tell('leave', WAIT_MS)];
    await ours.leave({ waitMs: WAIT_MS });
    await Promise.all(left);
    await room.untilChildren(path, 0);
  });
});
