import { describe, expect, it } from '@jest/globals';
import { Scene } from './scene.js';
import { initialOf, saying, type WireConnection } from './wire-peer.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('a peer with a smaller id', () => {
  it('is connected to: first who we are, in one write, then our vote, and the connection stays', async () => {
    const scene = new Scene(3, [1]);
    const writes: number[] = [];
    scene.ours.wrapNetwork = (network) => ({
      listen: (options, onAccept) => network.listen(options, onAccept),
      resolve: (host) => network.resolve(host),
      connect: async (to, timeoutMs) => {
        const stream = await network.connect(to, timeoutMs);
        const write = stream.write.bind(stream);
        stream.write = (bytes, start = 0, end = bytes.length) => {
          writes.push(end - start);
          return write(bytes, start, end);
        };
        return stream;
      },
    });
    scene.peer(1).listen();
    await scene.start();
    await scene.pass(50);
    const [connection, ...others] = scene.peer(1).accepted;
    expect(others).toEqual([]);
    expect(connection?.isClosed).toBe(false);
    expect(writes[0]).toBe(initialOf(3).length);
    expect(text(connection!.received.subarray(0, writes[0]))).toBe(text(initialOf(3)));
    expect(connection!.notifications(writes[0])).toMatchObject([
      { state: 0, leader: 3, electionEpoch: 1 },
    ]);
  });

  it('that calls is hung up on without a byte, and called back where it says it is', async () => {
    const scene = new Scene(3, [1]);
    scene.peer(1).listen(5555);
    await scene.start(false);
    const call = scene.connect(1, scene.peer(1).initial('s1', 5555));
    await scene.reach(() => scene.ours.port.connected.length === 1);
    await scene.pass(10);
    expect(call.isClosed).toBe(true);
    expect(call.received).toHaveLength(0);
    expect(text(scene.peer(1).accepted[0]!.received)).toBe(text(initialOf(3)));
  });

  it.each([
    ['that nobody has', 'nowhere', 1],
    ['where nobody listens', 's1', 1],
  ])(
    'that gives an address %s is called back where the configuration has it',
    async (_what, host, port) => {
      const scene = new Scene(3, [1]);
      scene.peer(1).listen();
      await scene.start(false);
      scene.connect(1, scene.peer(1).initial(host, port));
      await scene.reach(() => scene.ours.port.connected.length === 1);
    },
  );

  it('that calls while we connect to it gets one connection', async () => {
    const scene = new Scene(3, [1]);
    const peer = scene.peer(1);
    peer.listen();
    await scene.start();
    scene.connect(1, peer.initial());
    await scene.reach(() => peer.accepted.length > 0);
    scene.connect(1, peer.initial());
    await scene.pass(150);
    expect(peer.accepted.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
    expect(peer.accepted).toHaveLength(1);
  });

  it('that calls while the connection is new, and then closes it, is called back at once', async () => {
    const scene = new Scene(3, [1]);
    const peer = scene.peer(1);
    peer.listen();
    await scene.start();
    await scene.reach(() => peer.accepted.length === 1);
    scene.connect(1, peer.initial());
    await scene.pass(5);
    peer.accepted[0]!.close();
    await scene.pass(5);
    expect(peer.accepted).toHaveLength(2);
  });

  it('that calls later has restarted: the new connection takes the place of the old one', async () => {
    const scene = new Scene(3, [1]);
    const peer = scene.peer(1);
    peer.listen();
    await scene.start();
    await scene.pass(500);
    const downBefore = scene.ours.log.lines.length;
    scene.connect(1, peer.initial());
    await scene.reach(() => peer.accepted.length === 2);
    const [before, after] = peer.accepted;
    expect(before!.isClosed).toBe(false);
    await scene.pass(1100);
    expect(before!.isClosed).toBe(true);
    expect(after!.isClosed).toBe(false);
    expect(scene.ours.port.connected).toEqual([1]);
    // It looked for a leader and was told our vote again.
    expect(after!.notifications(initialOf(3).length)).not.toHaveLength(0);
    expect(scene.ours.log.lines).toHaveLength(downBefore);
  });

  it('is reached where its name leads now', async () => {
    const scene = new Scene(3, [1], { strangers: [2] });
    scene.world.fabric.setName('s1', ['10.9.9.9']);
    scene.peer(1).listen();
    await scene.start();
    scene.world.after(2000, () =>
      scene.world.fabric.setName('s1', [scene.peer(1).process.host.address]),
    );
    await scene.reach(() => scene.ours.port.connected.length === 1);
    expect(scene.world.virtualMs).toBeLessThan(8000);
  });

  it('with several addresses is reached although the first does not answer', async () => {
    const scene = new Scene(3, [1]);
    scene.world.fabric.setName('s1', ['10.9.9.9', scene.peer(1).process.host.address]);
    scene.peer(1).listen();
    await scene.start();
    await scene.pass(300);
    expect(scene.ours.port.connected).toEqual([1]);
  });
});

