import {
  ZXID_EPOCH_LIMIT,
  assert,
  formatZxid,
  type ByteStream,
  type Listener,
  type SocketAddress,
  type Zxid,
} from '@aviary/foundation';
import { formatEnsembleConfig, type EnsembleMember } from '@aviary/protocol';
import {
  DataDirectory,
  SnapshotPolicy,
  type EpochFiles,
  type LogListener,
  type TransactionLog,
} from '@aviary/storage';
import {
  ZXID_UNKNOWN,
  type AbandonReason,
  type QuorumVerifier,
  type ServerId,
  type ServerState as PeerState,
  type Vote,
} from '@aviary/zab';
import { ClientPort } from '../client-port.js';
import { ElectionPort } from '../election/election-port.js';
import { electionAddressesOf, electionMembership } from '../election/membership.js';
import type { ElectionListener } from '../election/options.js';
import { ThrottledLog } from '../election/throttled-log.js';
import { PurgeSchedule } from '../purge-schedule.js';
import { LatencyMeter } from '../latency-meter.js';
import type { PortRole } from '../port-role.js';
import type { ServerPorts } from '../server-ports.js';
import type { ServerState } from '../server.js';
import { refusalOfWord, unservedAnswer } from '../unserved-words.js';
import { SessionIdentity } from '../session-identity.js';
import { applyPending } from './apply-pending.js';
import { CommittedHistory, type MissingHistory } from './committed-history.js';
import { DataOwner } from './data-owner.js';
import type { EnsembleOptions } from './ensemble-options.js';
import { HeldClients } from './held-clients.js';
import { HeldStreams } from './held-streams.js';
import { ensemblePasswords } from './ensemble-passwords.js';
import { LeaderHost } from './leader-host.js';
import { LeaderPatience } from './leader-patience.js';
import { LeaderScrutiny } from './leader-scrutiny.js';
import { LearnerHost } from './learner-host.js';
import type { MemberContext, MemberRole, RoleEnd } from './member-context.js';
import type { MemberState } from './member-state.js';
import { MemberStorage } from './member-storage.js';
import { WaitingClients, type LeftClients } from './waiting-clients.js';
import { Rejoin } from './rejoin.js';

const CLIENTS_HELD_MAX = 1000;
const CLIENTS_HELD_MS = 2000;
const LEARNERS_HELD_MAX = 64;

/** What a member is: one who looks for a leader serves nobody. */
export type MemberMode = 'looking' | MemberRole['mode'];

/**
 * One member of an ensemble: it elects a leader with the others, leads or learns, and serves its
 * clients while it does.
 */
export class EnsembleServer implements MemberContext, ElectionListener {
  lifecycle: ServerState = 'new';
  readonly self: ServerId;
  readonly verifiers: readonly [QuorumVerifier, ...QuorumVerifier[]];
  readonly configuration: string;
  readonly configVersion: number;
  readonly initLimitTicks: number;
  readonly syncLimitTicks: number;
  readonly storage: MemberStorage;
  readonly rejoin: Rejoin;
  /** Called after every change of {@link mode}, within the step that changed it. */
  onModeChange: (mode: MemberMode) => void = () => undefined;

  private readonly directory: DataDirectory;
  private readonly member: EnsembleMember;
  private readonly election: ElectionPort;
  private readonly clients: HeldClients;
  private readonly learners: HeldStreams;
  private memberState: MemberState | null = null;
  private epochFiles: EpochFiles | null = null;
  private identity: SessionIdentity | null = null;
  private role: MemberRole | null = null;
  private port: ClientPort | null = null;
  private clientListener: Listener | null = null;
  private quorumListener: Listener | null = null;
  private policy: SnapshotPolicy;
  private readonly purges: PurgeSchedule;
  private readonly throttledLog: ThrottledLog;
  private readonly committed = new CommittedHistory();
  private readonly waiting: WaitingClients;
  private readonly patience = new LeaderPatience();
  private hasSaidEmpty = false;
  private stopping: Promise<void> | null = null;
  private toldMode: MemberMode = 'looking';
  private lookingSinceMs = 0;

