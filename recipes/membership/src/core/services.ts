import {
  InvalidArgumentError,
  InvalidPathError,
  type Acl,
  type WaitOptions,
  type ZooKeeper,
} from '@aviary/client';
import { Trees } from '@aviary/coordination';
import { childPath, pathProblem, randomUuid, silentLog, type Log } from '@aviary/foundation';
import type { Observable } from 'rxjs';
import { memberPath } from './groups.js';
import type { MemberChange } from './member.js';
import { Presences } from './presences.js';
import { Registration, checkMetadata, type RegisterSettings } from './registration.js';
import { Roster, type RosterView } from './roster.js';
import { decodeInstance, type ServiceInstance } from './service-instance.js';

/** How {@link Services} behave. */
export interface ServicesOptions {
  /** Where services stand. Default: `/services`, as Spring Cloud's. */
  readonly root?: string | undefined;
  /** Who may do what with the nodes of instances and what is above them. Unset: everybody everything. */
  readonly acl?: readonly Acl[] | undefined;
  /** Where conflicts and refusals are reported. Default: nowhere. */
  readonly log?: Log | undefined;
}

/** An instance with its place in the directory. */
export interface DiscoveredInstance<P = unknown> extends ServiceInstance<P> {
  /** The session that it stands and falls with; 0: it was not made to go by itself. */
  readonly sessionId: bigint;
  /** Of its node: an instance that was registered again has a greater one. */
  readonly czxid: bigint;
}

/** The instances of one service. Streams behave as those of `Group`. */
export interface DiscoveredService<P = unknown> {
  readonly name: string;
  /** All of them, whether they take requests or not, and whether that is certain. */
  readonly view$: Observable<RosterView<DiscoveredInstance<P>>>;
  /** All of them. During a broken connection the list stays as it was. */
  readonly instances$: Observable<readonly DiscoveredInstance<P>[]>;
  readonly changes$: Observable<MemberChange<DiscoveredInstance<P>>>;
  /** All of them, once. @throws as `CachedTree.load` */
  instances(options?: WaitOptions): Promise<readonly DiscoveredInstance<P>[]>;
}

/**
 * Registers instances of services and finds them, in the layout of Curator's x-discovery, which Spring Cloud
 * ZooKeeper reads and writes too.
 *
 * @example
 * const services = new Services(zk);
 * const me = services.register({ name: 'inventory', address: '10.0.0.7', port: 8080 });
 * const [one] = await services.service('inventory').instances();
 * await me.withdraw();
 */
export class Services {
  private readonly trees: Trees;
  private readonly root: string;
  private readonly presences: Presences;
  private readonly clock: ZooKeeper['clock'];
  private readonly random: ZooKeeper['random'];
  private readonly registered = new Set<Registration>();
  private readonly services = new Map<string, DiscoveredService>();

  /** @throws {InvalidPathError} `root` is not a path. @throws {InvalidArgumentError} `acl` is none. */
  constructor(zk: ZooKeeper, { root = '/services', acl, log = silentLog }: ServicesOptions = {}) {
    const problem = typeof root === 'string' ? pathProblem(root) : 'a path must be a string';
    if (problem !== null) throw new InvalidPathError(`root: ${problem}`);
    this.trees = Trees.of(zk);
    this.root = root;
    this.presences = new Presences(zk, acl, log);
    this.clock = zk.clock;
    this.random = zk.random;
  }

  /** What this process has registered and not withdrawn. */
  get registrations(): readonly Registration[] {
    return [...this.registered];
  }

  /**
   * Registers this process in the background, until `withdraw()` or the end of the client: over broken
   * connections, ended sessions and deletions by others.
   *
   * @throws {InvalidArgumentError} @throws {InvalidPathError} What it says cannot be.
   * @throws {MembershipsClosedError} The application is shutting down.
   */
  register(settings: RegisterSettings): Registration {
    const { path, id } = this.check(settings);
    const registration = new Registration(settings, id, this.clock.wallMs(), (data) =>
      this.presences.join({ path, id, data, encode: (payload) => payload as Uint8Array }),
    );
    this.registered.add(registration);
    registration.state$.subscribe({ complete: () => this.registered.delete(registration) });
    return registration;
  }

  /**
   * Where it would be registered, without registering it.
   *
   * @throws as {@link register}, which does nothing else before it begins.
   */
  check(settings: RegisterSettings): { readonly path: string; readonly id: string } {
    checkSettings(settings);
    const { name, id = randomUuid(this.random) } = settings;
    return { path: memberPath(this.pathOf(name), id), id };
  }

  /** A service; the same object for the same name. @throws {InvalidPathError} */
  service<P = unknown>(name: string): DiscoveredService<P> {
    const path = this.pathOf(name);
    let service = this.services.get(path);
    if (service === undefined) {
      const tree = this.trees.tree(path, { depthMax: 1 });
      const roster = new Roster<DiscoveredInstance>(tree, ({ data, stat }) => {
        const instance = decodeInstance(data);
        if (instance === null) return null;
        return { ...instance, sessionId: stat.ephemeralOwner, czxid: stat.czxid };
      });
      const { view$, members$, changes$ } = roster;
      const instances = (options?: WaitOptions) => roster.load(options);
      service = { name, view$, instances$: members$, changes$, instances };
      this.services.set(path, service);
    }
    return service as DiscoveredService<P>;
  }

  /** Withdraws everything and registers no more, with MembershipsClosedError. Never rejects. */
  close(): Promise<void> {
    return this.presences.close();
  }

  private pathOf(name: string): string {
    if (typeof name !== 'string' || name === '' || name.startsWith('/')) {
      throw new InvalidPathError('the name of a service must be a string without a first slash');
    }
    const path = childPath(this.root, name);
    const problem = pathProblem(path);
    if (problem !== null) throw new InvalidPathError(`service: ${problem}`, { path: name });
    return path;
  }
}

function checkSettings(settings: RegisterSettings): void {
  // Callers without types can pass anything.
  const given = settings as Partial<RegisterSettings> | null | undefined;
  const { name, address, port, sslPort, metadata, payload } = given ?? {};
  const refuse = (problem: string): never => {
    const whose = typeof name === 'string' ? ` ${name}` : '';
    throw new InvalidArgumentError(`register${whose}: ${problem}`, { operation: 'register' });
  };
  if (typeof address !== 'string' || address === '') refuse('it needs an address');
  else if (/[\s/]/.test(address)) {
    refuse(`the address must be a host name or an IP address, not "${address}"`);
  } else if (['0.0.0.0', '::', '[::]'].includes(address)) {
    refuse(`nobody reaches ${address}: name the address that others see`);
  }
  for (const [key, value] of Object.entries({ port, sslPort })) {
    const isPort = Number.isInteger(value) && (value ?? 0) > 0 && (value ?? 0) < 65_536;
    if (value !== undefined && !isPort) {
      refuse(`${key} must be a whole number from 1 to 65535, not ${shown(value)}`);
    }
  }
  if (port === undefined && sslPort === undefined) refuse('it needs a port');
  if (metadata !== undefined) checkMetadata(metadata);
  if (payload !== undefined && !isJson(payload)) {
    refuse('the payload cannot be written as JSON; null stands for none');
  }
}

/** Text in quotes, since "8080" and 8080 look the same. */
function shown(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}

function isJson(value: unknown): boolean {
  try {
    return (JSON.stringify(value) as string | undefined) !== undefined;
  } catch {
    return false;
  }
}
