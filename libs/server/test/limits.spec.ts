import { describe, expect, it } from '@jest/globals';
import { ErrorCode, FRAME_BYTES_MAX_DEFAULT, OpCode } from '@aviary/protocol';
import { create, getData, multiRead, ping, setData, sync, type Request } from './requests.js';
import { ServerWorld, type ServerWorldOptions } from './server-world.js';
import { requestFrame, type Reply, type WireClient } from './wire-client.js';

const PATH_OVERHEAD_BYTES = 8 + 4 + '/a'.length + 4 + 4;

const limited = (limits: NonNullable<ServerWorldOptions['server']>['limits']) =>
  ServerWorld.start({ server: limits === undefined ? {} : { limits } });

/** All replies to what was sent, in the order of the requests. */
async function repliesTo(client: WireClient, xids: readonly number[]): Promise<Reply[]> {
  const replies = await client.replies(xids.length);
  expect(replies.map(({ xid }) => xid)).toEqual(xids);
  return replies;
}

describe('the length of a frame', () => {
  const dataOf = (frameBytes: number) =>
    new Uint8Array(frameBytes - PATH_OVERHEAD_BYTES).fill(0x78);

  it.each([2048, FRAME_BYTES_MAX_DEFAULT])('is at most the limit of %i bytes', async (limit) => {
    const world = await limited({ frameBytesMax: limit });
    const client = await world.session();
    await client.done(create('/a'));
    expect((await client.call(setData('/a', dataOf(limit)))).err).toBe(ErrorCode.ok);
    expect((await client.done(getData('/a'))).body.length).toBeGreaterThan(limit - 100);
    client.send(setData('/a', dataOf(limit + 1)));
    await client.closed();
    expect(client.pending).toBe(0);
  });

  it.each([-1, -0x8000_0000, FRAME_BYTES_MAX_DEFAULT + 1, 0x7fff_ffff])(
    'of %i closes the connection; what came before is answered',
    async (length) => {
      const world = await limited({});
      const [client, other] = [await world.session(), await world.session()];
      const broken = Buffer.alloc(4);
      broken.writeInt32BE(length);
      client.sendRaw(Buffer.concat([requestFrame(1, getData('/')), broken]));
      expect((await client.reply()).err).toBe(ErrorCode.ok);
      await client.closed();
      expect((await other.call(getData('/'))).err).toBe(ErrorCode.ok);
    },
  );

  it('costs nothing while it is only announced', async () => {
    const world = await limited({});
    const clients: WireClient[] = [];
    for (let i = 0; i < 100; i++) clients.push(await world.session());
    const announced = requestFrame(1, create('/a', { data: new Uint8Array(900_000) }));
    for (const client of clients) client.sendRaw(announced.subarray(0, 100));
    expect(world.port.heldBytes).toBeLessThan(100 * 1024);
  });
});

describe('requests of one connection that wait', () => {
  const LIMIT = 10;

  it('stop it from being read, and nothing is lost', async () => {
    const world = await limited({ outstandingPerConnectionMax: LIMIT });
    world.slowCommits(20, 'all');
    const client = await world.session();
    await client.done(create('/a'));
    const xids: number[] = [];
    for (let i = 0; i < 200; i++) xids.push(...client.send(setData('/a', String(i))));
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    expect(world.port.writes.outstanding).toBeLessThanOrEqual(LIMIT);
    const replies = await repliesTo(client, xids);
    expect(replies.every(({ err }) => err === ErrorCode.ok)).toBe(true);
    expect(client.link.pauses).toBeGreaterThan(10);
    expect((await client.done(getData('/a'))).body.subarray(4, 7)).toEqual(Buffer.from('199'));
  });

  it('count reads that wait behind a write', async () => {
    const world = await limited({ outstandingPerConnectionMax: LIMIT });
    world.slowCommits(20, 'all');
    const client = await world.session();
    const xids = client.send(create('/a'));
    for (let i = 0; i < 100; i++) xids.push(...client.send(getData('/a'), setData('/a', 'x')));
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    const replies = await repliesTo(client, xids);
    expect(replies.every(({ err }) => err === ErrorCode.ok)).toBe(true);
  });

  it('are bounded by one chunk more than the limit when they come in one', async () => {
    const world = await limited({ outstandingPerConnectionMax: LIMIT });
    world.slowCommits(20, 'all');
    const client = await world.session();
    await client.done(create('/a'));
    const requests = Array.from({ length: 500 }, (_, i) => setData('/a', String(i)));
    const xids = client.send(...requests);
    const more = client.send(getData('/a'));
    expect(client.link.unreadBytes).toBeGreaterThan(0);
    await repliesTo(client, [...xids, ...more]);
  });

  it('are bounded in bytes, too', async () => {
    const world = await limited({ deferredBytesMax: 100_000 });
    world.slowCommits(20, 'all');
    const client = await world.session();
    const long = 'p'.repeat(10_000);
    const xids = client.send(create('/a'));
    for (let i = 0; i < 100; i++) xids.push(...client.send(sync(long)));
    expect(world.port.heldBytes).toBeLessThan(150_000);
    expect(client.link.unreadBytes).toBeGreaterThan(500_000);
    await repliesTo(client, xids);
    expect(world.port.heldBytes).toBe(0);
  });

  it('are let go when they are answered, also when there is always one more', async () => {
    const world = await limited({});
    const client = await world.session();
    await client.done(create('/a'));
    const padding = sync('p'.repeat(20_000));
    let most = 0;
    let xids = client.send(setData('/a', '-1'), padding);
    for (let round = 0; round < 300; round++) {
      const next = client.send(setData('/a', String(round)), padding);
      await repliesTo(client, xids);
      most = Math.max(most, world.port.heldBytes);
      xids = next;
    }
    expect(most).toBeLessThan(100_000);
  });

  it('do not hold up the other connections', async () => {
    const world = await limited({ outstandingPerConnectionMax: LIMIT });
    world.slowCommits(1000, 'all');
    const greedy = await world.session();
    greedy.send(create('/a'), ...Array.from({ length: 50 }, () => setData('/a', 'x')));
    const reader = await world.session();
    const startedMs = world.world.virtualMs;
    reader.send(getData('/'));
    await reader.reply();
    expect(world.world.virtualMs - startedMs).toBeLessThan(1);
  });
});