  /**
   * @param onFailure Called once, when the member can no longer keep its promises, with one sentence:
   * the process must end. Nothing more is acknowledged.
   */
  constructor(
    readonly options: EnsembleOptions,
    readonly ports: ServerPorts,
    private readonly onFailure: (reason: string) => void,
  ) {
    const { ensemble, serverId } = options;
    const member = ensemble.members.get(serverId);
    assert(member !== undefined, 'a member is in the configuration of its ensemble');
    this.member = member;
    this.self = serverId;
    const membership = electionMembership(serverId, ensemble);
    this.verifiers = [membership.config.current.verifier];
    this.configuration = formatEnsembleConfig(ensemble);
    this.configVersion = ensemble.version;
    this.initLimitTicks = options.initLimitTicks;
    this.syncLimitTicks = options.syncLimitTicks;
    this.directory = new DataDirectory(ports.disk, ports.clock, options);
    this.storage = new MemberStorage(options, ports, this.directory);
    this.rejoin = new Rejoin(serverId, this.verifiers, this.directory, this.storage, ports);
    this.policy = new SnapshotPolicy(options, ports.random);
    this.throttledLog = new ThrottledLog(ports.log, ports.clock);
    this.waiting = new WaitingClients(ports.clock);
    this.purges = new PurgeSchedule(ports.clock, options.purgeIntervalMs, () => {
      // Who serves has its history in order: a leader may be about to change that of a learner.
      if (this.port !== null) void this.storage.purge();
    });
    const { environment = [] } = ports;
    this.clients = new HeldClients(
      ports.clock,
      new HeldStreams(ports.clock, CLIENTS_HELD_MAX, CLIENTS_HELD_MS),
      (word) => refusalOfWord(word, options.fourLetterWords) ?? unservedAnswer(word, environment),
    );
    const initLimitMs = options.initLimitTicks * options.tickTimeMs;
    this.learners = new HeldStreams(ports.clock, LEARNERS_HELD_MAX, initLimitMs);
    this.election = new ElectionPort(
      {
        me: serverId,
        ownAddresses: electionAddressesOf(member),
        membership,
        configText: () => this.configuration,
        handshakeTimeoutMs: options.tickTimeMs * options.syncLimitTicks,
        bindRetry: options.electionPortBindRetry,
      },
      ports,
      this,
    );
  }

  get state(): MemberState {
    assert(this.memberState !== null, 'a member has a state once it is recovered');
    return this.memberState;
  }

  get epochs(): EpochFiles {
    assert(this.epochFiles !== null, 'a member has epochs once it is recovered');
    return this.epochFiles;
  }

  get sessionIdentity(): SessionIdentity {
    assert(this.identity !== null, 'a member has session ids once it is recovered');
    return this.identity;
  }

  /** What it is now. */
  get mode(): MemberMode {
    return this.port?.isServing === true ? (this.role?.mode ?? 'looking') : 'looking';
  }

  /** Where clients connect. */
  get address(): SocketAddress {
    assert(this.clientListener !== null, 'a member has an address once it listens');
    return this.clientListener.local;
  }

  /** What monitoring wants to know; null while nobody is served. */
  get monitor(): ClientPort | null {
    return this.port;
  }

  /**
   * Recovers what is on the disk, opens all ports and begins to look for a leader. Resolves then: when
   * clients are served is for the ensemble to decide.
   *
   * Damaged data that the others can replace are put aside first: see {@link Rejoin}.
   *
   * @throws {StorageError} What is on the disk cannot be trusted; nothing was changed.
   * @throws {ConfigurationError} The data is that of another server, or of another ensemble.
   * @throws {Error} A port cannot be opened.
   */
  async start(): Promise<void> {
    assert(this.lifecycle === 'new', 'a member is started once');
    this.lifecycle = 'recovering';
    try {
      await this.open();
    } catch (error) {
      this.lifecycle = 'failed';
      await this.close();
      throw error;
    }
    this.lifecycle = 'serving';
    this.purges.start();
    this.look();
  }

  private async open(): Promise<void> {
    const { log, network } = this.ports;
    const owner = new DataOwner(this.directory, this.self, this.options.ensemble);
    await owner.check();
    const { state, epochs } = await this.rejoin.recover();
    await owner.note();
    this.memberState = state;
    this.epochFiles = epochs;
    this.identity = await SessionIdentity.open(
      this.ports,
      this.directory.snapshotDirectory,
      this.self,
      state.tree,
    );
    log.info(
      `Server ${this.self} has ${state.tree.nodes.size} znodes; its last transaction is ` +
        `0x${formatZxid(state.lastLogged)}, its epoch ${this.epochs.current}.`,
    );
    const { addresses } = this.member;
    const [{ host, quorumPort }] = addresses as readonly [(typeof addresses)[number]];
    const address = (await network.resolve(host)).at(0);
    this.quorumListener = await network.listen(
      { address: address ?? host, port: quorumPort },
      (stream) => this.acceptLearner(stream),
    );
    await this.election.start();
    const { backlog, clientAddress, clientPort } = this.options;
    this.clientListener = await network.listen(
      { address: clientAddress, port: clientPort, backlog },
      (stream) => this.acceptClient(stream),
    );
  }