describe('a peer with a larger id', () => {
  it('is only called: who we are, and the end', async () => {
    const scene = new Scene(1, [3]);
    scene.peer(3).listen();
    await scene.start();
    await scene.reach(() => scene.peer(3).accepted[0]?.isClosed === true);
    expect(text(scene.peer(3).accepted[0]!.received)).toBe(text(initialOf(1)));
    expect(scene.ours.port.connected).toEqual([]);
  });

  it('connects, and hears our vote', async () => {
    const scene = new Scene(1, [3]);
    await scene.start();
    const connection = scene.connect(3, scene.peer(3).initial());
    await scene.reach(() => connection.notifications().length > 0);
    expect(connection.notifications()).toMatchObject([{ state: 0, leader: 1 }]);
    expect(scene.ours.port.connected).toEqual([3]);
  });

  it('connects anew: the older connection is closed, and what it was told last is said again', async () => {
    const scene = new Scene(1, [2, 3]);
    await scene.start();
    const first = scene.connect(3, scene.peer(3).initial(), saying({ leader: 3 }));
    scene.connect(2, scene.peer(2).initial(), saying({ leader: 3 }));
    await scene.reach(() => scene.ours.role?.state === 'following');
    await scene.reach(() => first.notifications().length > 1);
    const second = scene.connect(3, scene.peer(3).initial());
    await scene.reach(() => second.isConnected && first.isClosed);
    await scene.pass(10);
    expect(second.isClosed).toBe(false);
    // Decided since: who asks hears so, and the vote is not said again.
    expect(second.notifications()).toEqual([]);
    second.send(saying({ leader: 3 }));
    await scene.reach(() => second.notifications().length === 1);
    const third = scene.connect(3, scene.peer(3).initial());
    await scene.reach(() => third.notifications().length === 1);
    expect(third.notifications()).toMatchObject([{ state: 1, leader: 3 }]);
    await scene.pass(2000);
    const fourth = scene.connect(3, scene.peer(3).initial());
    await scene.pass(20);
    expect(fourth.notifications()).toEqual([]);
    expect(scene.ours.port.connected).toEqual([2, 3]);
  });

  it('that connects while we call it is not called any more', async () => {
    const scene = new Scene(1, [3]);
    scene.world.setLink('ours', 'host3', { delay: { minMs: 5, maxMs: 5 } });
    scene.peer(3).listen();
    const calls = () => scene.peer(3).accepted.filter(({ received }) => received.length > 0);
    await scene.start(false);
    const connection = scene.connect(3, scene.peer(3).initial());
    await scene.pass(6);
    scene.ours.run(() => scene.ours.look());
    await scene.pass(100);
    expect(scene.ours.port.connected).toEqual([3]);
    expect(connection.isClosed).toBe(false);
    expect(calls()).toEqual([]);
  });

  it('that closes what it has for each call, as ZooKeeper does, is not called in circles', async () => {
    const scene = new Scene(1, [3]);
    const peer = scene.peer(3);
    let connection: WireConnection | null = null;
    const connectAnew = (): void => {
      connection?.close();
      connection = scene.connect(3, peer.initial());
    };
    peer.listen();
    peer.onAccepted = (call) => {
      scene.world.after(2, () => {
        call.close();
        connectAnew();
      });
    };
    await scene.start();
    await scene.reach(() => scene.ours.port.connected.length === 1);
    await scene.pass(1000);
    const before = peer.accepted.length;
    connectAnew();
    await scene.pass(1000);
    expect(scene.ours.port.connected).toEqual([3]);
    expect(peer.accepted.length - before).toBeLessThanOrEqual(2);
  });

  it('that replaces its connection because our call has crossed it is not taken for crashed', async () => {
    const given = { election: { finalizeWaitMs: 200 } };
    const scene = new Scene(1, [2, 3], { given });
    scene.world.setLink('ours', 'host3', { delay: { minMs: 2, maxMs: 2 } });
    const third = scene.peer(3);
    third.listen();
    await scene.start(false);
    scene.ours.run(() => scene.ours.look());
    await scene.pass(1);
    const crossing = scene.connect(3, third.initial());
    third.onAccepted = (call) => {
      call.close();
      // With our vote unread, so that the connection is reset.
      scene.world.after(4, () => crossing.close());
      scene.world.after(30, () => scene.connect(3, third.initial(), saying({ leader: 3 })));
    };
    await scene.reach(() => crossing.isConnected);
    crossing.pause();
    scene.connect(2, scene.peer(2).initial(), saying({ leader: 2 }));
    await scene.reach(() => scene.ours.decisions.length > 0);
    expect(scene.ours.decisions[0]?.leader).toBe(3);
  });

  it('that was asked to connect and does not is named in the log', async () => {
    const scene = new Scene(1, [3]);
    scene.peer(3).listen();
    await scene.start();
    await scene.pass(5000);
    const lines = scene.ours.log.lines.filter((line) => line.includes('can it reach s1:3888?'));
    expect(lines).toHaveLength(1);
  });
});

