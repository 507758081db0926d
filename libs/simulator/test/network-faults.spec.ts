import { describe, expect, it } from '@jest/globals';
import type { ByteStream } from '@aviary/foundation';
import { World, type WorldOptions } from '@aviary/simulator';
import { RecordingHandler } from './contracts/recording-handler.js';

interface Scene {
  readonly world: World;
  readonly near: ByteStream;
  readonly far: ByteStream;
  readonly atNear: RecordingHandler;
  readonly atFar: RecordingHandler;
  readonly connect: (timeoutMs: number) => Promise<ByteStream>;
}

async function scene(options: Partial<WorldOptions> = {}): Promise<Scene> {
  const world = new World({ seed: 1, ...options });
  const server = world.addHost('server');
  const client = world.addHost('client').boot();
  const accepted: ByteStream[] = [];
  const { network } = server.boot();
  await world.settle(network.listen({ address: null, port: 5 }, (stream) => accepted.push(stream)));
  const connect = (timeoutMs: number) =>
    client.network.connect({ address: server.address, port: 5 }, timeoutMs);
  const near = await world.settle(connect(1_000));
  await world.reach(() => accepted.length === 1);
  const far = accepted[0]!;
  const atNear = new RecordingHandler(near);
  const atFar = new RecordingHandler(far);
  return { world, near, far, atNear, atFar, connect };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'connected',
    (error: unknown) => (error as { code: string }).code,
  );

const numbered = (length: number) => Uint8Array.from({ length }, (_, at) => at & 0xff);

describe('a partition', () => {
  it('delays what is sent until it heals, and loses nothing', async () => {
    const { world, near, atFar } = await scene();
    world.partition(['client'], ['server']);
    near.write(numbered(300));
    await world.run({ virtualMsMax: 30_000 });
    expect(atFar.length).toBe(0);
    world.heal();
    await world.reach(() => atFar.length === 300, { virtualMsMax: 60_000 });
    expect(atFar.bytes()).toEqual(numbered(300));
  });

  it('cuts one direction only, if asked', async () => {
    const { world, near, far, atNear, atFar } = await scene();
    world.cutOneWay('client', 'server');
    near.write(numbered(10));
    far.write(numbered(20));
    await world.run({ virtualMsMax: 30_000 });
    expect([atNear.length, atFar.length]).toEqual([20, 0]);
    world.heal();
    await world.reach(() => atFar.length === 10, { virtualMsMax: 60_000 });
  });

  it('closes the window when no acknowledgement comes back', async () => {
    const { world, near, atFar } = await scene({ network: { windowBytes: 1_000 } });
    world.cutOneWay('server', 'client');
    for (let round = 0; round < 50; round++) near.write(numbered(100));
    await world.run({ virtualMsMax: 10_000 });
    expect(atFar.length).toBe(1_000);
    expect(near.queuedBytes).toBe(4_000);
    world.heal();
    await world.reach(() => atFar.length === 5_000, { virtualMsMax: 60_000 });
    expect(near.queuedBytes).toBe(0);
  });

  it('ends connections when a kernel gives up', async () => {
    const { world, near, atNear, atFar } = await scene({ network: { giveUpMs: 60_000 } });
    world.partition(['client'], ['server']);
    near.write(numbered(10));
    await world.reach(() => atNear.isClosed, { virtualMsMax: 120_000 });
    expect((atNear.reason as { code?: string } | null)?.code).toBe('ETIMEDOUT');
    // The other end waits for nothing and so learns nothing: half open.
    await world.run({ virtualMsMax: 3_000_000 });
    expect(atFar.isClosed).toBe(false);
  });

  it('lets connecting time out; refused is only who can be reached', async () => {
    const { world, connect } = await scene();
    world.partition(['client'], ['server']);
    expect(await world.settle(codeOf(connect(5_000)))).toBe('ETIMEDOUT');
    world.heal();
    world.cutOneWay('server', 'client');
    expect(await world.settle(codeOf(connect(5_000)))).toBe('ETIMEDOUT');
    world.heal();
    expect(await world.settle(codeOf(connect(5_000)))).toBe('connected');
  });

  it('that heals in time lets a second SYN through', async () => {
    const { world, connect } = await scene();
    world.partition(['client'], ['server']);
    world.after(1_500, () => world.heal());
    const before = world.virtualMs;
    expect(await world.settle(codeOf(connect(10_000)))).toBe('connected');
    expect(world.virtualMs - before).toBeGreaterThan(2_000);
  });
});

