import {
  assertNever,
  randomBelow,
  type Clock,
  type Log,
  type Network,
  type Random,
  type Timer,
  type Zxid,
} from '@aviary/foundation';
import type { NotificationMessage } from '@aviary/protocol';
import {
  Election,
  type ElectionInput,
  type ElectionOutput,
  type LinkFailure,
  type ServerId,
  type ServerState,
} from '@aviary/zab';
import { Acceptor } from './acceptor.js';
import { Connections, type ConnectionsOwner } from './connections.js';
import type { ElectionMembership } from './membership.js';
import {
  ConfigVersions,
  ROUND_MAX,
  decodeNotification,
  encodeNotification,
} from './notifications.js';
import {
  ELECTION_LIMITS_DEFAULT,
  type ElectionListener,
  type ElectionPortOptions,
} from './options.js';
import { ThrottledLog } from './throttled-log.js';

const CONNECT_TIMEOUT_MS_DEFAULT = 5000;
const BIND_RETRY_DEFAULT = 3;
const OBSERVER_DELAY_MS_DEFAULT = 200;

/** The part of the world that an election port lives in. */
export interface ElectionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly log: Log;
}

/** What has happened, and the configuration text of the message that brought it. */
interface Happening {
  readonly input: ElectionInput;
  readonly configText: string | null;
}

/**
 * A server's place in the elections of its ensemble: the host of an {@link Election}, with the election
 * port, a connection to each peer and the timer.
 *
 * It goes on in all roles, for it answers those who look for a leader. Whatever arrives at the port
 * ends a connection at most, and is logged at a limited rate.
 *
 * @example
 * const port = new ElectionPort(options, ports, memberLoop);
 * await port.start();
 * port.look(lastZxid, currentEpoch); // ... decided, settled, roleEnded, look, ...
 */
export class ElectionPort {
  private readonly election: Election;
  private readonly connections: Connections;
  private readonly acceptor: Acceptor;
  private readonly configVersions = new ConfigVersions();
  private readonly throttledLog: ThrottledLog;
  private membership: ElectionMembership;
  private happenings: Happening[] = [];
  private isStepping = false;
  private timer: Timer | null = null;
  private lookTimer: Timer | null = null;
  private hasHadRole = false;
  private isClosed = false;

  constructor(
    private readonly options: ElectionPortOptions,
    private readonly ports: ElectionPorts,
    private readonly listener: ElectionListener,
  ) {
    const { clock, log, network } = ports;
    const { me, ownAddresses, membership, handshakeTimeoutMs } = options;
    this.membership = membership;
    this.throttledLog = new ThrottledLog(log, clock);
    this.election = new Election({ ...options.election, me, config: membership.config });
    const owner: ConnectionsOwner = {
      onLinkUp: (peer, rttMs) => this.step({ kind: 'linkUp', peer, rttMs }),
      onLinkDown: (peer, failure) => this.onLinkDown(peer, failure),
      onNotification: (peer, message) => this.onNotification(peer, message),
    };
    this.connections = new Connections(
      {
        me,
        ownAddresses,
        isMultiAddress: options.isMultiAddress ?? false,
        connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
        handshakeTimeoutMs,
        limits: { ...ELECTION_LIMITS_DEFAULT, ...options.limits },
      },
      membership.addresses,
      network,
      clock,
      this.throttledLog,
      owner,
    );
    this.acceptor = new Acceptor(network, clock, this.throttledLog, (stream) =>
      this.connections.accept(stream),
    );
  }

  get state(): ServerState {
    return this.election.state;
  }

  /** How often a leader was looked for, by our count or that of others. */
  get round(): number {
    return this.election.round;
  }

  /** The peers with an election connection, ascending. */
  get connected(): readonly ServerId[] {
    return this.connections.connected;
  }

