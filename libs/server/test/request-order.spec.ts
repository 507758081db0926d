import { describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { create, exists, getData, setData, sync, type Request } from './requests.js';
import { ServerWorld } from './server-world.js';
import type { WireClient } from './wire-client.js';

/** A server whose disk takes `ms` for each commit from now on, and a client of it. */
async function slowWorld(
  ms: number,
  limits: object = {},
): Promise<{ world: ServerWorld; client: WireClient }> {
  const world = await ServerWorld.start({ server: { limits } });
  const client = await world.session();
  await client.done(create('/a'));
  world.slowCommits(ms, 'all');
  return { world, client };
}

const times = (count: number, request: Request) => Array.from({ length: count }, () => request);

/** The xids of what is answered next, in the order of the answers. */
async function answered(client: WireClient, count: number): Promise<number[]> {
  return (await client.replies(count)).map(({ xid }) => xid);
}

describe('a write behind writes that wait for reads', () => {
  it('waits, too, also when few reads are left before them', async () => {
    const { world, client } = await slowWorld(50);
    const xids = client.send(setData('/a', '1'));
    // The disk is busy with the first: what comes now is written, and answered, after it.
    await world.pass(1);
    const read = getData('/a');
    xids.push(...client.send(...times(20, read), setData('/a', '2')));
    // More reads than a write may pass.
    xids.push(...client.send(...times(50, read), setData('/a', '3')));
    await world.reach(() => client.pending >= 21);
    xids.push(...client.send(setData('/a', '4'), read));
    expect(await answered(client, xids.length)).toEqual(xids);
  });
});

describe('a connection that is read no further', () => {
  const long = sync('p'.repeat(10_000));

  it.each([
    ['by number', { outstandingPerConnectionMax: 10 }, times(500, setData('/a', ''))],
    ['by bytes', { deferredBytesMax: 100_000 }, [setData('/a', ''), ...times(15, long)]],
    ['by number, at the limit', { outstandingPerConnectionMax: 10 }, times(9, setData('/a', ''))],
  ])('stays so until half of what may wait is answered: %s', async (_name, limits, requests) => {
    const { world, client } = await slowWorld(50, limits);
    const xids = client.send(setData('/a', 'first'));
    await world.pass(1);
    xids.push(...client.send(...requests), ...client.send(getData('/a')));
    await world.reach(() => client.pending > 0);
    await world.pass(1);
    expect([client.pending, client.link.unreadBytes > 0]).toEqual([1, true]);
    expect(await answered(client, xids.length)).toEqual(xids);
  });

  it('is so because of reads alone, if enough of them wait behind one write', async () => {
    const { client } = await slowWorld(50, { outstandingPerConnectionMax: 10 });
    const xids = client.send(setData('/a', ''));
    for (let i = 0; i < 30; i++) xids.push(...client.send(getData('/a')));
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    expect(await answered(client, xids.length)).toEqual(xids);
  });
});

describe('what is held for requests that wait', () => {
  it('is given back with their answers, though the client says no more', async () => {
    const { world, client } = await slowWorld(50);
    client.send(setData('/a', ''), getData('/a'));
    expect(world.port.heldBytes).toBeGreaterThan(0);
    await answered(client, 2);
    expect(world.port.heldBytes).toBe(0);
  });

  it('is given back with their answers, also behind a write of another', async () => {
    const { world, client } = await slowWorld(50);
    const other = await world.session();
    client.send(create('/b'));
    other.send(sync('/'), exists('/b'));
    expect(world.port.heldBytes).toBeGreaterThan(0);
    const replies = await other.replies(2);
    expect(replies.map(({ err }) => err)).toEqual([ErrorCode.ok, ErrorCode.ok]);
    expect(world.port.heldBytes).toBe(0);
  });
});
