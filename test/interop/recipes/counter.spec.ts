import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { CounterClient } from '@aviary/counter';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom } from './shared-room.js';

const ADDITIONS = 40;

afterAll(removeAll);

describe.each(SERVER_KINDS)('numbers on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;
  let counters: CounterClient;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
    counters = new CounterClient(zk);
  });

  afterAll(() => room.stop());

  it('of 64 bits add up what we and Curator count at the same time', async () => {
    const java = await room.curator.make('long', '/hits');
    const ours = counters.int64('/hits');
    const theirs = (async () => {
      for (let i = 0; i < ADDITIONS; i++) await java.tell('add', 3);
    })();
    for (let i = 0; i < ADDITIONS; i++) await ours.add(-1n);
    await theirs;
    expect(await ours.get()).toBe(BigInt(2 * ADDITIONS));
    expect(await java.tell('get')).toBe(String(2 * ADDITIONS));
  });

  it('of 64 bits take turns at the lock to which both resort', async () => {
    const java = await room.curator.make('promotedlong', '/promoted');
    const ours = counters.int64('/promoted', { lockPath: '/promoted' });
    const theirs = (async () => {
      for (let i = 0; i < ADDITIONS; i++) await java.tell('add', 1);
    })();
    await Promise.all(Array.from({ length: ADDITIONS }, () => ours.add(1n)));
    await theirs;
    expect(await ours.get()).toBe(BigInt(2 * ADDITIONS));
  });

  it('of 32 bits are the same to us, to Curator and to kazoo', async () => {
    const java = await room.curator.make('count', '/small', -5);
    const ours = counters.int32('/small');
    expect(await ours.get()).toBe(-5);
    await ours.add(7);
    await room.server.until(
      'our change',
      () => java.tell('get'),
      (seen) => seen === '2',
    );
    const python = await room.kazoo.make('counter', '/small');
    expect(await python.tell('add', 40)).toBe('42');
    expect(await ours.get()).toBe(42);
    await java.tell('set', 1_000_000);
    expect(await ours.get()).toBe(1_000_000);
    expect(await python.tell('get')).toBe('1000000');
    await java.tell('close');
  });

  it('and values of any kind are shared with Curator', async () => {
    const java = await room.curator.make('value', '/value', 'seed');
    const ours = counters.value('/value');
    const seen = await ours.get();
    expect(String(seen.data)).toBe('seed');
    await java.tell('set', 'theirs');
    expect((await ours.trySet(seen, 'stale')).succeeded).toBe(false);
    expect((await ours.update(() => 'ours')).succeeded).toBe(true);
    await room.server.until(
      'our value',
      () => java.tell('get'),
      (text) => text === 'ours',
    );
    await java.tell('close');
  });
});
