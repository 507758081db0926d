import { ZooKeeper, type ZooKeeperOptions } from '@aviary/client';
import { writeInt32, type Log } from '@aviary/foundation';
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

export const SESSION_TIMEOUT_MS = 2_000;
/** Of clients that look at what is left: they outlive whatever a drawn network does to them. */
export const LONG_SESSION_MS = 60_000;
const TICK_MS = 200;
/** Where the version stands in a Stat: behind two zxids and two times. */
const VERSION_AT = 32;

/** Links that always take the same time, so that round trips can be counted on a clock. */
export const STEADY: Partial<NetworkModel> = {
  link: { delay: { minMs: 10, maxMs: 10 }, lossProbability: 0, bytesPerSecond: Infinity },
  cutProbability: 0,
  shortReadProbability: 0,
  deferProbability: 0,
};

export interface RecipeWorldOptions {
  readonly seed?: number;
  /** `swarm`: network and disk drawn from the seed. */
  readonly network?: Partial<NetworkModel> | 'swarm';
  readonly server?: Parameters<typeof serverOptions>[0];
}

/** A process of a service, with its client. */
export interface Service {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly zk: ZooKeeper;
  /** Where its parts report; kept in {@link lines}. */
  readonly log: Log;
  readonly lines: string[];
}

/**
 * A server and services that are its clients, in one simulated world on virtual time.
 *
 * The world of a recipe says in {@link equip} what its services have beside their clients.
 */
export class RecipeWorld<Parts extends object = object, Options = unknown> {
  readonly world: World;
  readonly host: SimulatedHost;
  readonly failures: string[] = [];
  private readonly options: RecipeWorldOptions;
  private server: StandaloneServer | null = null;

  constructor(options: RecipeWorldOptions = {}) {
    const { seed = 1, network = {} } = options;
    const swarm = new SeededRandom(seed).fork('swarm');
    this.options = options;
    const model = network === 'swarm' ? drawNetworkModel(swarm) : network;
    this.world = new World({ seed, network: model });
    const disk = network === 'swarm' ? drawDiskModel(swarm) : {};
    this.host = this.world.addHost('server', { disk, directories: ['/data'] });
  }

  static async start<W extends RecipeWorld>(
    this: new (options?: RecipeWorldOptions) => W,
    options: RecipeWorldOptions = {},
  ): Promise<W> {
    const world = new this(options);
    await world.startServing();
    return world;
  }

  /** Starts the server and lets time pass until it serves. */
  async startServing(): Promise<void> {
    this.boot();
    await this.world.reach(() => this.server?.state === 'serving');
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
      maxSessionTimeoutMs: LONG_SESSION_MS,
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

  /** As if the node had been written to so often. */
  forgeVersion(path: string, version: number): void {
    const { tree } = this.port;
    const { nodes } = tree;
    nodes.select(tree.findText(path));
    writeInt32(nodes.bytes, nodes.statAt + VERSION_AT, version);
  }

  /** What a service of this world has beside its client. */
  protected equip(_service: Service, _options?: Options): Parts {
    return {} as Parts;
  }

  /** A service on a host of its own, which connects at its first call. */
  service(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    partsOptions?: Options,
  ): Service & Parts {
    return this.serviceOf(name, this.world.addHost(name).boot(), options, partsOptions);
  }

  /** A service on a host of its own, connected. */
  async connected(
    name: string,
    options: Partial<ZooKeeperOptions> = {},
    partsOptions?: Options,
  ): Promise<Service & Parts> {
    const service = this.service(name, options, partsOptions);
    await this.in(service, () => service.zk.connect());
    return service;
  }

  /** A service in a process that runs already. */
  serviceOf(
    name: string,
    process: SimulatedProcess,
    options: Partial<ZooKeeperOptions> = {},
    partsOptions?: Options,
  ): Service & Parts {
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
    const service: Service = { name, process, zk, log, lines };
    return { ...service, ...this.equip(service, partsOptions) };
  }

  /** Runs `action` inside the service's process and lets time pass until it is done. */
  in<T>(
    service: Pick<Service, 'process'>,
    action: () => Promise<T>,
    virtualMsMax = 60_000,
  ): Promise<T> {
    return this.world.settle(this.begin(service, action), { virtualMsMax });
  }

  /** As {@link in}, without letting time pass. */
  begin<T>(service: Pick<Service, 'process'>, action: () => Promise<T>): Promise<T> {
    const done = new Promise<T>((resolve, reject) => {
      service.process.run(() => {
        action().then(resolve, reject);
      });
    });
    // Whoever awaits it later is told all the same.
    done.catch(() => undefined);
    return done;
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
    const zk = new ZooKeeper({
      servers: 'server:2181',
      sessionTimeoutMs: LONG_SESSION_MS,
      network,
      clock,
      random,
    });
    return this.in({ process }, async () => {
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
