import { describe, expect, it } from '@jest/globals';
import { killNine, powerCut, World, type SimulatedHost } from '@aviary/simulator';
import { EchoClient, startEchoServer } from './echo.js';

interface Echoing {
  readonly world: World;
  readonly server: SimulatedHost;
  readonly client: EchoClient;
}

/** A server and a client that talk. */
async function echoing(seed: number): Promise<Echoing> {
  const world = new World({ seed });
  const server = world.addHost('server');
  startEchoServer(server.boot());
  await world.run({ virtualMsMax: 50 });
  const client = new EchoClient(world.addHost('client').boot(), server.address);
  client.start(10);
  await world.reach(() => client.received > 100);
  return { world, server, client };
}

describe('a paused process', () => {
  it('gets its timers late, while monotonic time went on', async () => {
    const world = new World({ seed: 1 });
    const process = world.addHost('one', { driftPpm: 0 }).boot();
    const start = process.clock.monotonicMs();
    const firedAt: number[] = [];
    for (const ms of [10, 20, 500]) {
      process.clock.setTimer(ms, () => firedAt.push(process.clock.monotonicMs() - start));
    }
    world.after(5, () => process.pause());
    world.after(300, () => process.resume());
    await world.run();
    expect(firedAt).toHaveLength(3);
    expect(firedAt[0]).toBeCloseTo(300, 0);
    expect(firedAt[1]).toBeCloseTo(300, 0);
    expect(firedAt[2]).toBeCloseTo(500, 0);
  });

  it('never runs a timer that was cancelled after the pause', async () => {
    const world = new World({ seed: 1 });
    const process = world.addHost('one').boot();
    let isFired = false;
    const late = process.clock.setTimer(10, () => {
      isFired = true;
    });
    process.clock.setTimer(9, () => late.cancel());
    world.after(5, () => process.pause());
    world.after(50, () => process.resume());
    await world.run();
    expect(isFired).toBe(false);
  });

  it('never runs a timer that was cancelled during the pause', async () => {
    const world = new World({ seed: 1 });
    const process = world.addHost('one').boot();
    let isFired = false;
    const late = process.clock.setTimer(10, () => {
      isFired = true;
    });
    world.after(5, () => process.pause());
    world.after(20, () => late.cancel());
    world.after(50, () => process.resume());
    await world.run();
    expect(isFired).toBe(false);
  });

  it('gets input and timers in an order that is drawn', async () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World({ seed });
      const server = world.addHost('server');
      const client = world.addHost('client').boot();
      const order: string[] = [];
      const process = server.boot();
      await world.settle(
        process.network.listen({ address: null, port: 1 }, (stream) => {
          const onBytes = () => order.push('input');
          stream.start({ onBytes, onDrained: () => undefined, onClosed: () => undefined });
        }),
      );
      const stream = await world.settle(
        client.network.connect({ address: server.address, port: 1 }, 1_000),
      );
      await world.run({ virtualMsMax: 50 });
      process.clock.setTimer(100, () => order.push('timer'));
      process.pause();
      stream.write(new Uint8Array(1));
      world.after(500, () => process.resume());
      await world.run({ virtualMsMax: 1_000 });
      expect(order).toHaveLength(2);
      orders.add(order.join());
    }
    expect([...orders].sort()).toEqual(['input,timer', 'timer,input']);
  });

  it('has a kernel that goes on: connections are made, bytes are taken until buffers are full', async () => {
    const world = new World({ seed: 1, network: { windowBytes: 1_000 } });
    const server = world.addHost('server');
    const process = server.boot();
    let accepted = 0;
    await world.settle(
      process.network.listen({ address: null, port: 1 }, () => {
        accepted++;
      }),
    );
    process.pause();
    const client = world.addHost('client').boot();
    const stream = await world.settle(
      client.network.connect({ address: server.address, port: 1 }, 1_000),
    );
    for (let round = 0; round < 15; round++) stream.write(new Uint8Array(100));
    await world.run({ virtualMsMax: 100 });
    expect(accepted).toBe(0);
    expect(stream.queuedBytes).toBe(500);
    process.resume();
    await world.run({ virtualMsMax: 100 });
    expect(accepted).toBe(1);
  });

  it('refuses connections beyond the backlog by silence', async () => {
    const world = new World({ seed: 1 });
    const server = world.addHost('server');
    const process = server.boot();
    const listening = process.network.listen(
      { address: null, port: 1, backlog: 2 },
      () => undefined,
    );
    await world.settle(listening);
    process.pause();
    const client = world.addHost('client').boot();
    const outcomes: string[] = [];
    for (let round = 0; round < 4; round++) {
      const to = { address: server.address, port: 1 };
      client.network.connect(to, 3_000).then(
        () => outcomes.push('connected'),
        (error: unknown) => outcomes.push((error as { code: string }).code),
      );
      await world.run({ virtualMsMax: 100 });
    }
    await world.run({ virtualMsMax: 5_000 });
    expect(outcomes).toEqual(['connected', 'connected', 'ETIMEDOUT', 'ETIMEDOUT']);
  });
});

describe('a killed process', () => {
  it('has no future: no timer, no completion, no delivery, and its calls do nothing', async () => {
    const world = new World({ seed: 1 });
    const host = world.addHost('one');
    const process = host.boot();
    const file = await world.settle(process.disk.open('/data/f', 'create'));
    const calls: string[] = [];
    process.clock.setTimer(10, () => calls.push('timer'));
    process.clock.atEndOfTurn(() => calls.push('end of turn'));
    process.run(() => calls.push('run'));
    void file.sync().then(() => calls.push('sync'));
    file.commit(new Uint8Array(10), 0, () => calls.push('commit'));
    void process.network.resolve('one').then(() => calls.push('resolve'));
    process.kill();
    process.clock.setTimer(20, () => calls.push('timer after death'));
    void process.disk.open('/data/g', 'create').then(() => calls.push('open after death'));
    const listening = process.network.listen({ address: null, port: 1 }, () => undefined);
    void listening.then(() => calls.push('listen after death'));
    await world.run({ virtualMsMax: 10_000 });
    expect(calls).toEqual([]);
    expect(host.drive.paths()).not.toContain('/data/g');
  });

  it('resets its connections when the machine goes on', async () => {
    const { world, server, client } = await echoing(1);
    server.process?.kill(killNine);
    await world.reach(() => client.closes === 1, { virtualMsMax: 100 });
    // Nothing listens there, and the machine says so at once.
    await world.run({ virtualMsMax: 5_000 });
    expect(client.connections).toBe(1);
    startEchoServer(server.boot());
    await world.reach(() => client.connections > 1);
  });

  it('is noticed by nobody when the machine lost its power, until it is back', async () => {
    const { world, server, client } = await echoing(2);
    server.process?.kill(powerCut);
    await world.run({ virtualMsMax: 20_000 });
    expect(client.connections).toBe(1);
    expect(client.lastReason).toBeNull();
    startEchoServer(server.boot());
    await world.reach(() => client.lastReason !== null, { virtualMsMax: 60_000 });
    expect((client.lastReason as { code?: string } | null)?.code).toBe('ECONNRESET');
    await world.reach(() => client.connections > 1);
  });

  it('is followed by a process with the same host and other chances', () => {
    const world = new World({ seed: 1 });
    const host = world.addHost('one');
    const first = host.boot();
    expect(() => host.boot()).toThrow('already runs');
    const drawn = first.random.uint32();
    const second = host.restart();
    expect(first.isAlive).toBe(false);
    expect(host.process).toBe(second);
    expect(second.random.uint32()).not.toBe(drawn);
  });
});
