import {
  assert,
  formatZxid,
  type ByteStream,
  type DiskError,
  type Listener,
  type SocketAddress,
} from '@aviary/foundation';
import {
  DataDirectory,
  SnapshotPolicy,
  type Recovered,
  type TransactionLog,
} from '@aviary/storage';
import { OutstandingChanges, RequestPreparer, standardAuthSchemes } from '@aviary/znodes';
import { Authority } from './authority.js';
import { ClientPort } from './client-port.js';
import { LatencyMeter } from './latency-meter.js';
import type { ServerOptions } from './options.js';
import { PasswordKeeper } from './password-keeper.js';
import { PurgeSchedule } from './purge-schedule.js';
import type { ServerPorts } from './server-ports.js';
import { SessionIdentity } from './session-identity.js';
import { Snapshotter } from './snapshotter.js';
import { TreeRecovery, type RecoveredState } from './tree-recovery.js';
import { WritePipeline } from './write-pipeline.js';

/** Life of a server: each state is entered once, in this order; `failed` from any. */
export type ServerState = 'new' | 'recovering' | 'serving' | 'stopping' | 'stopped' | 'failed';

/**
 * One ZooKeeper server by itself: durable, ordered, speaking ZooKeeper's client protocol.
 *
 * @example
 * const server = new StandaloneServer(serverOptions({ dataDir: '/var/lib/aviary' }), ports, stop);
 * await server.start();
 */
export class StandaloneServer {
  state: ServerState = 'new';
  /** What the start found on the disk; null before. */
  recovered: Recovered | null = null;

  private port: ClientPort | null = null;
  private listener: Listener | null = null;
  private transactions: TransactionLog | null = null;
  private snapshotter: Snapshotter | null = null;
  private readonly purges: PurgeSchedule;
  private hasLogFailed = false;
  private starting: Promise<void> | null = null;
  private stopping: Promise<void> | null = null;

  /**
   * @param onFailure Called once, when the server can no longer keep its promises, with one
   * sentence: the process must end. Nothing more is acknowledged.
   */
  constructor(
    private readonly options: ServerOptions,
    private readonly ports: ServerPorts,
    private readonly onFailure: (reason: string) => void,
  ) {
    const { purgeIntervalMs, snapRetainCount } = options;
    this.purges = new PurgeSchedule(ports.clock, purgeIntervalMs, () => {
      void this.snapshotter?.purge(snapRetainCount);
    });
  }

  /** Where clients connect, once it serves. */
  get address(): SocketAddress {
    assert(this.listener !== null, 'a server has an address once it serves');
    return this.listener.local;
  }

  /**
   * Recovers what is on the disk and opens the client port. A start that fails closes what it had
   * opened; the state is then `failed`.
   *
   * @throws {StorageError} What is on the disk cannot be trusted; nothing was changed.
   * @throws {DiskError} The directories cannot be read or written.
   * @throws {Error} The port cannot be opened (`code` EADDRINUSE, EACCES, ...).
   */
  async start(): Promise<void> {
    assert(this.state === 'new', 'a server is started once');
    this.state = 'recovering';
    this.starting = this.run();
    try {
      await this.starting;
    } catch (error) {
      this.state = 'failed';
      await this.close();
      throw error;
    }
  }

  private async run(): Promise<void> {
    const { options, ports } = this;
    const directory = new DataDirectory(ports.disk, ports.clock, options);
    const recovery = new TreeRecovery(
      { seed: ports.random.uint32(), schemes: standardAuthSchemes(options.superDigest) },
      options.extendedTypesEnabled,
      options.dataDir,
    );
    this.recovered = await directory.recover(recovery, ports.log);
    const state = recovery.finish();
    if (!options.digestEnabled) state.tree.isDigestKnown = false;
    this.reportRecovery(state);
    const retain = options.purgeIntervalMs === null ? options.snapRetainCount : null;
    const digested = options.digestEnabled;
    const snapshotter = new Snapshotter(state.tree, directory, digested, retain, ports.log);
    this.snapshotter = snapshotter;
    // ZooKeeper takes a log without a snapshot for a lost snapshot.
    if (this.recovered.snapshotZxid === null) await snapshotter.writeNow();
    const identity = await SessionIdentity.open(
      this.ports,
      directory.snapshotDirectory,
      this.options.serverId,
      state.tree,
    );
    await this.openPort(state, identity, directory, snapshotter);
    this.purges.start();
  }

