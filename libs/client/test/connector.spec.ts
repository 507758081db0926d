import { describe, expect, it } from '@jest/globals';
import type { ByteStream } from '@aviary/foundation';
import { Connector } from '../src/host/connector.js';
import { SeededRandom, VirtualClock, VirtualNetwork } from './virtual-world.js';

function setUp(
  servers: readonly (readonly [host: string, port: number])[],
  options: { readonly seed?: number; readonly attemptTimeoutMs?: number } = {},
) {
  const clock = new VirtualClock();
  const network = new VirtualNetwork(clock);
  const streams: ByteStream[] = [];
  const failures: string[] = [];
  const ports = { clock, network, random: new SeededRandom(options.seed ?? 1) };
  const connector = new Connector(
    ports,
    servers.map(([host, port]) => ({ host, port })),
    () => options.attemptTimeoutMs ?? 1_000,
    (stream) => streams.push(stream),
    (reason) => failures.push(reason),
  );
  const listen = (address: string, port: number) =>
    network.listen({ address, port }, () => undefined);
  return { clock, network, connector, streams, failures, listen };
}

const three = [
  ['10.0.0.1', 1],
  ['10.0.0.2', 1],
  ['10.0.0.3', 1],
] as const;

describe('the connector', () => {
  it('tries the servers in turns, in an order of its own', async () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const { clock, network, connector } = setUp(three, { seed });
      connector.start();
      await clock.advance(20_000);
      const round = network.attempts.slice(0, 3);
      expect(new Set(round).size).toBe(3);
      expect(network.attempts.slice(3, 6)).toEqual(round);
      orders.add(round.join());
    }
    expect(orders.size).toBe(6);
  });

  it('tries the first server at once, and waits between attempts, longer and longer', async () => {
    const { clock, network, connector } = setUp([['10.0.0.1', 1]], { attemptTimeoutMs: 10_000 });
    const start = clock.nowMs;
    connector.start();
    await clock.settle();
    expect(network.attempts.length).toBe(1);
    const at: number[] = [];
    for (let last = 1; clock.nowMs < start + 60_000; await clock.advance(10)) {
      if (network.attempts.length > last) at.push(clock.nowMs - start);
      last = network.attempts.length;
    }
    const gaps = at.map((time, index) => time - (at[index - 1] ?? 0));
    expect(gaps[0]).toBeLessThanOrEqual(210);
    expect(gaps[1]).toBeLessThanOrEqual(420);
    expect(Math.max(...gaps)).toBeGreaterThan(1_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5_020);
    // Random, so that clients do not march in step.
    expect(new Set(gaps).size).toBeGreaterThan(5);
  });

  it('waits no longer than an attempt may take, so that a short session can be saved', async () => {
    const { clock, network, connector } = setUp([['10.0.0.1', 1]], { attemptTimeoutMs: 100 });
    connector.start();
    await clock.advance(10_000);
    expect(network.attempts.length).toBeGreaterThan(90);
  });

  it('looks a name up at every attempt and tries all of its addresses', async () => {
    const { clock, network, connector, streams, failures, listen } = setUp([['zk', 1]]);
    connector.start();
    await clock.advance(50);
    expect(network.attempts).toEqual([]);
    expect(failures[0]).toBe('cannot resolve host name "zk"');
    network.names.set('zk', ['10.0.0.1', '10.0.0.2', '::1']);
    await listen('::1', 1);
    while (streams.length === 0) await clock.advance(10);
    expect(network.attempts.at(-1)).toBe('[::1]:1');
    expect(streams[0]?.remote).toEqual({ address: '::1', port: 1 });
    // The pods were replaced.
    network.names.set('zk', ['10.0.9.9']);
    await listen('10.0.9.9', 1);
    connector.start();
    while (streams.length < 2) await clock.advance(10);
    expect(network.attempts.at(-1)).toBe('10.0.9.9:1');
  });

  it('does not let a deaf server hold it up for longer than an attempt', async () => {
    const { clock, network, connector, streams, listen } = setUp(three, { attemptTimeoutMs: 500 });
    for (const [address] of three) network.deaf.add(`${address}:1`);
    network.deaf.delete('10.0.0.2:1');
    await listen('10.0.0.2', 1);
    connector.start();
    await clock.advance(2_500);
    expect(streams.length).toBe(1);
  });

  it('drops what comes after it was stopped', async () => {
    const { clock, network, connector, streams, listen } = setUp([['10.0.0.1', 1]]);
    await listen('10.0.0.1', 1);
    connector.start();
    await clock.turnOnce();
    expect(network.attempts.length).toBe(1);
    connector.stop();
    await clock.settle();
    expect(streams).toEqual([]);
    expect(network.open.size).toBe(1);
    expect(network.openCount).toBe(0);
    connector.start();
    connector.stop();
    await clock.advance(10_000);
    expect(streams).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  it('begins its back-off anew only after a connection that lived', async () => {
    const { clock, network, connector, streams, listen } = setUp([['10.0.0.1', 1]], {
      attemptTimeoutMs: 10_000,
    });
    await listen('10.0.0.1', 1);
    // A server that accepts and then closes: no reason to come back faster and faster.
    const until = clock.nowMs + 30_000;
    connector.start();
    while (clock.nowMs < until) {
      const before = streams.length;
      await clock.advance(10);
      if (streams.length === before) continue;
      connector.established();
      connector.start();
    }
    expect(network.attempts.length).toBeLessThan(30);
    connector.established();
    await clock.advance(1_000);
    const attempts = network.attempts.length;
    connector.start();
    await clock.advance(201);
    expect(network.attempts.length).toBe(attempts + 1);
  });
});
