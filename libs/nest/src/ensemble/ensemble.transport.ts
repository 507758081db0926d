import { resolve } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { DirectoryClaim, NodeDisk, NodeNetwork, SystemClock, SystemRandom } from '@aviary/host';
import type { EnsembleServer, ServerOptions, StandaloneServer } from '@aviary/server';
import {
  Subject,
  concat,
  defer,
  distinctUntilChanged,
  map,
  of,
  startWith,
  type Observable,
} from 'rxjs';
import { ENSEMBLE_OPTIONS } from './ensemble.module-definition.js';
import type { EnsembleOptions } from './ensemble-options.js';
import { hostedServer, modeOf, type EnsembleMode } from './hosted-server.js';
import { NestLog } from '../logging/nest-log.js';
import { processEnvironment, processGauges } from './process-gauges.js';

/** Marks handlers that belong to the client port; it has none, since its protocol is ZooKeeper's. */
export const ENSEMBLE_TRANSPORT = Symbol('aviary:ensemble');

/** Where a member stands: one that is `serving` has its ports open, and its clients come and go. */
export type EnsembleStatus = 'starting' | 'serving' | 'stopped' | 'failed';

/** What {@link EnsembleTransport.on} can tell. */
export interface EnsembleEvents extends Record<string, (...args: never[]) => void> {
  /** The member can no longer keep its promises; the reason is one sentence. */
  failed: (reason: string) => void;
}

/**
 * A member of an ensemble as a transport of Nest: it starts with `listen`, stops with `close`, and
 * tells where it stands in `status`.
 *
 * `EnsembleModule` starts it by itself; hand it to `createMicroservice` or `connectMicroservice` to
 * let Nest's microservice life cycle do so.
 */
@Injectable()
export class EnsembleTransport
  extends Server<EnsembleEvents, EnsembleStatus>
  implements CustomTransportStrategy
{
  override readonly transportId = ENSEMBLE_TRANSPORT;

  private readonly disk = new NodeDisk();
  private readonly network = new NodeNetwork();
  private readonly serverOptions: ServerOptions;
  private readonly server: StandaloneServer | EnsembleServer;
  private readonly failureListeners: ((reason: string) => void)[] = [];
  /** Emits after whatever may have changed the mode; completes when the member is over. */
  private readonly modeChanges = new Subject<void>();
  private isServing = false;
  private hasFailed = false;
  private starting: Promise<void> | null = null;
  private stopping: Promise<void> | null = null;
  private readonly claims: DirectoryClaim[] = [];
  private closeClients: (address: string) => Promise<void> = () => Promise.resolve();

  constructor(@Inject(ENSEMBLE_OPTIONS) private readonly options: EnsembleOptions) {
    super();
    const { server, options: complete } = hostedServer(
      options,
      {
        clock: new SystemClock(),
        random: new SystemRandom(),
        disk: this.disk,
        network: this.network,
        log: new NestLog('Ensemble'),
        environment: processEnvironment(),
        gauges: processGauges,
      },
      (reason) => this.fail(reason),
      () => this.modeChanges.next(),
    );
    this.server = server;
    this.serverOptions = complete;
  }

  /** What the member is now; null before it listens, and once it is over. */
  get mode(): EnsembleMode | null {
    return this.isServing ? modeOf(this.server) : null;
  }

  /**
   * Whether clients are served at this moment, for health checks: a member of an ensemble that has
   * no leader, since too few others can be reached, serves nobody though its port is open.
   */
  get isUp(): boolean {
    return this.mode !== null && this.mode !== 'looking';
  }

  /** The mode now, then after every change. Cold; completes with null once the member is over. */
  get mode$(): Observable<EnsembleMode | null> {
    const modes = defer(() => this.modeChanges.pipe(startWith(undefined))).pipe(
      map(() => this.mode),
    );
    return concat(modes, of(null)).pipe(distinctUntilChanged());
  }

  /** Where a client on this machine connects: `host:port`. Only while it serves. */
  get address(): string {
    const { address, port } = this.server.address;
    if (this.listensEverywhere) return `127.0.0.1:${port}`;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Whether other machines can reach the port, on every interface. */
  get listensEverywhere(): boolean {
    return ['::', '0.0.0.0'].includes(this.server.address.address);
  }

  /**
   * Recovers the data and opens the ports; a second call joins the first. A member of an ensemble
   * serves its clients later, once it has a leader: see {@link isUp}.
   */
  start(): Promise<void> {
    this.starting ??= this.open();
    return this.starting;
  }

  override listen(callback: (error?: unknown) => void): void {
    this.start().then(() => callback(), callback);
  }

  override async close(): Promise<void> {
    this.stopping ??= this.shut();
    await this.stopping;
  }

  override on<Event extends keyof EnsembleEvents>(
    _event: Event,
    callback: EnsembleEvents[Event],
  ): void {
    this.failureListeners.push(callback as (reason: string) => void);
  }

  /** @internal Closes this application's own clients of the member while it still answers. */
  beforeClose(closeClients: (address: string) => Promise<void>): void {
    this.closeClients = closeClients;
  }

  /** The server itself. */
  override unwrap<T = StandaloneServer | EnsembleServer>(): T {
    return this.server as T;
  }

  private async open(): Promise<void> {
    this._status$.next('starting');
    await this.refuseTakenPort();
    await this.claimDirectories();
    this.refuseIfClosed();
    await this.server.start();
    this.refuseIfClosed();
    this.isServing = true;
    this._status$.next('serving');
    this.modeChanges.next();
  }

  /**
   * Most often the port is taken by a member that was started from the same directory, so it has to
   * be known before recovery touches the data that the other one is writing.
   */
  private async refuseTakenPort(): Promise<void> {
    const { clientAddress: address, clientPort: port, backlog } = this.serverOptions;
    if (port === 0) return;
    const listener = await this.network.listen({ address, port, backlog }, (stream) =>
      stream.destroy(),
    );
    await listener.close();
  }

  private refuseIfClosed(): void {
    if (this.stopping !== null) throw new Error('The member was closed while it was starting.');
  }

  /** Before recovery touches what another member may be writing, on whatever port. */
  private async claimDirectories(): Promise<void> {
    const { dataDir, dataLogDir } = this.serverOptions;
    const directories = new Set([resolve(dataDir), resolve(dataLogDir)]);
    for (const directory of directories) this.claims.push(await DirectoryClaim.take(directory));
  }

  private async shut(): Promise<void> {
    if (this.isServing) await this.closeClients(this.address);
    this.isServing = false;
    this.modeChanges.next();
    // A start may be waiting, for instance for an election port, and ends with this.
    await this.server.stop();
    await this.starting?.catch(() => undefined);
    this.disk.close();
    for (const claim of this.claims) await claim.release();
    if (!this.hasFailed) this._status$.next('stopped');
    this.modeChanges.complete();
  }

  private fail(reason: string): void {
    this.isServing = false;
    this.hasFailed = true;
    this._status$.next('failed');
    this.modeChanges.complete();
    for (const listener of this.failureListeners) listener(reason);
    const { onFailure = 'exit' } = this.options;
    if (onFailure === 'exit') {
      new NestLog('Ensemble').error(reason);
      process.exit(1);
    } else {
      // Clients find out sooner, and go elsewhere, when the port is closed.
      void this.close();
      onFailure(reason);
    }
  }
}