  /**
   * Listens on our election addresses. Resolves once it does, or was closed.
   *
   * @throws {ElectionPortError} It cannot; the port is closed then.
   */
  async start(): Promise<void> {
    const { ownAddresses, listensOnAllInterfaces = false, bindRetry } = this.options;
    try {
      await this.acceptor.open({
        addresses: ownAddresses,
        listensOnAllInterfaces,
        bindRetry: bindRetry ?? BIND_RETRY_DEFAULT,
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Leaves: everything is closed at once, and the listener hears nothing more. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    this.lookTimer?.cancel();
    this.connections.close();
    await this.acceptor.close();
  }

  /**
   * Looks for a leader. An observer that has had one lets a random time pass first, so that not all
   * of them ask at once (Observer.waitForObserverElectionDelay).
   *
   * @param lastZxid The end of our log.
   * @param currentEpoch What the file of that name says.
   */
  look(lastZxid: Zxid, currentEpoch: number): void {
    if (this.isClosed) return;
    const { observerDelayMs = OBSERVER_DELAY_MS_DEFAULT } = this.options;
    const waits = this.hasHadRole && this.membership.config.observer && observerDelayMs > 0;
    const delayMs = waits ? randomBelow(this.ports.random, observerDelayMs) : 0;
    this.hasHadRole = false;
    this.lookTimer?.cancel();
    const begin = (): void => {
      this.connections.changeTopic();
      this.step({ kind: 'look', lastZxid, currentEpoch });
    };
    if (delayMs === 0) begin();
    else this.lookTimer = this.ports.clock.setTimer(delayMs, begin);
  }

  /**
   * Leader and learners have found each other: a leader has connections from a quorum, a learner an
   * answer from its leader (LEADERINFO). `abandon` does not come after this.
   */
  confirmed(): void {
    this.step({ kind: 'confirmed' });
  }

  /**
   * A leader has a quorum in sync with it, a learner is in sync with its leader. Others now hear of
   * `epoch` (QuorumPeer.updateElectionVote).
   */
  settled(epoch: number): void {
    this.connections.changeTopic();
    this.step({ kind: 'settled', epoch });
  }

  /** The role is over. Until `look`, those who look for a leader get no answer, and are then heard. */
  roleEnded(): void {
    this.connections.changeTopic();
    this.step({ kind: 'roleEnded' });
  }

  /** A reconfiguration names the leader, and no election is held. */
  appointed(leader: ServerId, zxid: Zxid): void {
    this.hasHadRole = true;
    this.connections.changeTopic();
    this.step({ kind: 'appointed', leader, zxid });
  }

  /**
   * The ensemble has another configuration. Who is looking begins anew. Our own addresses stay: a
   * server that moves closes this port and opens another.
   */
  configured(membership: ElectionMembership): void {
    this.membership = membership;
    this.connections.configure(membership.addresses);
    this.connections.changeTopic();
    this.step({ kind: 'configured', config: membership.config });
  }

  private onLinkDown(peer: ServerId, failure: LinkFailure): void {
    this.step({ kind: 'linkDown', peer, failure });
  }

  private onNotification(from: ServerId, message: NotificationMessage): void {
    if (message.electionEpoch > ROUND_MAX) {
      const text = `Server ${from} claims round ${message.electionEpoch}; it is not heard.`;
      this.throttledLog.warn('rounds', text);
      return;
    }
    const { config: configText } = message;
    const adopts = this.options.election?.adoptsNewerConfig === true;
    const version = adopts ? this.configVersions.of(configText) : 0;
    const notification = decodeNotification(message, version);
    this.step({ kind: 'notification', from, notification }, configText);
  }

  /** Inputs that come while outputs are performed wait for the end of those. */
  private step(input: ElectionInput, configText: string | null = null): void {
    if (this.isClosed) return;
    this.happenings.push({ input, configText });
    if (this.isStepping) return;
    this.isStepping = true;
    try {
      for (let next = this.happenings.shift(); next; next = this.happenings.shift()) {
        for (const output of this.election.step(next.input)) this.perform(output, next.configText);
      }
    } finally {
      this.isStepping = false;
    }
  }

  private perform(output: ElectionOutput, configText: string | null): void {
    if (this.isClosed) return;
    switch (output.kind) {
      case 'send': {
        const frame = encodeNotification(output.notification, this.options.configText());
        this.connections.say(output.to, frame);
        break;
      }
      case 'connect':
        this.connections.connect(output.to);
        break;
      case 'setTimer':
        this.timer?.cancel();
        this.timer = this.ports.clock.setTimer(output.ms, () => this.step({ kind: 'timer' }));
        break;
      case 'clearTimer':
        this.timer?.cancel();
        break;
      case 'decided':
        this.hasHadRole = true;
        this.connections.changeTopic();
        this.listener.decided(output.state, output.leader, output.vote);
        break;
      case 'abandon':
        this.connections.changeTopic();
        this.listener.abandon(output.leader, output.reason);
        break;
      case 'sawLooking':
        this.listener.sawLooking(output.peer);
        break;
      case 'newerConfig':
        this.listener.sawNewerConfig(output.from, configText ?? '');
        break;
      default:
        assertNever(output);
    }
  }
}
