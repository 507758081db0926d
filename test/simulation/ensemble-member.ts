import type { Log, Zxid } from '@aviary/foundation';
import { parseEnsembleConfig, type EnsembleConfig } from '@aviary/protocol';
import { EnsembleServer, serverOptions, type EnsembleOptions } from '@aviary/server';
import {
  killNine,
  type KillOptions,
  type SimulatedHost,
  type SimulatedProcess,
  type World,
} from '@aviary/simulator';

export const TICK_MS = 200;
const INIT_LIMIT_TICKS = 15;
const SYNC_LIMIT_TICKS = 5;
const DATA_DIR = '/data';

/** A mistake to plant into a member: gets the member before it starts, or the ports it will have. */
export type Sabotage = (server: EnsembleServer, process: SimulatedProcess) => void;

/** What the members of one ensemble have in common. */
export interface MemberSurroundings {
  readonly world: World;
  readonly config: EnsembleConfig;
  readonly options: Partial<EnsembleOptions>;
  readonly sabotage: Sabotage | null;
  /** Hears everything that a member logs, and what happens to it. */
  readonly tell: (who: string, what: string) => void;
  /** Something that must not happen. */
  readonly problem: (what: string) => void;
  /** A member has begun to serve clients. */
  readonly serving: (member: SimulatedMember, epoch: number) => void;
}

/** The configuration of an ensemble whose server N is reached under the name `mN`. */
export function configOf(voters: number, observers: number): EnsembleConfig {
  const lines: string[] = [];
  for (let id = 1; id <= voters + observers; id++) {
    lines.push(`server.${id}=m${id}:2888:3888${id > voters ? ':observer' : ''}`);
  }
  return parseEnsembleConfig(lines.join('\n'));
}

/** A member of the ensemble, through all its processes and, where its disk is lost, machines. */
export class SimulatedMember {
  server: EnsembleServer | null = null;
  /** The epoch that the present process serves in; 0: it does not. */
  epoch = 0;
  starts = 0;
  private process: SimulatedProcess | null = null;

  constructor(
    readonly id: number,
    host: SimulatedHost,
    private readonly around: MemberSurroundings,
  ) {
    this.machine = host;
    around.world.fabric.setName(this.name, [host.address]);
  }

  private machine: SimulatedHost;

  get name(): string {
    return `m${this.id}`;
  }

  get host(): SimulatedHost {
    return this.machine;
  }

  /** Which of its processes it is now. */
  get incarnation(): string {
    return `${this.name}#${this.starts}`;
  }

  get isAlive(): boolean {
    return this.process?.isAlive === true;
  }

  get isPaused(): boolean {
    return this.process?.isPaused === true;
  }

  /** Whether clients are served. */
  get isServing(): boolean {
    return this.isAlive && this.server !== null && this.server.mode !== 'looking';
  }

  get isLeading(): boolean {
    return this.isAlive && this.server?.mode === 'leader';
  }

  /** The last transaction in its log, as far as its process knows; 0: there is none. */
  get lastLogged(): Zxid {
    const isOpen = this.isAlive && this.server?.lifecycle === 'serving';
    return isOpen ? this.server!.state.lastLogged : 0;
  }

  /** Starts a process on what the disk has. The one before must be dead. */
  boot(): void {
    if (this.isAlive) return;
    const { around } = this;
    const process = this.machine.boot();
    this.process = process;
    this.starts++;
    this.epoch = 0;
    this.server = null;
    around.tell(this.incarnation, 'starts');
    process.run(() => {
      const server = this.makeServer(process);
      this.server = server;
      around.sabotage?.(server, process);
      server.start().catch((error: unknown) => {
        around.problem(`${this.name} does not start: ${String(error)}`);
        process.kill(killNine);
      });
    });
  }

  private makeServer(process: SimulatedProcess): EnsembleServer {
    const { around } = this;
    const { clock, random, network, disk } = process;
    const options: EnsembleOptions = {
      ...serverOptions({
        serverId: this.id,
        dataDir: DATA_DIR,
        dataLogDir: DATA_DIR,
        clientAddress: null,
        tickTimeMs: TICK_MS,
        preAllocBytes: 16 * 1024,
      }),
      ensemble: around.config,
      initLimitTicks: INIT_LIMIT_TICKS,
      syncLimitTicks: SYNC_LIMIT_TICKS,
      electionPortBindRetry: 3,
      ...around.options,
    };
    const ports = { clock, random, network, disk, log: this.logOf(process) };
    const server = new EnsembleServer(options, ports, (reason) => {
      around.problem(`${this.name} gives up: ${reason}`);
      process.kill(killNine);
    });
    const serve = server.serve.bind(server);
    server.serve = (port, epoch) => {
      serve(port, epoch);
      this.epoch = epoch;
      around.serving(this, epoch);
    };
    return server;
  }

  private logOf(process: SimulatedProcess): Log {
    const name = this.incarnation;
    const say = (level: string) => (message: string) => {
      if (process.isAlive) this.around.tell(name, `${level}${message}`);
    };
    const error = say('ERROR ');
    return {
      info: say(''),
      warn: say('WARN '),
      error: (message) => {
        error(message);
        this.around.problem(`${name} reports an error: ${message}`);
      },
    };
  }

  kill(options: KillOptions): void {
    if (!this.isAlive) return;
    this.around.tell(this.incarnation, `is killed ${JSON.stringify(options)}`);
    this.process?.kill(options);
  }

  pause(): void {
    if (!this.isAlive || this.isPaused) return;
    this.around.tell(this.incarnation, 'is paused');
    this.process?.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.around.tell(this.incarnation, 'goes on');
    this.process?.resume();
  }

  /** The dead member comes back on another machine, with an empty disk. */
  replaceMachine(host: SimulatedHost): void {
    this.machine = host;
    this.around.world.fabric.setName(this.name, [host.address]);
    this.around.tell(this.name, 'has lost its disk');
  }
}
