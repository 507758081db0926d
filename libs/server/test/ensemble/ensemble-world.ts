import { expect } from '@jest/globals';
import type { SocketAddress } from '@aviary/foundation';
import { parseEnsembleConfig, type EnsembleConfig } from '@aviary/protocol';
import {
  EnsembleServer,
  serverOptions,
  type EnsembleOptions,
  type MemberMode,
} from '@aviary/server';
import {
  World,
  killNine,
  type KillOptions,
  type SimulatedHost,
  type SimulatedProcess,
} from '@aviary/simulator';
import { DirectLink } from '../direct-link.js';
import { WireConnection } from '../election/wire-peer.js';
import { RecordedLog } from '../server-world.js';
import { WireClient, type HandshakeOptions } from '../wire-client.js';

export const QUORUM_PORT = 2888;
export const CLIENT_PORT = 2181;
export const DATA_DIRECTORY = '/data';
const TICK_MS = 200;
const REACH_MS = 60_000;

export type GivenOptions = Partial<EnsembleOptions>;

export interface EnsembleWorldOptions {
  readonly seed?: number;
  /** More lines of the configuration: groups and weights. */
  readonly lines?: readonly string[];
  readonly voters?: readonly number[];
  readonly observers?: readonly number[];
  readonly server?: GivenOptions;
}

/** A configuration in which server N is reached under the name `mN`. */
export function configOf(
  voters: readonly number[],
  observers: readonly number[] = [],
  more: readonly string[] = [],
): EnsembleConfig {
  const lines = [...voters, ...observers].map(
    (id) => `server.${id}=m${id}:${QUORUM_PORT}:3888${observers.includes(id) ? ':observer' : ''}`,
  );
  return parseEnsembleConfig([...lines, ...more].join('\n'));
}

/** A member, through all its processes. */
export class TestMember {
  readonly log = new RecordedLog();
  /** The sentences with which its processes gave up. */
  readonly failures: string[] = [];
  /** What they told of their modes, in the order in which they became so. */
  readonly toldModes: MemberMode[] = [];
  /** What the last start was refused with; null: it was not. */
  refusal: Error | null = null;
  private current: { process: SimulatedProcess; server: EnsembleServer } | null = null;

  constructor(
    readonly id: number,
    private machine: SimulatedHost,
    private readonly given: EnsembleOptions,
  ) {}

  get host(): SimulatedHost {
    return this.machine;
  }

  /** The dead member goes on on a machine with an empty disk. */
  moveTo(machine: SimulatedHost): void {
    this.machine = machine;
    this.current = null;
  }

  get server(): EnsembleServer {
    if (this.current === null) throw new Error(`server ${this.id} was not started`);
    return this.current.server;
  }

  get process(): SimulatedProcess {
    if (this.current === null) throw new Error(`server ${this.id} was not started`);
    return this.current.process;
  }

  get isAlive(): boolean {
    return this.current?.process.isAlive === true;
  }

  get isServing(): boolean {
    return this.isAlive && this.server.mode !== 'looking';
  }

  /** The warnings and errors that it has logged. */
  get warnings(): readonly string[] {
    return this.log.lines.filter((line) => !line.startsWith('info '));
  }

  /** Starts a process on what the disk has; the one before must be dead or stopped. */
  boot(given: GivenOptions = {}): void {
    const process = this.host.restart(killNine);
    const { clock, random, network, disk } = process;
    const ports = { clock, random, network, disk, log: this.log };
    const server = new EnsembleServer({ ...this.given, ...given }, ports, (reason) => {
      this.failures.push(reason);
      process.kill(killNine);
    });
    server.onModeChange = (mode) => {
      expect(server.mode).toBe(mode);
      this.toldModes.push(mode);
    };
    this.current = { process, server };
    this.refusal = null;
    process.run(() => {
      server.start().catch((error: unknown) => {
        this.refusal = error as Error;
      });
    });
  }

  kill(options: KillOptions = killNine): void {
    this.process.kill(options);
  }
}