describe('ids that should not be there', () => {
  it('our own is refused, and the log says what to do', async () => {
    const scene = new Scene(2, [1, 3]);
    await scene.start(false);
    const twin = scene.connect(1, initialOf(2));
    await scene.reach(() => twin.isClosed);
    expect(scene.ours.log.lines.join()).toMatch(/It says that it is server 2, as we are: .* myid/);
    expect(scene.ours.port.connected).toEqual([]);
  });

  it('a larger one that nobody knows is kept and answered', async () => {
    const scene = new Scene(2, [1, 3], { strangers: [9] });
    await scene.start();
    const stranger = scene.connect(9, scene.peer(9).initial(), saying({ leader: 9 }));
    await scene.reach(() => stranger.notifications().length > 0);
    expect(stranger.notifications()).toMatchObject([{ state: 0, leader: 2 }]);
    expect(scene.ours.port.connected).toEqual([9]);
  });

  it('a smaller one that nobody knows is called back where it says it is', async () => {
    const scene = new Scene(2, [3], { strangers: [1] });
    await scene.start();
    scene.peer(1).listen();
    await scene.pass(5);
    scene.connect(1, scene.peer(1).initial());
    await scene.reach(() => scene.peer(1).accepted.length === 1);
    scene.peer(1).accepted[0]!.close();
    await scene.pass(500);
    expect(scene.ours.port.connected).toEqual([]);
    expect(scene.peer(1).accepted).toHaveLength(1);
  });

  it('two servers with one id replace each other, and the log says so once', async () => {
    const scene = new Scene(1, [3], { strangers: [9] });
    await scene.start();
    for (let turn = 0; turn < 50; turn++) {
      scene.connect(turn % 2 === 0 ? 3 : 9, initialOf(3), saying({ leader: 3 }));
      await scene.pass(20);
    }
    expect(scene.ours.port.connected).toEqual([3]);
    const lines = scene.ours.log.lines.filter((line) => line.includes('two servers have one id'));
    expect(lines).toHaveLength(1);
  });
});

it('keeps one message for a peer that does not read: the newest', async () => {
  const config = `${'# long\n'.repeat(20_000)}version=0`;
  const scene = new Scene(3, [1, 2], { given: { configText: () => config } });
  const peer = scene.peer(1);
  peer.listen();
  peer.onAccepted = (connection) => connection.pause();
  await scene.start();
  await scene.reach(() => scene.ours.port.connected.length === 1);
  for (let round = 2; round <= 30; round++) {
    scene.ours.run(() => scene.ours.look());
    await scene.pass(5);
  }
  peer.accepted[0]!.resume();
  const heard = () => peer.accepted[0]!.notifications(initialOf(3).length);
  await scene.reach(() => heard().at(-1)?.electionEpoch === 30);
  expect(heard().length).toBeLessThan(6);
});
