import { setTimeout as sleep } from 'node:timers/promises';
import { ZooKeeper, type ZooKeeperOptions } from '@aviary/client';
import { writeInt32, type Log } from '@aviary/foundation';
import type { ClientPort } from '@aviary/server';
import {
  SeededRandom,
  World,
  drawNetworkModel,
  type NetworkModel,
  type SimulatedHost,
  type SimulatedProcess,
} from '@aviary/simulator';
import {
  EnsembleServers,
  LONG_SESSION_MS,
  LoneServer,
  type RecipeServers,
  type ServerSettings,
} from './recipe-servers.js';

export { LONG_SESSION_MS };

export const SESSION_TIMEOUT_MS = 2_000;

/** Virtual time that passes in a millisecond of this machine, where both matter. */
const STEP_MS = 10;
const LONGEST_DELAY = { probability: 0.02, maxMs: 100 };
const RETRANSMIT_MS_MAX = 3_000;

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
  readonly server?: ServerSettings;
  /** Three members serve. Default: one server does. */
  readonly isEnsemble?: boolean;
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
 * Servers and services that are their clients, in one simulated world on virtual time.
 *
 * The world of a recipe says in {@link equip} what its services have beside their clients.
 */
export class RecipeWorld<Parts extends object = object, Options = unknown> {
  readonly world: World;
  readonly servers: RecipeServers;
  readonly failures: string[] = [];

  constructor(options: RecipeWorldOptions = {}) {
    const { seed = 1, network = {}, server: settings, isEnsemble = false } = options;
    const swarm = new SeededRandom(seed).fork('swarm');
    const isDrawn = network === 'swarm';
    const drawn = isDrawn ? drawNetworkModel(swarm) : network;
    const model = isEnsemble ? withoutLongDelays(drawn) : drawn;
    this.world = new World({ seed, network: model });
    const Servers = isEnsemble ? EnsembleServers : LoneServer;
    const failure = (what: string) => this.failures.push(what);
    const { world } = this;
    this.servers = new Servers({ world, swarm, hasDrawnDisk: isDrawn, settings, failure });
  }

  static async start<W extends RecipeWorld>(
    this: new (options?: RecipeWorldOptions) => W,
    options: RecipeWorldOptions = {},
  ): Promise<W> {
    const world = new this(options);
    await world.startServing();
    return world;
  }

  /**
   * A world whose network and disks are drawn from the seed; an even one has the members of an ensemble,
   * an odd one a server that stands alone. `RECIPE_MEMBERS` (1 or 3) says for all seeds what they have.
   */
  static async drawn<W extends RecipeWorld>(
    this: new (options?: RecipeWorldOptions) => W,
    seed: number,
  ): Promise<W> {
    const { RECIPE_MEMBERS: members } = process.env;
    const isEnsemble = members === undefined ? seed % 2 === 0 : Number(members) > 1;
    const world = new this({ seed, network: 'swarm', isEnsemble });
    await world.startServing();
    return world;
  }

  /** Starts the servers and lets time pass until they serve. */
  async startServing(): Promise<void> {
    this.servers.start();
    await this.world.reach(() => this.servers.isWhole);
  }

  /** A server dies, and comes back. */
  boot(): void {
    this.servers.crash();
  }

  /** The host of the one server. */
  get host(): SimulatedHost {
    if (this.servers instanceof LoneServer) return this.servers.host;
    throw new Error('the servers of an ensemble have a host each');
  }

  /** The inside of the server; of those of an ensemble the one that shows the newest. */
  get port(): ClientPort {
    const [port] = this.servers.ports;
    if (!port) throw new Error('the server does not serve');
    return port;
  }

  /** Nothing gets through between a service and the servers, in one direction or both. */
  cutOff(name: string, way: 'in' | 'out' | 'both' = 'both'): void {
    for (const host of this.servers.hosts) {
      if (way !== 'out') this.world.cutOneWay(host, name);
      if (way !== 'in') this.world.cutOneWay(name, host);
    }
  }

  /** The connections of a service break. */
  resetConnections(name: string): void {
    for (const host of this.servers.hosts) this.world.fabric.resetBetween(name, host);
  }

  /** All is well from now on, after the worst cut of the servers' power. */
  relieve(): void {
    this.world.heal();
    this.servers.relieve();
  }

  /** Watches that the servers keep. */
  get watchCount(): number {
    return this.servers.ports.reduce((sum, { tree }) => sum + tree.watches.size, 0);
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

  /** As {@link in}, for what waits for real sockets, too: virtual time leaves them theirs. */
  async inStep<T>(service: Pick<Service, 'process'>, action: () => Promise<T>): Promise<T> {
    const done = this.begin(service, action);
    const progress = { isOver: false };
    const over = () => (progress.isOver = true);
    done.then(over, over);
    while (!progress.isOver) {
      await this.pass(STEP_MS);
      await sleep(1);
    }
    return done;
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

  /** Asks the servers for the newest, with a client that is gone afterwards. */
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
        if (this.servers.hosts.length > 1) await zk.sync('/');
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

/** A network whose delays leaders outlast: else they would be deposed all the time. */
function withoutLongDelays(model: Partial<NetworkModel>): Partial<NetworkModel> {
  const { link } = model;
  if (link?.delay.tail === undefined) return { ...model, retransmitMaxMs: RETRANSMIT_MS_MAX };
  const delay = { ...link.delay, tail: LONGEST_DELAY };
  return { ...model, link: { ...link, delay }, retransmitMaxMs: RETRANSMIT_MS_MAX };
}
