import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Barriers } from '@aviary/barrier';
import { ZooKeeper } from '@aviary/client';
import { Peer, type ForeignPart } from './peers/peer.js';
import { SERVER_KINDS, TestServer, removeAll } from './servers.js';

// Java's Curator, Python's kazoo and ours at the same barriers, on our server and on ZooKeeper.

const WAIT_MS = 20_000;

afterAll(removeAll);

describe.each(SERVER_KINDS)('barriers on a server of %s', (kind) => {
  let server: TestServer;
  let zk: ZooKeeper;
  let barriers: Barriers;
  let curator: Peer;
  let kazoo: Peer;
  let paths = 0;
  let path: string;

  beforeAll(async () => {
    server = await TestServer.start(kind);
    zk = new ZooKeeper({ servers: server.hosts });
    barriers = new Barriers(zk, { identity: 'ours' });
    [curator, kazoo] = await Promise.all([Peer.curator(server.hosts), Peer.kazoo(server.hosts)]);
  });

  beforeEach(() => {
    path = `/barriers/${++paths}`;
  });

  afterAll(async () => {
    await zk.close();
    await Promise.all([curator.close(), kazoo.close()]);
    await server.kill();
  });

  const ours = () => barriers.barrier(path);
  const parts = (what: string, ...args: number[]): Promise<[ForeignPart, ForeignPart]> =>
    Promise.all([curator.make(what, path, ...args), kazoo.make(what, path, ...args)]);

  it('that ours raises hold up Curator and kazoo, until ours lowers them', async () => {
    const [java, python] = await parts('barrier');
    await ours().raise();
    expect((await java.tell('wait', 200)).toLowerCase()).toBe('false');
    expect((await python.tell('wait', 200)).toLowerCase()).toBe('false');
    const passed = Promise.all([java.tell('wait', WAIT_MS), python.tell('wait', WAIT_MS)]);
    await ours().lower();
    expect((await passed).map((text) => text.toLowerCase())).toEqual(['true', 'true']);
  });

  it.each(['Curator', 'kazoo'] as const)(
    'that %s raises and lowers hold up ours',
    async (whose) => {
      const [java, python] = await parts('barrier');
      const part = whose === 'Curator' ? java : python;
      await part.tell('set');
      await expect(ours().wait({ waitMs: 200 })).rejects.toThrow(/was not lowered/);
      const passed = ours().wait({ waitMs: WAIT_MS });
      await part.tell('remove');
      await passed;
      expect(zk.watchCount).toBe(0);
    },
  );

  it.each([
    ['ours opens', 2],
    ['Curator opens', 1],
    ['kazoo opens', 0],
  ] as const)('for three let one of each in and out together: %s', async (_who, last) => {
    const [java, python] = await parts('double', 3);
    const double = barriers.double(path, 3);
    // Each beginning one is there before the next comes, so it is known who opens.
    const enters = [
      () => python.tell('enter'),
      () => java.tell('enter', WAIT_MS),
      () => double.enter({ waitMs: WAIT_MS }),
    ];
    const order = [...enters.slice(last + 1), ...enters.slice(0, last + 1)];
    const entered: Promise<unknown>[] = [];
    for (const [at, enter] of order.entries()) {
      entered.push(enter());
      if (at === 2) break;
      await server.until(
        'one more inside',
        () => countOf(zk, path),
        (count) => count === at + 1,
      );
    }
    const all = await Promise.all(entered);
    const round = all.find((one) => typeof one === 'object') as Awaited<
      ReturnType<typeof double.enter>
    >;
    expect(round.isInside).toBe(true);
    const left = await Promise.all([
      java.tell('leave', WAIT_MS),
      python.tell('leave'),
      round.leave({ waitMs: WAIT_MS }),
    ]);
    expect(left.slice(0, 2).map((text) => String(text).toLowerCase())).toEqual(['true', 'true']);
    await server.until(
      'an empty directory',
      () => countOf(zk, path),
      (count) => count === 0,
    );
    expect(zk.watchCount).toBe(0);
  });
});

async function countOf(zk: ZooKeeper, path: string): Promise<number> {
  return (await zk.exists(path))?.numChildren ?? 0;
}
