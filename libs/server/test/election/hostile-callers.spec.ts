import { describe, expect, it } from '@jest/globals';
import { ELECTION_MESSAGE_BYTES_MAX, PeerState, initialMessage } from '@aviary/protocol';
import { SeededRandom } from '@aviary/simulator';
import { Scene } from './scene.js';
import { initialOf, saying, type WireConnection } from './wire-peer.js';

const LIMITS = { callersMax: 8, strangersMax: 4 };

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

/** The server still does what it is there for. */
async function expectItElects(scene: Scene): Promise<void> {
  const { ours } = scene;
  if (ours.role === null) {
    const vote = saying({ leader: 9, round: ours.port.round + 1 });
    scene.connect(9, initialOf(9), vote);
    scene.connect(8, initialOf(8), vote);
  }
  await scene.reach(() => ours.role?.leader === 9);
}

describe('a connection that does not say whose it is', () => {
  it('is closed after a while, in all and not per byte', async () => {
    const scene = new Scene(2, [8, 9], { given: { handshakeTimeoutMs: 1000 } });
    await scene.start();
    const silent = scene.connect(8);
    const slow = scene.connect(9);
    const initial = initialOf(9);
    for (let at = 0; at < initial.length - 1; at++) {
      scene.world.after(at * 100, () => slow.send(initial.subarray(at, at + 1)));
    }
    await scene.reach(() => silent.isClosed && slow.isClosed);
    expect(scene.world.virtualMs).toBeLessThan(1100);
    await expectItElects(scene);
  });

  it('gives way to newer ones, so that peers get through a crowd', async () => {
    const scene = new Scene(2, [8, 9], { given: { limits: LIMITS } });
    await scene.start();
    const crowd: WireConnection[] = [];
    for (let i = 0; i < 100; i++) crowd.push(scene.connect(8));
    await scene.reach(() => crowd.filter(({ isClosed }) => isClosed).length === 92);
    await expectItElects(scene);
    expect(scene.ours.log.lines.filter((line) => line.includes('too many'))).toHaveLength(1);
  });

  it.each([
    ['an unknown version', new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 7])],
    ['no text', new Uint8Array([...initialOf(9).subarray(0, 16), 0, 0, 0, 0])],
    ['an endless text', new Uint8Array([...initialOf(9).subarray(0, 16), 0x7f, 0xff, 0xff, 0xff])],
    ['no address', new Uint8Array([...initialOf(9).subarray(0, 16), ...int32(2), 0xff, 0xfe])],
    ['a negative id', initialMessage(-5, [{ host: 's9', port: 3888 }], false)],
    ['an observer of old', new Uint8Array([0x7f, 255, 255, 255, 255, 255, 255, 255])],
    ['a request for a page', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('but something else is closed: %s', async (_what, bytes) => {
    const scene = new Scene(2, [8, 9]);
    await scene.start();
    const caller = scene.connect(8, bytes);
    await scene.reach(() => caller.isClosed);
    expect(caller.received).toHaveLength(0);
    const warnings = scene.ours.log.lines.filter((line) =>
      line.includes('election port is closed'),
    );
    expect(warnings).toHaveLength(1);
    await expectItElects(scene);
  });
});

describe('a peer that', () => {
  it.each([
    ['says nothing in a message', int32(0)],
    ['announces a message that is too long', int32(ELECTION_MESSAGE_BYTES_MAX + 1)],
    ['announces a negative length', int32(-1)],
  ])('%s is closed, and may come again', async (_what, bytes) => {
    const scene = new Scene(2, [8, 9]);
    await scene.start();
    const peer = scene.connect(8, initialOf(8), bytes);
    await scene.reach(() => peer.isClosed);
    expect(scene.ours.log.lines.join()).toContain(
      'The election connection with server 8 is closed',
    );
    await expectItElects(scene);
  });

  it('makes no sense is passed over, and heard when it does', async () => {
    const scene = new Scene(2, [8, 9]);
    await scene.start();
    const nonsense = new Uint8Array([...int32(30), ...new Uint8Array(30).fill(7)]);
    const unknownState = saying({ leader: 9 }).fill(9, 4, 8);
    const endlessRound = saying({ leader: 9, round: 2 ** 52 });
    const parts = [nonsense, unknownState, endlessRound, saying({ leader: 9 })];
    const peer = scene.connect(8, initialOf(8), ...parts);
    scene.connect(9, initialOf(9), saying({ leader: 9 }));
    await scene.reach(() => scene.ours.role?.leader === 9);
    expect(peer.isClosed).toBe(false);
    expect(scene.ours.port.round).toBe(1);
    const lines = scene.ours.log.lines.filter((line) => line.startsWith('warn Server 8'));
    expect(lines).toHaveLength(2);
  });

  it('sends without end is read slowly, and the others are served', async () => {
    const scene = new Scene(2, [8, 9]);
    await scene.start();
    const flooder = scene.connect(8, initialOf(8));
    await scene.reach(() => scene.ours.port.connected.length === 1);
    const message = saying({ state: 'following', config: 'x'.repeat(1000) });
    const chunk = new Uint8Array(Buffer.concat(Array.from({ length: 100 }, () => message)));
    const startedMs = scene.world.virtualMs;
    for (let i = 0; i < 40; i++) flooder.send(chunk);
    await scene.reach(() => scene.ours.log.lines.some((line) => line.includes('slowed down')));
    scene.connect(9, initialOf(9), saying({ leader: 9 }));
    await scene.reach(() => scene.ours.port.connected.length === 2);
    await scene.reach(() => scene.ours.role?.leader === 9);
    expect(scene.world.virtualMs - startedMs).toBeLessThan(100);
    flooder.send(saying({ leader: 9, round: 2 }));
    await scene.reach(() => flooder.notifications().at(-1)?.state === PeerState.following);
    // What it had sent before was read first, at the rate of the limit.
    expect(scene.world.virtualMs - startedMs).toBeGreaterThan(10_000);
    const lines = scene.ours.log.lines.filter((line) => line.includes('slowed down'));
    expect(lines).toHaveLength(1);
  });

  it('is not in the configuration takes the place of another such one', async () => {
    const scene = new Scene(2, [8, 9], { given: { limits: LIMITS } });
    await scene.start();
    const strangers: WireConnection[] = [];
    for (let id = 100; id < 120; id++) {
      strangers.push(scene.connect(8, initialOf(id), saying({ leader: id })));
      await scene.pass(5);
    }
    expect(strangers.filter(({ isClosed }) => !isClosed)).toHaveLength(4);
    expect(scene.ours.port.connected).toEqual([116, 117, 118, 119]);
    await expectItElects(scene);
    expect(scene.ours.log.lines.filter((line) => line.includes('More than 4'))).toHaveLength(1);
  });

  it('calls without end for addresses that nobody has makes few attempts', async () => {
    const scene = new Scene(5, [8, 9], { strangers: [1] });
    let attempts = 0;
    scene.ours.wrapNetwork = (network) => ({
      listen: (options, onAccept) => network.listen(options, onAccept),
      connect: (to, timeoutMs) => network.connect(to, timeoutMs),
      resolve: (host) => {
        if (host === 'nowhere') attempts++;
        return network.resolve(host);
      },
    });
    await scene.start();
    const addresses = Array.from({ length: 100 }, (_, port) => ({ host: 'nowhere', port }));
    const call = initialMessage(1, addresses, true);
    for (let i = 0; i < 100; i++) scene.connect(1, call);
    await scene.pass(100);
    expect(attempts).toBeLessThan(100 * 8);
    expect(scene.ours.log.lines.filter((line) => line.includes('server 1'))).toHaveLength(1);
    await expectItElects(scene);
  });
});

const SEEDS = Array.from({ length: 30 }, (_, index) => index + 1);

it.each(SEEDS)('garbage of all kinds ends connections, and nothing else, SEED=%i', async (seed) => {
  const random = new SeededRandom(seed);
  const scene = new Scene(2, [1, 8, 9], { seed, given: { limits: LIMITS } });
  scene.peer(1).listen();
  await scene.start();
  for (let i = 0; i < 60; i++) {
    const id = random.pick([0, 1, 2, 8, 9, 77]);
    const stream = Buffer.concat([
      initialOf(id),
      ...Array.from({ length: random.below(5) }, () =>
        saying({ leader: random.pick([1, 2, 3, 8]) }),
      ),
    ]);
    for (let flips = random.below(8); flips > 0; flips--) {
      stream[random.below(stream.length)] = random.below(256);
    }
    const length = random.chance(0.3) ? random.below(stream.length) : stream.length;
    const caller = scene.connect(
      random.pick([1, 8, 9]),
      new Uint8Array(stream.subarray(0, length)),
    );
    if (random.chance(0.3)) scene.world.after(random.below(20), () => caller.close());
    if (random.chance(0.3)) await scene.pass(random.below(30));
  }
  await scene.pass(500);
  expect(scene.ours.port.connected.length).toBeLessThanOrEqual(3 + LIMITS.strangersMax);
  expect(scene.ours.log.lines.length).toBeLessThan(40);
  if (scene.ours.role !== null) scene.ours.endRole();
  await scene.reach(() => scene.ours.role === null && scene.ours.port.state === 'looking');
  await expectItElects(scene);
});