  /** Leaves the ensemble and closes everything. */
  stop(): Promise<void> {
    this.stopping ??= this.runStop();
    return this.stopping;
  }

  private async runStop(): Promise<void> {
    if (this.lifecycle !== 'failed') this.lifecycle = 'stopping';
    await this.close();
    if (this.lifecycle === 'stopping') this.lifecycle = 'stopped';
  }

  private async close(): Promise<void> {
    this.rejoin.close();
    this.purges.stop();
    await this.clientListener?.close();
    await this.quorumListener?.close();
    await this.role?.end('the server stops');
    await this.election.close();
    this.clients.closeAll();
    this.waiting.drop();
    this.learners.closeAll();
    await this.storage.close();
  }

  private get isOver(): boolean {
    return this.lifecycle !== 'serving';
  }

  private look(): void {
    if (this.isOver) return;
    this.lookingSinceMs = this.ports.clock.monotonicMs();
    const lastZxid = this.rejoin.isDue ? ZXID_UNKNOWN : this.state.lastLogged;
    this.election.look(lastZxid, this.epochs.current);
  }

  // From the election:

  decided(state: Exclude<PeerState, 'looking'>, leader: ServerId, vote: Vote): void {
    if (this.isOver) return;
    const tookMs = Math.round(this.ports.clock.monotonicMs() - this.lookingSinceMs);
    this.ports.log.info(`Server ${leader} is elected after ${tookMs} ms.`);
    if (state === 'leading') this.lead();
    else this.learn(vote, state === 'observing', false);
  }

  abandon(leader: ServerId, reason: AbandonReason): void {
    void this.role?.end(`the election of server ${leader} did not hold: ${reason}`);
  }

  sawLooking(): void {
    // Who looks for a leader is told of this one by the election itself.
  }

  sawNewerConfig(): void {
    // Configurations are taken over only where reconfiguration is enabled.
  }

  private lead(): void {
    const { accepted } = this.epochs;
    if (accepted + 1 >= ZXID_EPOCH_LIMIT) {
      return this.fail(
        `Server ${this.self} is to lead, but has agreed to epoch ${accepted}, and there is none after ` +
          'that: dump the tree and load it into a fresh ensemble.',
      );
    }
    const host = new LeaderHost(this, (end) => {
      void this.roleEnded(host, end).then((goesOn) => {
        if (goesOn) this.look();
      });
    });
    this.role = host;
    host.start();
    this.learners.release((stream) => host.accept(stream));
  }

  private learn(vote: Vote, isObserver: boolean, needsSnapshot: boolean): void {
    this.learners.closeAll();
    const addresses = this.options.ensemble.members.get(vote.leader)?.addresses ?? [];
    const host = new LearnerHost(
      this,
      addresses.map(({ host: name, quorumPort }) => ({ host: name, port: quorumPort })),
      isObserver,
      needsSnapshot,
      new LeaderScrutiny(this, vote, this.committed.through(this.state)),
      (end) => {
        void this.roleEnded(host, end).then((goesOn) => {
          if (!goesOn) return;
          if (end.asksAgain) this.learn(vote, isObserver, true);
          else this.look();
        });
      },
    );
    this.role = host;
    host
      .start(this.patience.pauseMs(vote.leader))
      .catch((error: unknown) => this.fail(String(error)));
  }

  /** Brings memory in order; returns whether the member goes on. */
  private async roleEnded(role: MemberRole, end: RoleEnd): Promise<boolean> {
    if (this.role !== role) return false;
    this.ports.log.info(`Server ${this.self} is ${role.mode} no more: ${end.reason}.`);
    this.role = null;
    if (this.port !== null) this.committed.noteServed(this.state.lastApplied);
    this.port = null;
    if (!end.asksAgain) this.election.roleEnded();
    try {
      if (end.givesWay !== null || !end.isMemoryValid) this.waiting.drop();
      if (end.givesWay !== null) await this.startOver(end.givesWay);
      // What is logged may have been committed: memory shows all of it, as after a restart.
      else if (end.isMemoryValid) this.applyThrough(Infinity);
      else this.memberState = await this.storage.load();
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
      return false;
    }
    if (this.isOver) this.waiting.drop();
    return !this.isOver;
  }