  /**
   * Closes the port, lets what is under way come to its end, and closes the files. A start that is
   * under way comes to its end first. May be called again: all calls end together.
   */
  stop(): Promise<void> {
    this.stopping ??= this.runStop();
    return this.stopping;
  }

  private async runStop(): Promise<void> {
    if (this.state === 'serving') this.port?.stopServing();
    if (this.state !== 'failed') this.state = 'stopping';
    await this.starting?.catch(() => undefined);
    await this.close();
    if (this.state === 'stopping') this.state = 'stopped';
  }

  private async close(): Promise<void> {
    this.purges.stop();
    this.port?.stopServing();
    await this.listener?.close();
    if (!this.hasLogFailed) await this.transactions?.close();
    this.port?.closeConnections();
    await this.snapshotter?.close();
  }

  /** What monitoring wants to know; null before it serves. */
  get monitor(): ClientPort | null {
    return this.port;
  }

  private async openPort(
    state: RecoveredState,
    identity: SessionIdentity,
    directory: DataDirectory,
    snapshotter: Snapshotter,
  ): Promise<void> {
    const { options, ports } = this;
    const changes = new OutstandingChanges(state.tree);
    const preparer = new RequestPreparer(state.tree, changes, state.quotas, {
      extendedTypesEnabled: options.extendedTypesEnabled,
      enforceQuota: options.enforceQuota,
      digestEnabled: options.digestEnabled,
      // Readers of logs and proposals take this much: jute.maxbuffer and as much again.
      containerNeverUsedMs: options.containerNeverUsedMs,
      transactionBytesMax: 2 * options.limits.frameBytesMax,
    });
    const policy = new SnapshotPolicy(options, ports.random);
    const passwords = new PasswordKeeper(identity);
    const latency = new LatencyMeter();
    const pipeline = new WritePipeline(
      state.tree,
      changes,
      preparer,
      state.applier,
      ports.clock,
      latency,
      options.limits,
      {
        onApplied: (transactions, bytes) => {
          this.port?.goOn();
          this.onApplied(policy, transactions, bytes, snapshotter);
        },
        onLogFailure: (error) => this.fail(error),
      },
    );
    const port = new ClientPort(
      options,
      ports,
      state,
      passwords,
      latency,
      (made) => new Authority('standalone', made, pipeline, () => identity.takeId()),
    );
    this.port = port;
    const log = await directory.openLog(options, pipeline);
    this.transactions = log;
    pipeline.useLog(log);
    port.directory = directory;
    port.syncs = log.syncs;
    port.start();
    if (this.state === 'recovering') this.state = 'serving';
    this.listener = await ports.network.listen(
      { address: options.clientAddress, port: options.clientPort, backlog: options.backlog },
      (stream: ByteStream) => port.accept(stream),
    );
    port.local = this.listener.local;
  }

  private onApplied(
    policy: SnapshotPolicy,
    transactions: number,
    bytes: number,
    snapshotter: Snapshotter,
  ): void {
    if (!policy.logged(transactions, bytes) || snapshotter.isRunning) return;
    policy.reset();
    this.transactions?.roll();
    snapshotter.begin();
  }

  private reportRecovery({ tree, applier }: RecoveredState): void {
    const { recovered, ports } = this;
    const from = recovered?.snapshotZxid ?? null;
    const source = from === null ? 'an empty tree' : `snapshot.${formatZxid(from)}`;
    const replayed = recovered?.transactionsReplayed ?? 0;
    ports.log.info(
      `Recovered ${tree.nodes.size} znodes from ${source} and ${replayed} logged transactions; ` +
        `the last is 0x${formatZxid(tree.lastZxid)}.`,
    );
    if (applier.digestMismatches > 0) {
      ports.log.error(
        `The digest of the tree differs from ${applier.digestMismatches} logged transactions: ` +
          'the data was made by a server that had diverged.',
      );
    }
  }

  private fail(error: DiskError): void {
    if (this.hasLogFailed) return;
    this.hasLogFailed = true;
    this.state = 'failed';
    this.port?.stopServing();
    this.port?.abandonConnections();
    this.onFailure(
      `The transaction log cannot be written (${error.message}): nothing more is acknowledged, the server stops.`,
    );
  }
}
