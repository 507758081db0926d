import type { Clock, Log } from '@aviary/foundation';
import {
  StandaloneServer,
  serverOptions,
  type ClientPort,
  type ServerOptions,
} from '@aviary/server';
import {
  World,
  type DiskModel,
  type KillOptions,
  type NetworkModel,
  type SimulatedHost,
  type SimulatedProcess,
} from '@aviary/simulator';
import { DirectLink } from './direct-link.js';
import { WireClient, type HandshakeOptions } from './wire-client.js';

/** Where every server of these tests keeps its data. */
export const DATA_DIRECTORY = '/data';
export const VERSION_DIRECTORY = '/data/version-2';

/** A log that a test can look into. */
export class RecordedLog implements Log {
  readonly lines: string[] = [];
  /** What was said along with warnings. */
  readonly facts: Readonly<Record<string, unknown>>[] = [];

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push(`warn ${message}`);
    this.facts.push(facts);
  }

  error(message: string): void {
    this.lines.push(`error ${message}`);
  }
}

export interface ServerWorldOptions {
  readonly seed?: number;
  readonly server?: Parameters<typeof serverOptions>[0];
  readonly network?: Partial<NetworkModel>;
  readonly disk?: Partial<DiskModel>;
  /** What the server gets in place of the clock of its host. */
  readonly clock?: (clock: Clock) => Clock;
  readonly environment?: readonly (readonly [string, string])[];
}

/** A server in a simulated world, with virtual time and a simulated disk, and clients beside it. */
export class ServerWorld {
  readonly log = new RecordedLog();
  /** The sentences with which the server gave up. */
  readonly failures: string[] = [];
  readonly world: World;
  readonly host: SimulatedHost;
  private readonly options: ServerWorldOptions;
  private current: { process: SimulatedProcess; server: StandaloneServer } | null = null;
  private nextPort = 50_000;

  /** A world whose server has not started. */
  constructor(options: ServerWorldOptions = {}) {
    const { seed = 1, network = {}, disk = {} } = options;
    this.options = options;
    this.world = new World({ seed, network });
    this.host = this.world.addHost('server', { disk, wallOffsetMs: 0, driftPpm: 0 });
  }

  /** A world whose server serves. */
  static async start(options: ServerWorldOptions = {}): Promise<ServerWorld> {
    const world = new ServerWorld(options);
    await world.boot();
    return world;
  }

  get server(): StandaloneServer {
    if (this.current === null) throw new Error('the server was not started');
    return this.current.server;
  }

  get process(): SimulatedProcess {
    if (this.current === null) throw new Error('the server was not started');
    return this.current.process;
  }

  /** The inside of a server that serves. */
  get port(): ClientPort {
    const port = this.server.monitor;
    if (port === null) throw new Error('the server does not serve');
    return port;
  }

  get zxid(): number {
    return this.port.tree.lastZxid;
  }

  /** Starts a server on the data that is there; the one before must be dead or stopped. */
  async boot(server: ServerWorldOptions['server'] = {}): Promise<void> {
    await this.world.settle(this.begin(server));
  }

  /** As {@link boot}, without waiting. */
  begin(given: ServerWorldOptions['server'] = {}): Promise<void> {
    return this.startIn(this.host.restart(), given);
  }

  /** As {@link begin}, in a process that may already do something else. */
  startIn(process: SimulatedProcess, given: ServerWorldOptions['server'] = {}): Promise<void> {
    const { clock, random, disk, network } = process;
    const options: ServerOptions = serverOptions({
      dataDir: DATA_DIRECTORY,
      clientPort: 0,
      clientAddress: null,
      preAllocBytes: 64 * 1024,
      ...this.options.server,
      ...given,
    });
    const ports = {
      clock: this.options.clock?.(clock) ?? clock,
      random,
      disk,
      network,
      log: this.log,
      ...(this.options.environment === undefined ? {} : { environment: this.options.environment }),
    };
    const server = new StandaloneServer(options, ports, (reason) => this.failures.push(reason));
    this.current = { process, server };
    return server.start();
  }

  /** Puts files into the data directory, durably, before the first start. */
  async install(files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const { disk } = this.host.restart();
    const write = async () => {
      await disk.makeDirectory(VERSION_DIRECTORY);
      for (const [name, bytes] of Object.entries(files)) {
        const file = await disk.open(`${VERSION_DIRECTORY}/${name}`, 'create');
        await file.write(bytes, 0);
        await file.sync();
        await file.close();
      }
      await disk.syncDirectory(VERSION_DIRECTORY);
      await disk.syncDirectory(DATA_DIRECTORY);
    };
    await this.world.settle(write());
  }

  /** Ends the process and starts another on the same disk. */
  async restart(kill: KillOptions, server: ServerWorldOptions['server'] = {}): Promise<void> {
    this.process.kill(kill);
    await this.boot(server);
  }

  async stop(): Promise<void> {
    await this.world.settle(this.server.stop());
  }

  /** A connection that has said nothing. */
  connect(address = '127.0.0.1'): WireClient {
    const { process } = this;
    const link = new DirectLink({ address, port: this.nextPort++ }, (action) =>
      process.run(action),
    );
    const client = new WireClient(this, link);
    this.port.accept(link.server);
    return client;
  }

  /** A client with a session. */
  async session(options: HandshakeOptions = {}): Promise<WireClient> {
    const client = this.connect();
    await client.handshake(options);
    return client;
  }

  /** As many clients with sessions as are asked for. */
  async sessions(count: number): Promise<WireClient[]> {
    const clients: WireClient[] = [];
    while (clients.length < count) clients.push(await this.session());
    return clients;
  }

  /** The next commit of the log, or every one from now on, takes `ms`. */
  slowCommits(ms: number, which: 'next' | 'all' = 'next'): void {
    const on = ({ kind }: { readonly kind: string }) => kind === 'commit';
    this.host.drive.plan({ on, nth: which === 'all' ? 'all' : 1, action: { kind: 'delay', ms } });
  }

  /** Lets time pass until `condition` holds. */
  reach(condition: () => boolean): Promise<void> {
    return this.world.reach(condition, { virtualMsMax: 120_000 });
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.world.run({ virtualMsMax: ms });
  }
}
