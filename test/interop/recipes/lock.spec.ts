import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { ForeignContenderError, LockClient } from '@aviary/lock';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom, isOpen } from './shared-room.js';

const WAIT_MS = 20_000;
/** Long enough that who is not let in within it has been asked to wait. */
const BUSY_MS = 300;

afterAll(removeAll);

describe.each(SERVER_KINDS)('locks on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;
  let locks: LockClient;
  let kazooLocks: LockClient;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
    locks = new LockClient(zk, { identity: 'ours' });
    kazooLocks = new LockClient(zk, { identity: 'ours', layout: 'kazoo' });
  });

  afterAll(() => room.stop());

  it.each([
    ['curator', 'mutex', 'true'],
    ['kazoo', 'curatorlock', 'True'],
  ] as const)('exclude %s (%s) from a mutex, and are excluded by it', async (who, part, yes) => {
    const path = `/mutex-${who}`;
    const theirs = await room[who].make(part, path);
    const ours = await locks.acquire(path);
    const theirTurn = theirs.tell('acquire', WAIT_MS);
    await room.untilChildren(path, 2);
    expect(await isOpen(theirTurn, zk)).toBe(true);
    await ours.release();
    expect(await theirTurn).toBe(yes);
    const ourTurn = locks.acquire(path, { waitMs: WAIT_MS });
    await room.untilChildren(path, 2);
    expect(await isOpen(ourTurn, zk)).toBe(true);
    await theirs.tell('release');
    await (await ourTurn).release();
  });

  it('take turns in one queue with Curator and kazoo', async () => {
    const path = '/mutex-of-three';
    const java = await room.curator.make('mutex', path);
    const python = await room.kazoo.make('curatorlock', path);
    const first = await locks.acquire(path);
    const order: string[] = [];
    const javasTurn = java.tell('acquire', WAIT_MS).then(() => order.push('curator'));
    await room.untilChildren(path, 2);
    const pythonsTurn = python.tell('acquire', WAIT_MS).then(() => order.push('kazoo'));
    await room.untilChildren(path, 3);
    const last = locks.acquire(path, { waitMs: WAIT_MS });
    await room.untilChildren(path, 4);
    await first.release();
    await javasTurn;
    expect(order).toEqual(['curator']);
    await java.tell('release');
    await pythonsTurn;
    expect(order).toEqual(['curator', 'kazoo']);
    expect(await isOpen(last, zk)).toBe(true);
    await python.tell('release');
    await (await last).release();
  });

  it('hear Curator ask for a mutex back, and are heard', async () => {
    const path = '/revoked';
    const java = await room.curator.make('mutex', path);
    const ours = await locks.acquire(path);
    const revoked = new Promise((resolve) => {
      ours.signal.addEventListener('abort', () => resolve(ours.lost));
    });
    await java.tell('revoke');
    expect(await revoked).toBe('revoked');
    await ours.release();
    await java.tell('revocable');
    await java.tell('acquire', WAIT_MS);
    expect(await locks.revoke(path)).toBe(true);
    expect(await java.tell('revoked', WAIT_MS)).toBe('revoked');
    await java.tell('release');
  });

  it('let readers of ours and of Curator in together, and writers alone', async () => {
    const path = '/shared-curator';
    const [reader, writer] = await Promise.all([
      room.curator.make('read', path),
      room.curator.make('write', path),
    ]);
    const ours = await locks.acquireRead(path);
    expect(await reader.tell('acquire', WAIT_MS)).toBe('true');
    expect(await writer.tell('acquire', BUSY_MS)).toBe('false');
    const writing = locks.acquireWrite(path, { waitMs: WAIT_MS });
    await room.untilChildren(path, 3);
    await ours.release();
    expect(await isOpen(writing, zk)).toBe(true);
    await reader.tell('release');
    const write = await writing;
    expect(await reader.tell('acquire', BUSY_MS)).toBe('false');
    await write.release();
    expect(await writer.tell('acquire', WAIT_MS)).toBe('true');
    const reading = locks.acquireRead(path, { waitMs: WAIT_MS });
    await room.untilChildren(path, 2);
    expect(await isOpen(reading, zk)).toBe(true);
    await writer.tell('release');
    await (await reading).release();
  });

  // Curator 5.4's own downgrade takes a number behind those that wait (CURATOR-621): its next writer is
  // let in beside its reader, with or without us.
  it('are downgraded so that Curator sees it', async () => {
    const path = '/downgraded';
    const [reader, writer] = await Promise.all([
      room.curator.make('read', path),
      room.curator.make('write', path),
    ]);
    const write = await locks.acquireWrite(path);
    const read = await write.downgrade();
    expect(read.token).toBe(write.token);
    expect(await reader.tell('acquire', WAIT_MS)).toBe('true');
    await reader.tell('release');
    expect(await writer.tell('acquire', BUSY_MS)).toBe('false');
    await read.release();
  });

  it('share the permits of a semaphore with Curator', async () => {
    const path = '/permits-curator';
    const java = await room.curator.make('semaphore', path, 3);
    const ours = await locks.acquirePermits(path, 2, { limit: 3 });
    expect(await java.tell('acquire', BUSY_MS, 2)).toBe('false');
    expect(await java.tell('acquire', WAIT_MS, 1)).toBe('true');
    const more = locks.acquirePermit(path, { limit: 3, waitMs: WAIT_MS });
    await room.untilChildren(`${path}/locks`, 1);
    expect(await isOpen(more, zk)).toBe(true);
    await java.tell('release');
    await (await more).release();
    await ours.release();
    expect(await java.tell('acquire', WAIT_MS, 3)).toBe('true');
    await java.tell('release');
  });

  it('stand on kazoo’s znodes when told so: mutex, readers, writers, semaphore', async () => {
    const path = '/kazoo-lock';
    const mutex = await room.kazoo.make('lock', path);
    const ours = await kazooLocks.acquire(path);
    expect(await mutex.tell('contenders')).toBe('ours');
    expect(await mutex.tell('acquire', BUSY_MS)).toBe('False');
    await ours.release();
    expect(await mutex.tell('acquire', WAIT_MS)).toBe('True');
    expect((await kazooLocks.inspect(path)).holder?.identity).toBe('kazoo');
    await mutex.tell('release');

    const shared = '/kazoo-shared';
    const [reader, writer] = await Promise.all([
      room.kazoo.make('read', shared),
      room.kazoo.make('write', shared),
    ]);
    const read = await kazooLocks.acquireRead(shared);
    expect(await reader.tell('acquire', WAIT_MS)).toBe('True');
    expect(await writer.tell('acquire', BUSY_MS)).toBe('False');
    const writing = kazooLocks.acquireWrite(shared, { waitMs: WAIT_MS });
    await read.release();
    expect(await isOpen(writing, zk)).toBe(true);
    await reader.tell('release');
    await (await writing).release();

    const permits = '/kazoo-permits';
    const semaphore = await room.kazoo.make('semaphore', permits, 2);
    const [one, two] = await Promise.all([
      kazooLocks.acquirePermit(permits, { limit: 2 }),
      kazooLocks.acquirePermit(permits, { limit: 2 }),
    ]);
    expect(await semaphore.tell('contenders')).toBe('ours,ours');
    expect(await semaphore.tell('acquire', BUSY_MS)).toBe('False');
    await one.release();
    expect(await semaphore.tell('acquire', WAIT_MS)).toBe('True');
    await Promise.all([two.release(), semaphore.tell('release')]);
  });

  it('refuse a path where kazoo stands that does not see them', async () => {
    const path = '/unsafe';
    const theirs = await room.kazoo.make('lock', path);
    await theirs.tell('acquire', WAIT_MS);
    const refused = locks.acquire(path, { waitMs: WAIT_MS });
    await expect(refused).rejects.toThrow(ForeignContenderError);
    await expect(refused).rejects.toThrow(/kazoo/);
    await theirs.tell('release');
  });
});