describe('writes of all connections that wait', () => {
  it('stop those who write from being read, and nothing is lost', async () => {
    const world = await limited({ outstandingMax: 20 });
    const clients: WireClient[] = [];
    for (let i = 0; i < 10; i++) clients.push(await world.session());
    for (const [i, client] of clients.entries()) await client.done(create(`/n${i}`));
    world.slowCommits(20, 'all');
    const sent = clients.map((): number[] => []);
    for (let round = 0; round < 30; round++) {
      for (const [i, client] of clients.entries()) {
        sent[i]!.push(...client.send(setData(`/n${i}`, String(round))));
      }
    }
    expect(world.port.writes.outstanding).toBeLessThanOrEqual(20 + clients.length);
    for (const [i, client] of clients.entries()) {
      const replies = await repliesTo(client, sent[i]!);
      expect(replies.every(({ err }) => err === ErrorCode.ok)).toBe(true);
    }
    expect(clients.some(({ link }) => link.pauses > 0)).toBe(true);
  });

  it('are bounded in bytes, too', async () => {
    const world = await limited({ outstandingBytesMax: 1_000_000 });
    const client = await world.session();
    await client.done(create('/a'));
    world.slowCommits(50, 'all');
    const xids: number[] = [];
    const data = new Uint8Array(100_000);
    for (let i = 0; i < 60; i++) xids.push(...client.send(setData('/a', data)));
    expect(client.link.unreadBytes).toBeGreaterThan(3_000_000);
    await repliesTo(client, xids);
  });

  it('do not hold up who only reads', async () => {
    const world = await limited({ outstandingMax: 5 });
    const writer = await world.session();
    const reader = await world.session();
    world.slowCommits(1000, 'all');
    writer.send(...Array.from({ length: 10 }, (_, i) => create(`/n${i}`)));
    for (let i = 0; i < 20; i++) reader.send(getData('/'));
    const startedMs = world.world.virtualMs;
    await reader.replies(20);
    expect(world.world.virtualMs - startedMs).toBeLessThan(1);
  });

  it('leave a client that was paused its session, though its pings were not read', async () => {
    const world = await ServerWorld.start({
      server: { tickTimeMs: 500, limits: { outstandingPerConnectionMax: 5 } },
    });
    const client = await world.session({ timeoutMs: 1_000 });
    world.slowCommits(5_000, 'all');
    const xids = client.send(...Array.from({ length: 10 }, (_, i) => create(`/n${i}`)));
    for (let i = 0; i < 12; i++) {
      client.send(ping);
      await world.pass(400);
    }
    expect(world.port.role.sessionsExpired).toBe(0);
    await world.reach(() => client.pending >= xids.length + 12);
    expect(client.isClosed).toBe(false);
  });
});

describe('a multiRead whose reply would be too long', () => {
  it('is refused, and the connection goes on', async () => {
    const world = await limited({ outputBytesMax: 2_000_000 });
    const client = await world.session();
    await client.done(create('/a', { data: new Uint8Array(500_000) }));
    const part = { type: OpCode.getData, request: { path: '/a', watch: false } } as const;
    const small = await client.done(multiRead([part, part]));
    expect(small.body.length).toBeGreaterThan(1_000_000);
    const huge = await client.call(multiRead(Array.from({ length: 50_000 }, () => part)));
    expect([huge.err, huge.body.length]).toEqual([ErrorCode.marshallingError, 0]);
    expect((await client.call(getData('/'))).err).toBe(ErrorCode.ok);
  });
});

describe('a read that meets a bug of ours', () => {
  it('costs its connection and no other', async () => {
    const world = await limited({});
    const [victim, other] = [await world.session(), await world.session()];
    const { reads } = world.port;
    const run = reads.run.bind(reads);
    reads.run = (type, ...rest) => {
      if (type === OpCode.getACL) throw new RangeError('as if');
      return run(type, ...rest);
    };
    const request: Request = { type: OpCode.getACL, body: getData('/').body };
    victim.send(request);
    await victim.closed();
    expect((await other.call(getData('/'))).err).toBe(ErrorCode.ok);
    expect(world.log.lines.join('\n')).toContain('getACL cannot be answered: RangeError: as if');
  });
});
