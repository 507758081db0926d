import { ZooKeeper, type SessionState, type ZooKeeperOptions } from '../src/index.js';
import { FakeEnsemble } from './fake-ensemble.js';
import { SeededRandom, VirtualClock, VirtualNetwork } from './virtual-world.js';

export { rejection } from '../../../test/rejection.js';

/** A fake ensemble with three servers in a world without real time, and clients in it. */
export class Fixture {
  readonly clock = new VirtualClock();
  readonly network = new VirtualNetwork(this.clock);
  readonly ensemble = new FakeEnsemble(this.network, this.clock);
  readonly clients: ZooKeeper[] = [];

  static async start(): Promise<Fixture> {
    const fixture = new Fixture();
    await fixture.listen();
    return fixture;
  }

  async listen(): Promise<void> {
    for (const port of [1, 2, 3]) await this.ensemble.listen(port);
  }

  client(options: Partial<ZooKeeperOptions> = {}): ZooKeeper {
    const { clock, network } = this;
    const random = new SeededRandom(1);
    const defaults = { servers: '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3', sessionTimeoutMs: 9_000 };
    const zk = new ZooKeeper({ ...defaults, clock, network, random, ...options });
    this.clients.push(zk);
    return zk;
  }

  async connected(options: Partial<ZooKeeperOptions> = {}): Promise<ZooKeeper> {
    const zk = this.client(options);
    await this.settled(zk.connect());
    return zk;
  }

  /** Lets time pass until `promise` settles. */
  async settled<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    const progress = { done: false };
    const settle = promise.finally(() => {
      progress.done = true;
    });
    settle.catch(() => undefined);
    const until = this.clock.nowMs + limitMs;
    await this.clock.settle();
    while (!progress.done && this.clock.nowMs < until) await this.clock.advance(10);
    if (!progress.done) throw new Error(`not settled within ${limitMs} ms of virtual time`);
    return settle;
  }

  /** Closes every client and lets the rest of the world come to an end. */
  async stop(): Promise<void> {
    const closing = this.clients.map((zk) => zk.close({ deadlineMs: 100 }));
    await this.clock.advance(1_000);
    await Promise.all(closing);
    await this.ensemble.stop();
    await this.clock.settle();
  }
}

/** The kinds of state that a client goes through, from when this is called. */
export function statesOf(zk: ZooKeeper): string[] {
  const seen: string[] = [];
  zk.state$.subscribe((state: SessionState) => seen.push(state.kind));
  return seen;
}