describe('a reset', () => {
  it('loses what is in flight, at both ends', async () => {
    const { world, near, atNear, atFar } = await scene();
    near.write(numbered(100_000));
    world.fabric.resetBetween('client', 'server');
    await world.reach(() => atNear.isClosed && atFar.isClosed);
    expect(atFar.length).toBe(0);
    for (const { reason } of [atNear, atFar]) {
      expect((reason as { code?: string } | null)?.code).toBe('ECONNRESET');
    }
  });

  it('is not noticed by who has paused, until it goes on', async () => {
    const { world, far, atNear, atFar } = await scene();
    far.pause();
    world.fabric.resetBetween('client', 'server');
    await world.run({ virtualMsMax: 60_000 });
    expect(atNear.isClosed).toBe(true);
    expect(atFar.isClosed).toBe(false);
    far.resume();
    await world.reach(() => atFar.isClosed);
  });

  it('is noticed by who writes', async () => {
    const { world, far, atFar } = await scene();
    far.pause();
    world.fabric.resetBetween('client', 'server');
    await world.run({ virtualMsMax: 100 });
    far.write(numbered(1));
    await world.reach(() => atFar.isClosed);
    expect(atFar.reason).not.toBeNull();
  });

  it('answers bytes for a connection that was closed', async () => {
    const { world, near, far, atFar } = await scene();
    near.destroy();
    far.write(numbered(10));
    await world.reach(() => atFar.isClosed);
    // Its end and the reset race; either way it is over.
    expect(atFar.length).toBe(0);
  });

  it('follows when a side closes with bytes unread', async () => {
    const { world, near, far, atNear } = await scene();
    far.pause();
    near.write(numbered(10));
    await world.run({ virtualMsMax: 100 });
    far.destroy();
    await world.reach(() => atNear.isClosed);
    expect((atNear.reason as { code?: string } | null)?.code).toBe('ECONNRESET');
  });

  it('for bytes unread may overtake what was sent last', async () => {
    const arrived = new Set<boolean>();
    for (let seed = 1; seed <= 30; seed++) {
      const { world, near, far, atNear } = await scene({ seed, network: { deferProbability: 0 } });
      far.pause();
      near.write(numbered(10));
      await world.run({ virtualMsMax: 100 });
      far.write(numbered(200));
      far.destroy();
      await world.reach(() => atNear.isClosed);
      arrived.add(atNear.length === 200);
    }
    expect([...arrived].sort()).toEqual([false, true]);
  });
});

describe('a slow link', () => {
  it('takes as long as its bytes need', async () => {
    const { world, near, atFar } = await scene();
    world.setLink('client', 'server', { bytesPerSecond: 10_000 });
    const before = world.virtualMs;
    near.write(new Uint8Array(50_000));
    await world.reach(() => atFar.length === 50_000);
    expect(world.virtualMs - before).toBeGreaterThan(4_900);
    expect(world.virtualMs - before).toBeLessThan(5_500);
    world.setLink('client', 'server', null);
    const then = world.virtualMs;
    near.write(new Uint8Array(50_000));
    await world.reach(() => atFar.length === 100_000);
    expect(world.virtualMs - then).toBeLessThan(100);
  });

  it('that loses segments brings them late and in order', async () => {
    const { world, near, atFar } = await scene();
    world.setLink('client', 'server', { lossProbability: 0.3 });
    const before = world.virtualMs;
    for (let at = 0; at < 100; at++) near.write(numbered(100).subarray(at, at + 1));
    await world.reach(() => atFar.length === 100);
    expect(atFar.bytes()).toEqual(numbered(100));
    expect(world.virtualMs - before).toBeGreaterThan(200);
  });
});

describe('names', () => {
  it('stand for addresses, anew at each look-up', async () => {
    const { world } = await scene();
    const { network } = world.addHost('other', { addresses: ['fd00::7', '10.9.9.9'] }).boot();
    expect(await world.settle(network.resolve('other'))).toEqual(['fd00::7', '10.9.9.9']);
    world.fabric.setName('ensemble', ['10.0.0.1']);
    expect(await world.settle(network.resolve('ensemble'))).toEqual(['10.0.0.1']);
    world.fabric.setName('ensemble', ['10.0.0.2', '10.0.0.1']);
    expect(await world.settle(network.resolve('ensemble'))).toEqual(['10.0.0.2', '10.0.0.1']);
    const to = { address: 'fd00::7', port: 9 };
    await world.settle(network.listen({ address: 'fd00::7', port: 9 }, () => undefined));
    expect(await world.settle(codeOf(network.connect(to, 1_000)))).toBe('connected');
    const elsewhere = { address: '10.9.9.9', port: 9 };
    expect(await world.settle(codeOf(network.connect(elsewhere, 1_000)))).toBe('ECONNREFUSED');
    const unknown = { address: '10.77.0.1', port: 9 };
    expect(await world.settle(codeOf(network.connect(unknown, 1_000)))).toBe('ETIMEDOUT');
    const foreign = network.listen({ address: '10.0.0.1', port: 9 }, () => undefined);
    expect(await world.settle(codeOf(foreign))).toBe('EADDRNOTAVAIL');
  });
});

describe('buffers', () => {
  it('that a handler keeps are overwritten', async () => {
    const world = new World({ seed: 1 });
    const server = world.addHost('server');
    let kept: Uint8Array = new Uint8Array(0);
    await world.settle(
      server.boot().network.listen({ address: null, port: 5 }, (stream) => {
        stream.start({
          onBytes: (bytes, start, end) => {
            kept = bytes.subarray(start, end);
          },
          onDrained: () => undefined,
          onClosed: () => undefined,
        });
      }),
    );
    const to = { address: server.address, port: 5 };
    const stream = await world.settle(world.addHost('client').boot().network.connect(to, 1_000));
    stream.write(new Uint8Array([1]));
    await world.reach(() => kept.length > 0);
    expect(kept[0]).toBe(0xdb);
  });

  it('that a stream keeps must not change', async () => {
    const { world, near } = await scene({ network: { windowBytes: 100 } });
    const bytes = new Uint8Array(1_000);
    expect(near.write(bytes)).toBe(false);
    bytes[999] = 1;
    await expect(world.run({ virtualMsMax: 1_000 })).rejects.toThrow('was changed');
  });
});
