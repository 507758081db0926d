import type { ByteStream, Clock, Listener, Network } from '@aviary/foundation';
import type { HostPort } from '@aviary/protocol';
import { errorCode } from './error-code.js';
import { Pause } from './pause.js';
import type { ThrottledLog } from './throttled-log.js';

/** Between two attempts to listen. QuorumCnxManager.Listener has the same second. */
const RETRY_MS = 1000;

/** One of the addresses that a name stands for is not ours, or of a kind that we do not have. */
const FOREIGN_CODES: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** The election port cannot be opened: the server cannot take part in its ensemble. */
export class ElectionPortError extends Error {
  /** `EADDRINUSE`, `EACCES`, ... */
  readonly code: string;

  constructor(where: string, tries: number, cause: unknown) {
    const code = errorCode(cause);
    super(
      `Cannot listen for elections on ${where} (${code}, ${tries} times): end the process that ` +
        'has the port, or give this server another address or election port in the ' +
        'configuration of all servers.',
      { cause },
    );
    this.name = new.target.name;
    this.code = code;
  }
}

/** How an {@link Acceptor} listens. */
export interface AcceptorOptions {
  readonly addresses: readonly HostPort[];
  /** As `quorumListenOnAllIPs`: on every interface, whatever the hosts are. */
  readonly listensOnAllInterfaces: boolean;
  /** As `zookeeper.electionPortBindRetry`: how often it is tried in all; 0: without end. */
  readonly bindRetry: number;
}

/** The listening side of the election port. */
export class Acceptor {
  private listeners: Listener[] = [];
  private pause: Pause | null = null;
  private isClosed = false;

  constructor(
    private readonly network: Network,
    private readonly clock: Clock,
    private readonly log: ThrottledLog,
    private readonly onAccept: (stream: ByteStream) => void,
  ) {}

  /**
   * Listens on all addresses. A port that is taken is tried again, a second later, as often as the
   * options say; a name of our own that does not resolve yet, without end. Resolves once it listens,
   * or was closed.
   *
   * @throws {ElectionPortError}
   */
  async open(options: AcceptorOptions): Promise<void> {
    for (let tries = 0; !this.isClosed;) {
      const targets = await this.targetsOf(options);
      if (targets !== null) {
        tries++;
        const failure = await this.listenOn(targets);
        if (failure === null) break;
        const where = targets.map(({ host, port }) => `${host ?? '*'}:${port}`).join(', ');
        if (tries === options.bindRetry) throw new ElectionPortError(where, tries, failure.error);
        const why = errorCode(failure.error);
        this.log.warn('bind', `Cannot listen for elections on ${where} yet: ${why}.`);
      }
      await this.wait();
    }
    if (this.isClosed) await this.drop();
  }

  /** Stops listening, or trying to. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.pause?.end();
    await this.drop();
  }

  private async wait(): Promise<void> {
    if (this.isClosed) return;
    this.pause = new Pause(this.clock, RETRY_MS);
    await this.pause.over;
    this.pause = null;
  }

  /** Numeric addresses; null: a name does not resolve. */
  private async targetsOf(options: AcceptorOptions): Promise<Target[] | null> {
    const targets: Target[] = [];
    for (const { host, port } of options.addresses) {
      if (options.listensOnAllInterfaces) {
        targets.push({ host: null, port });
        continue;
      }
      const addresses = await this.addressesOf(host);
      if (addresses.length === 0) return null;
      targets.push(...addresses.map((address) => ({ host: address, port })));
    }
    const unique = new Map(targets.map((target) => [`${target.host} ${target.port}`, target]));
    return [...unique.values()];
  }

  /** None while the name does not resolve. */
  private async addressesOf(host: string): Promise<string[]> {
    let why = 'it has none';
    try {
      const addresses = await this.network.resolve(host);
      if (addresses.length > 0) return addresses;
    } catch (error) {
      why = errorCode(error);
    }
    const message = `Our own host ${host} cannot be resolved yet: ${why}.`;
    this.log.warn(`own host ${host}`, message);
    return [];
  }

  /**
   * All or nothing, except that a name may also stand for addresses that are not ours. null: it
   * listens, or need not any more.
   */
  private async listenOn(targets: readonly Target[]): Promise<{ error: unknown } | null> {
    let foreign: { error: unknown } | null = null;
    for (const { host, port } of targets) {
      try {
        const listener = await this.network.listen({ address: host, port }, this.onAccept);
        this.listeners.push(listener);
      } catch (error) {
        if (FOREIGN_CODES.has(errorCode(error))) {
          foreign = { error };
          continue;
        }
        await this.drop();
        return this.isClosed ? null : { error };
      }
    }
    return this.listeners.length > 0 ? null : foreign;
  }

  private async drop(): Promise<void> {
    const { listeners } = this;
    this.listeners = [];
    for (const listener of listeners) await listener.close();
  }
}

interface Target {
  /** null: every interface. */
  readonly host: string | null;
  readonly port: number;
}
