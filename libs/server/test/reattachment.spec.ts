import { describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { create, exists, getData, setData, sync } from './requests.js';
import { ServerWorld } from './server-world.js';

describe('a session that is taken up again', () => {
  it('reads no state from before what it wrote on its last connection', async () => {
    const world = await ServerWorld.start();
    const first = await world.session();
    world.slowCommits(1000);
    first.send(create('/a'));
    first.link.drop();
    // Whoever looks for the node that it may have made must not miss it and make another.
    const second = await world.session(first.credentials);
    expect(world.port.writes.outstanding).toBe(1);
    expect((await second.call(exists('/a'))).err).toBe(ErrorCode.ok);
  });

  it('answers in the order of what is asked, reads and writes alike', async () => {
    const world = await ServerWorld.start();
    const first = await world.session();
    world.slowCommits(1000);
    first.send(create('/a'), setData('/a', '1'));
    first.link.drop();
    const second = await world.session(first.credentials);
    const xids = second.send(getData('/a'), setData('/a', '2'), getData('/a'), sync('/a'));
    const replies = await second.replies(xids.length);
    expect(replies.map(({ xid, err }) => [xid, err])).toEqual(xids.map((xid) => [xid, 0]));
    expect(Buffer.from(replies[0]!.body.subarray(4, 5)).toString()).toBe('1');
    expect(Buffer.from(replies[2]!.body.subarray(4, 5)).toString()).toBe('2');
    expect(second.pending).toBe(0);
  });

  it('waits for nothing when nothing is under way', async () => {
    const world = await ServerWorld.start();
    const first = await world.session();
    const second = await world.session(first.credentials);
    const startedMs = world.world.virtualMs;
    await second.done(getData('/'));
    expect(world.world.virtualMs - startedMs).toBeLessThan(1);
  });

  it('may be left before what it waits for is applied', async () => {
    const world = await ServerWorld.start();
    const first = await world.session();
    world.slowCommits(1000);
    first.send(create('/a'));
    const second = await world.session(first.credentials);
    second.send(getData('/a'));
    second.link.drop();
    const third = await world.session(first.credentials);
    expect((await third.call(getData('/a'))).err).toBe(ErrorCode.ok);
  });
});

describe('sync', () => {
  it('waits for the writes that others have under way', async () => {
    const world = await ServerWorld.start();
    const [writer, reader] = [await world.session(), await world.session()];
    world.slowCommits(1000);
    writer.send(create('/a'));
    const xids = reader.send(sync('/a'), exists('/a'));
    const replies = await reader.replies(2);
    expect(replies.map(({ xid, err }) => [xid, err])).toEqual(xids.map((xid) => [xid, 0]));
  });

  it('keeps its place between writes of its own', async () => {
    const world = await ServerWorld.start();
    const [other, client] = [await world.session(), await world.session()];
    world.slowCommits(50);
    other.send(create('/other'));
    const mixed = Array.from({ length: 60 }, (_, i) =>
      i % 3 === 0 ? sync('/') : i % 3 === 1 ? create(`/n${i}`) : getData('/'),
    );
    const xids = client.send(...mixed);
    const replies = await client.replies(xids.length);
    expect(replies.map(({ xid }) => xid)).toEqual(xids);
  });

  it('is answered at once when nothing is under way', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    const startedMs = world.world.virtualMs;
    await client.done(sync('/'));
    expect(world.world.virtualMs - startedMs).toBeLessThan(1);
  });
});
