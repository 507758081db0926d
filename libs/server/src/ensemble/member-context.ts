import type { Zxid } from '@aviary/foundation';
import type { EpochFiles, LogListener, TransactionLog } from '@aviary/storage';
import type { QuorumVerifier, ServerId } from '@aviary/zab';
import type { ClientPort } from '../client-port.js';
import type { ServerOptions } from '../options.js';
import type { PortRole } from '../port-role.js';
import type { ServerPorts } from '../server-ports.js';
import type { SessionIdentity } from '../session-identity.js';
import type { MissingHistory } from './committed-history.js';
import type { MemberState } from './member-state.js';
import type { MemberStorage } from './member-storage.js';
import type { Rejoin } from './rejoin.js';
import type { LeftClients } from './waiting-clients.js';

/** What every role of a member has to do with: the member around it. */
export interface MemberContext {
  readonly options: ServerOptions;
  readonly ports: ServerPorts;
  readonly self: ServerId;
  /** Who decides. */
  readonly verifiers: readonly [QuorumVerifier, ...QuorumVerifier[]];
  /** Whether the configuration has a server of that id. */
  isListed(id: ServerId): boolean;
  /** The ensemble's configuration, as servers tell it one another. */
  readonly configuration: string;
  readonly configVersion: number;
  readonly initLimitTicks: number;
  readonly syncLimitTicks: number;
  readonly epochs: EpochFiles;
  /** Gives out the ids of sessions. */
  readonly sessionIdentity: SessionIdentity;
  readonly storage: MemberStorage;
  readonly state: MemberState;
  /** Whether this member has lost what it had, and what becomes of that. */
  readonly rejoin: Rejoin;

  /** Makes what is in `state` something else: it was replaced by what a leader sent. */
  replaceState(state: MemberState): void;

  /** Opens the log for what comes now. */
  openLog(listener: LogListener): Promise<TransactionLog>;

  /** So much was applied: it may be time for a snapshot. */
  onApplied(transactions: number, bytes: number, log: TransactionLog): void;

  /** Leader and learners have found each other: the election holds. */
  confirmed(): void;

  /** Applies what is logged up to `through`: it is the ensemble's. */
  applyThrough(through: Zxid): void;

  /**
   * A port for the clients of a role in `epoch`, with those that wait for one: start it, then
   * {@link serve}.
   */
  openPort(epoch: number, makeRole: (port: ClientPort) => PortRole): ClientPort;

  /** Clients may come to `port` from now on. */
  serve(port: ClientPort, epoch: number): void;

  /** The port that was given to {@link serve} serves nobody any longer. */
  servesNoMore(): void;

  /** The clients of a role that ends may be served by the next one: they wait for it. */
  letWait(clients: LeftClients): void;

  /** The leader lacks what is committed here, and nothing can be done but to say so. */
  lacks(missing: MissingHistory): void;

  /** The member cannot keep its promises: the process must end. */
  fail(reason: string): void;
}

/** How a role ended. */
export interface RoleEnd {
  readonly reason: string;
  /** Whether the tree is what the log says; else it is to be read again from the disk. */
  readonly isMemoryValid: boolean;
  /** What the leader lacks of the own history, which is to be put aside; null: nothing. */
  readonly givesWay: MissingHistory | null;
  /** Whether to go to the same leader again and ask for a snapshot, before another is looked for. */
  readonly asksAgain: boolean;
}

/** A role that a member has taken up after an election. */
export interface MemberRole {
  /** What `srvr` calls it. */
  readonly mode: 'leader' | 'follower' | 'observer';
  /** Ends the role; it may be over already. Resolves when nothing of it touches disk or tree. */
  end(reason: string): Promise<void>;
}
