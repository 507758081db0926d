import type { Log, Network } from '@aviary/foundation';
import { formatEnsembleConfig, parseEnsembleConfig, type EnsembleConfig } from '@aviary/protocol';
import type { KillOptions, SimulatedHost, SimulatedProcess, World } from '@aviary/simulator';
import type { AbandonReason, ServerId, ServerState, Vote } from '@aviary/zab';
import { ElectionPort } from '../../src/election/election-port.js';
import { electionAddressesOf, electionMembership } from '../../src/election/membership.js';
import type { ElectionListener, ElectionPortOptions } from '../../src/election/options.js';

export const ELECTION_PORT = 3888;

/** Lines of a log, with their level in front. */
export class LogLines implements Log {
  readonly lines: string[] = [];

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(message: string): void {
    this.lines.push(`error ${message}`);
  }
}

/** A configuration in which server N is reached under the name `sN`; those of `observers` do not vote. */
export function ensembleOf(
  ids: readonly ServerId[],
  observers: readonly ServerId[] = [],
): EnsembleConfig {
  const lines = [...ids, ...observers].map(
    (id) => `server.${id}=s${id}:2888:3888${observers.includes(id) ? ':observer' : ''}`,
  );
  return parseEnsembleConfig(lines.join('\n'));
}

export interface Decision {
  readonly atMs: number;
  readonly state: Exclude<ServerState, 'looking'>;
  readonly leader: ServerId;
  readonly vote: Vote;
}

export type GivenOptions = Partial<ElectionPortOptions>;

/** A server of the ensemble: its election port, and a stand-in for the loop of its roles. */
export class MemberUnderTest implements ElectionListener {
  readonly log = new LogLines();
  readonly decisions: Decision[] = [];
  readonly abandoned: { leader: ServerId; reason: AbandonReason }[] = [];
  readonly sawLookingOf: ServerId[] = [];
  readonly newerConfigs: string[] = [];
  /** What it has on its disk. */
  lastZxid = 0;
  currentEpoch = 0;
  /** The role as the stand-in sees it; null: none. */
  role: Decision | null = null;
  isSettled = false;
  startFailure: unknown = null;
  hasStarted = false;
  /** Stands between the port and the network of its process. */
  wrapNetwork: (network: Network) => Network = (network) => network;
  private current: { port: ElectionPort; process: SimulatedProcess } | null = null;

  constructor(
    readonly id: ServerId,
    readonly world: World,
    readonly host: SimulatedHost,
    readonly config: EnsembleConfig,
    private readonly given: GivenOptions = {},
  ) {}

  get port(): ElectionPort {
    if (this.current === null) throw new Error(`server ${this.id} was not started`);
    return this.current.port;
  }

  get isAlive(): boolean {
    return this.current?.process.isAlive === true;
  }

  /** Boots a process, and looks for a leader once its port is open. */
  start(given: GivenOptions = {}, looks = true): void {
    const process = this.host.restart();
    const own = this.config.members.get(this.id);
    const options: ElectionPortOptions = {
      me: this.id,
      ownAddresses: own === undefined ? [] : electionAddressesOf(own),
      membership: electionMembership(this.id, this.config),
      configText: () => formatEnsembleConfig(this.config),
      handshakeTimeoutMs: 4000,
      ...this.given,
      ...given,
    };
    const { clock, random } = process;
    const network = this.wrapNetwork(process.network);
    const port = new ElectionPort(options, { clock, random, network, log: this.log }, this);
    this.current = { port, process };
    this.role = null;
    this.isSettled = false;
    this.hasStarted = false;
    process.run(() => void this.open(port, looks));
  }

  private async open(port: ElectionPort, looks: boolean): Promise<void> {
    try {
      await port.start();
    } catch (error) {
      this.startFailure = error;
      return;
    }
    this.hasStarted = true;
    if (looks) this.look();
  }

  kill(options: KillOptions): void {
    this.current?.process.kill(options);
    this.role = null;
  }

  /** Runs something as the loop of the member. */
  run(action: (port: ElectionPort) => void): void {
    const { port } = this;
    this.current?.process.run(() => action(port));
  }

  look(): void {
    this.role = null;
    this.isSettled = false;
    this.port.look(this.lastZxid, this.currentEpoch);
  }

  endRole(): void {
    this.role = null;
    this.run((port) => {
      port.roleEnded();
      this.look();
    });
  }

  settle(epoch: number): void {
    this.isSettled = true;
    this.currentEpoch = epoch;
    this.run((port) => port.settled(epoch));
  }

  decided(state: Exclude<ServerState, 'looking'>, leader: ServerId, vote: Vote): void {
    this.role = { atMs: this.world.virtualMs, state, leader, vote };
    this.decisions.push(this.role);
  }

  abandon(leader: ServerId, reason: AbandonReason): void {
    this.abandoned.push({ leader, reason });
    this.look();
  }

  sawLooking(peer: ServerId): void {
    this.sawLookingOf.push(peer);
  }

  sawNewerConfig(_peer: ServerId, text: string): void {
    this.newerConfigs.push(text);
  }
}
