import { ZooKeeper, type ZooKeeperOptions } from '@aviary/client';
import type { Log } from '@aviary/foundation';
import { StandaloneServer, serverOptions, type ClientPort } from '@aviary/server';
import {
  SeededRandom,
  World,
  drawDiskModel,
  drawNetworkModel,
  type NetworkModel,
  type SimulatedHost,
  type SimulatedProcess,
} from '@aviary/simulator';
import { LockClient, type AcquireOptions, type Lease } from '../src/index.js';
import type { LockClientOptions } from '../src/index.js';

export const SESSION_TIMEOUT_MS = 2_000;
const TICK_MS = 200;

/** Links that always take the same time, so that round trips can be counted on a clock. */
export const STEADY: Partial<NetworkModel> = {
  link: { delay: { minMs: 10, maxMs: 10 }, lossProbability: 0, bytesPerSecond: Infinity },
  cutProbability: 0,
  shortReadProbability: 0,
  deferProbability: 0,
};

export interface LockWorldOptions {
  readonly seed?: number;
  /** `swarm`: network and disk drawn from the seed. */
  readonly network?: Partial<NetworkModel> | 'swarm';
  readonly server?: Parameters<typeof serverOptions>[0];
}

/** A process of a service, with its client and its locks. */
export interface Service {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly zk: ZooKeeper;
  readonly locks: LockClient;
  readonly log: string[];
}

/** A server and services that contend for locks, in one simulated world. */
export class LockWorld {
  readonly world: World;
  readonly host: SimulatedHost;
  readonly failures: string[] = [];
  private readonly options: LockWorldOptions;
  private server: StandaloneServer | null = null;

  constructor(options: LockWorldOptions = {}) {
    const { seed = 1, network = {} } = options;
    const swarm = new SeededRandom(seed).fork('swarm');
    this.options = options;
    const model = network === 'swarm' ? drawNetworkModel(swarm) : network;
    this.world = new World({ seed, network: model });
    const disk = network === 'swarm' ? drawDiskModel(swarm) : {};
    this.host = this.world.addHost('server', { disk, directories: ['/data'] });
  }

  static async start(options: LockWorldOptions = {}): Promise<LockWorld> {
    const world = new LockWorld(options);
    world.boot();
    await world.world.reach(() => world.server?.state === 'serving');
    return world;
  }

  /** Starts the server, after killing the one that runs. */
  boot(): void {
    const process = this.host.restart();
    const { clock, random, disk, network } = process;
    const log: Log = { info() {}, warn() {}, error: (message) => this.failures.push(message) };
    const options = serverOptions({
      dataDir: '/data',
      clientAddress: null,
      tickTimeMs: TICK_MS,
      minSessionTimeoutMs: 2 * TICK_MS,
      preAllocBytes: 16_384,
      reaperIntervalMs: 1_000,
      ...this.options.server,
    });
    process.run(() => {
      const server = new StandaloneServer(
        options,
        { clock, random, disk, network, log },
        (reason) => {
          this.failures.push(reason);
        },
      );
      this.server = server;
      server.start().catch((error: unknown) => this.failures.push(String(error)));
    });
  }

  /** The inside of the server. */
  get port(): ClientPort {
    const port = this.server?.monitor;
    if (!port) throw new Error('the server does not serve');
    return port;
  }

  /** Watches that the server keeps. */
  get watchCount(): number {
    return this.port.tree.watches.size;
  }

  /** A service on a host of its own. */
  service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    lockOptions: LockClientOptions = {},
  ): Service {
    const process = this.world.addHost(name).boot();
    return this.serviceOf(name, process, options, lockOptions);
  }

  /** A service on a host of its own, connected. */
  async connected(name: string): Promise<Service> {
    const service = this.service(name);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  /** A service in a process that runs already. */
  serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    lockOptions: LockClientOptions = {},
  ): Service {
    const { network, clock, random } = process;
    const zk = new ZooKeeper({
      servers: 'server:2181',
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      network,
      clock,
      random,
      ...options,
    });
    const lines: string[] = [];
    const note = (message: string) => lines.push(message);
    const log: Log = { info: note, warn: note, error: note };
    const locks = new LockClient(zk, { root: '/locks', identity: name, log, ...lockOptions });
    return { name, process, zk, locks, log: lines };
  }

  /** Runs `action` inside the service's process and lets time pass until it is done. */
  in<T>(service: Service, action: () => Promise<T>, virtualMsMax = 60_000): Promise<T> {
    return this.world.settle(this.begin(service, action), { virtualMsMax });
  }

  /** As {@link in}, without letting time pass. */
  begin<T>(service: Service, action: () => Promise<T>): Promise<T> {
    const done = new Promise<T>((resolve, reject) => {
      service.process.run(() => {
        action().then(resolve, reject);
      });
    });
    // Whoever awaits it later is told all the same.
    done.catch(() => undefined);
    return done;
  }

  acquire(service: Service, path: string, options: AcquireOptions = {}): Promise<Lease> {
    return this.in(service, () => service.locks.acquire(path, options));
  }

  release(service: Service, lease: Lease): Promise<void> {
    return this.in(service, () => lease.release());
  }

  /** The names in a directory, as a client of its own sees them; sorted. */
  async children(path: string): Promise<string[]> {
    const found = await this.look((zk) => zk.children(path));
    return [...found.children].sort();
  }

  /** Asks the server with a client that is gone afterwards. */
  async look<T>(ask: (zk: ZooKeeper) => Promise<T>): Promise<T> {
    const process = this.world.addHost(`onlooker ${this.world.eventsDone}`).boot();
    const { network, clock, random } = process;
    const zk = new ZooKeeper({ servers: 'server:2181', network, clock, random });
    const service = { name: 'onlooker', process, zk, locks: new LockClient(zk), log: [] };
    return this.in(service, async () => {
      try {
        return await ask(zk);
      } finally {
        await zk.close();
      }
    });
  }

  /** Lets virtual time pass. */
  async pass(virtualMs: number): Promise<void> {
    await this.world.run({ virtualMsMax: virtualMs });
  }
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the promise was not rejected');
}