  /** Begins with nothing, since the others go on without what is here. */
  private async startOver(missing: MissingHistory): Promise<void> {
    const { state, epochs } = await this.rejoin.giveWay(missing);
    this.memberState = state;
    this.epochFiles = epochs;
    this.committed.forget();
  }

  // Streams:

  private acceptClient(stream: ByteStream): void {
    if (this.port?.isServing === true) this.port.accept(stream);
    else if (this.isOver) stream.destroy();
    else this.clients.hold(stream);
  }

  private acceptLearner(stream: ByteStream): void {
    if (this.role instanceof LeaderHost) this.role.accept(stream);
    else if (this.role !== null || this.isOver) stream.destroy();
    else this.learners.hold(stream);
  }

  // For the roles:

  isListed(id: ServerId): boolean {
    return this.options.ensemble.members.has(id);
  }

  replaceState(state: MemberState): void {
    this.waiting.drop();
    this.memberState = state;
  }

  letWait(clients: LeftClients): void {
    this.waiting.keep(clients);
  }

  applyThrough(through: Zxid): void {
    if (!this.waiting.applyThrough(through)) applyPending(this.state, through);
  }

  openPort(epoch: number, makeRole: (port: ClientPort) => PortRole): ClientPort {
    const { options, ports, state } = this;
    const waiting = this.waiting.portFor(epoch, state.tree);
    if (waiting === null) {
      return new ClientPort(options, ports, state, ensemblePasswords, new LatencyMeter(), makeRole);
    }
    waiting.takeRole(makeRole);
    return waiting;
  }

  openLog(listener: LogListener): Promise<TransactionLog> {
    return this.directory.openLog(this.options, listener);
  }

  onApplied(transactions: number, bytes: number, log: TransactionLog): void {
    if (!this.policy.logged(transactions, bytes)) return;
    if (!this.storage.beginSnapshot()) return;
    this.policy.reset();
    log.roll();
  }

  confirmed(): void {
    this.election.confirmed();
  }

  serve(port: ClientPort, epoch: number): void {
    this.port = port;
    port.directory = this.directory;
    port.local = this.address;
    this.election.settled(epoch);
    const tookMs = Math.round(this.ports.clock.monotonicMs() - this.lookingSinceMs);
    this.ports.log.info(
      `Server ${this.self} is ${this.mode} in epoch ${epoch}, after ${tookMs} ms.`,
    );
    this.sayIfEmpty();
    this.patience.reset();
    this.waiting.goOn();
    this.clients.release((stream) => port.accept(stream));
    this.tellMode();
  }

  servesNoMore(): void {
    this.tellMode();
  }

  private tellMode(): void {
    const { mode } = this;
    if (mode === this.toldMode) return;
    this.toldMode = mode;
    this.onModeChange(mode);
  }

  /** Right for a new ensemble, and the last chance to notice where it is none. */
  private sayIfEmpty(): void {
    if (this.mode !== 'leader' || this.state.lastLogged !== 0 || this.hasSaidEmpty) return;
    this.hasSaidEmpty = true;
    this.ports.log.warn(
      `Server ${this.self} leads with an empty history, as most of the servers have none. If this ` +
        'ensemble is not new, their data is lost or elsewhere: stop them and correct dataDir, before ' +
        'servers that still have data come and put it aside.',
    );
  }

  lacks(missing: MissingHistory): void {
    this.throttledLog.warn(
      'missing history',
      `${missing.sentence(this.self)} If that is so and what is here is to stay, stop all members now, ` +
        'empty the directories version-2 of the others, and start all of them at once.',
    );
  }

  fail(reason: string): void {
    if (this.lifecycle === 'failed') return;
    this.lifecycle = 'failed';
    this.port?.stopServing();
    this.port?.abandonConnections();
    this.waiting.drop();
    this.tellMode();
    this.onFailure(`${reason} Nothing more is acknowledged, the server stops.`);
  }
}