/** Members in a simulated world, and a host from which a test speaks to them. */
export class EnsembleWorld {
  readonly world: World;
  readonly members = new Map<number, TestMember>();
  readonly visitor: SimulatedProcess;
  private nextPort = 50_000;

  constructor({ seed = 1, voters = [1, 2, 3], ...given }: EnsembleWorldOptions = {}) {
    const { lines = [], observers = [], server = {} } = given;
    this.world = new World({ seed });
    const ensemble = configOf(voters, observers, lines);
    for (const serverId of [...voters, ...observers]) {
      const host = this.world.addHost(`m${serverId}`);
      const options: EnsembleOptions = {
        ...serverOptions({
          serverId,
          dataDir: DATA_DIRECTORY,
          clientAddress: null,
          clientPort: CLIENT_PORT,
          tickTimeMs: TICK_MS,
          preAllocBytes: 16 * 1024,
        }),
        ensemble,
        initLimitTicks: 10,
        syncLimitTicks: 5,
        electionPortBindRetry: 3,
        ...server,
      };
      this.members.set(serverId, new TestMember(serverId, host, options));
    }
    this.visitor = this.world.addHost('visitor').boot();
  }

  /** An ensemble whose members all serve. */
  static async start(options: EnsembleWorldOptions = {}): Promise<EnsembleWorld> {
    const world = new EnsembleWorld(options);
    for (const member of world.members.values()) member.boot();
    await world.settle();
    return world;
  }

  member(id: number): TestMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no server ${id}`);
    return member;
  }

  /** The dead member has lost its disk, and all else with it. */
  wipe(member: TestMember): void {
    const name = `m${member.id}`;
    const machine = this.world.addHost(`${name} ${this.nextPort++}`);
    this.world.fabric.setName(name, [machine.address]);
    member.moveTo(machine);
  }

  /** The member that leads; there is one. */
  get leader(): TestMember {
    const leads = ({ isAlive, server }: TestMember) => isAlive && server.mode === 'leader';
    const leader = [...this.members.values()].find((member) => member.isAlive && leads(member));
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  /** A member that runs and does not lead. */
  get follower(): TestMember {
    const runs = [...this.members.values()].filter(({ isAlive }) => isAlive);
    return runs.find(({ server }) => server.mode !== 'leader')!;
  }

  /** Waits until every member that runs serves. */
  async settle(): Promise<void> {
    await this.reach(() => {
      const alive = [...this.members.values()].filter(({ isAlive }) => isAlive);
      return alive.length > 0 && alive.every(({ isServing }) => isServing);
    });
  }

  /** Connects to a port of a member, and sends what is given at once. */
  connect(to: TestMember, port: number, ...bytes: readonly Uint8Array[]): WireConnection {
    const connection = new WireConnection(this.visitor);
    const address: SocketAddress = { address: to.host.address, port };
    this.visitor.run(() => {
      void this.visitor.network.connect(address, 5000).then(
        (stream) => {
          connection.use(stream);
          connection.send(...bytes);
        },
        () => connection.onClosed(),
      );
    });
    return connection;
  }

  /** A client with a session at a member that serves. */
  async session(at: TestMember, options: HandshakeOptions = {}): Promise<WireClient> {
    const client = this.clientOf(at);
    await client.handshake(options);
    return client;
  }

  /** A client that has connected to a member that serves, and has said nothing yet. */
  clientOf(at: TestMember): WireClient {
    const { process, server } = at;
    const link = new DirectLink({ address: '127.0.0.1', port: this.nextPort++ }, (action) =>
      process.run(action),
    );
    const client = new WireClient(this, link);
    const port = server.monitor;
    if (port === null) throw new Error(`server ${at.id} does not serve`);
    port.accept(link.server);
    return client;
  }

  /** Lets time pass until `condition` holds. */
  reach(condition: () => boolean, virtualMsMax = REACH_MS): Promise<void> {
    return this.world.reach(condition, { virtualMsMax });
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.world.run({ virtualMsMax: ms });
  }
}
