import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { OnApplicationBootstrap } from '@nestjs/common';
import {
  ClientProxy,
  ClientProxyFactory,
  Transport,
  type ReadPacket,
  type WritePacket,
} from '@nestjs/microservices';
import { DEFAULT_MODULE, durationOptionMs } from '@aviary/nest';
import { Observable, Subject, connectable, lastValueFrom } from 'rxjs';
import type { DiscoveredInstance, Services } from '../core/services.js';
import type { DiscoveredClientOptions } from './discovered-client-options.js';
import { InstanceClient } from './instance-client.js';
import { InstanceList } from './instance-list.js';
import { MembershipSetupError } from './membership-setup-error.js';
import { NoInstanceError } from './no-instance-error.js';

const WAIT_MS = 5_000;
const ATTEMPT_MS = 1_000;
/** After so long those who could not be reached are tried again. */
const RETRY_MS = 250;

/**
 * A client of Nest's microservices for a service that is found: each request goes to one of the instances that
 * are registered and up at this moment, to one after the other.
 *
 * Each instance has a client of Nest of its own, over TCP unless `clientOf` makes another. One that cannot be
 * reached is passed over; what was sent is never sent again. One that is registered no more gets nothing new and
 * is closed when what is under way there has ended. While there is no connection to ZooKeeper the last list
 * counts.
 *
 * `send` and `emit` fail with {@link NoInstanceError} if nobody was found in time. Everything is closed with
 * the application, or by `close()`; a later request opens it anew.
 *
 * @example
 * imports: [
 *   MembershipModule.forRoot(),
 *   ClientsModule.register([
 *     { name: 'INVENTORY', customClass: DiscoveredClient, options: { service: 'inventory' } },
 *   ]),
 * ]
 */
export class DiscoveredClient extends ClientProxy implements OnApplicationBootstrap {
  private readonly options: DiscoveredClientOptions;
  private readonly waitMs: number;
  private readonly attemptMs: number;
  private readonly clients = new Map<string, InstanceClient>();
  private readonly connected = new Set<string>();
  private services: Services | null;
  private list: InstanceList | null = null;
  /** Who got the last request; null: nobody. */
  private last: string | null = null;

  /** @throws {MembershipSetupError} */
  constructor(options: DiscoveredClientOptions) {
    super();
    const given = options as Partial<DiscoveredClientOptions> | undefined;
    if (typeof given?.service !== 'string' || given.service === '') {
      throw new MembershipSetupError(
        "DiscoveredClient needs the name of a service: write options: { service: 'inventory' }",
      );
    }
    const ms = (key: 'wait' | 'attempt') =>
      durationOptionMs(key, options[key], (problem) => {
        throw new MembershipSetupError(`DiscoveredClient of "${options.service}": ${problem}`);
      });
    this.options = options;
    this.waitMs = ms('wait') ?? WAIT_MS;
    this.attemptMs = ms('attempt') ?? ATTEMPT_MS;
    this.services = options.services ?? null;
  }

  /** The name of the module whose services it wants; null: it has been given some. */
  get membership(): string | null {
    const { services, membership = DEFAULT_MODULE } = this.options;
    return services === undefined ? membership : null;
  }

  /** Looks in these services from now on. `MembershipModule` calls it. */
  bind(services: Services): void {
    if (this.services === services) return;
    this.close();
    this.services = services;
  }

  /** @throws {MembershipSetupError} There is no module whose services it could look in. */
  onApplicationBootstrap(): void {
    this.boundServices();
  }

  /** Resolves when an instance is there and connected. @throws {NoInstanceError} */
  override async connect(): Promise<void> {
    (await this.choose()).release();
  }

  /** Closes the connections to all instances; what is under way fails. */
  override close(): void {
    this.list?.stop(new NoInstanceError(this.options.service, 'the client was closed'));
    this.list = null;
    this.retireAllBut(new Set(), (client) => client.close());
  }

  override send<TResult = unknown, TInput = unknown>(
    pattern: unknown,
    data: TInput,
  ): Observable<TResult> {
    return this.run((client) => client.send<TResult, TInput>(pattern, data));
  }

  override emit<TResult = unknown, TInput = unknown>(
    pattern: unknown,
    data: TInput,
  ): Observable<TResult> {
    const sent = this.run((client) => client.emit<TResult, TInput>(pattern, data));
    const hot = connectable(sent, { connector: () => new Subject(), resetOnDisconnect: false });
    // An event goes out whether somebody listens or not, as from every client of Nest.
    hot.connect();
    return hot;
  }

  override setOnDispatchHook(hook: (packet: ReadPacket) => void): void {
    super.setOnDispatchHook(hook);
    for (const { client } of this.clients.values()) client.setOnDispatchHook(hook);
  }

  /** The clients of the instances that were called, by `id@address:port`: a `ReadonlyMap`. */
  override unwrap<T = ReadonlyMap<string, ClientProxy>>(): T {
    return new Map(Array.from(this.clients, ([key, { client }]) => [key, client])) as T;
  }

  protected override publish(
    { pattern, data }: ReadPacket,
    callback: (packet: WritePacket) => void,
  ): () => void {
    const subscription = this.send(pattern, data).subscribe({
      next: (response) => callback({ response }),
      error: (err: unknown) => callback({ err }),
      complete: () => callback({ isDisposed: true }),
    });
    return () => subscription.unsubscribe();
  }

  protected override dispatchEvent<T = unknown>({ pattern, data }: ReadPacket): Promise<T> {
    return lastValueFrom(this.emit<T>(pattern, data), { defaultValue: undefined as T });
  }

  private run<T>(call: (client: ClientProxy) => Observable<T>): Observable<T> {
    return new Observable<T>((subscriber) => {
      this.choose().then(
        (chosen) => {
          if (subscriber.closed) chosen.release();
          else subscriber.add(chosen.run(call).subscribe(subscriber));
        },
        (error: unknown) => subscriber.error(error),
      );
    });
  }

  /** An instance whose turn it is, connected and held. @throws {NoInstanceError} */
  private async choose(): Promise<InstanceClient> {
    const list = this.follow();
    const endMs = performance.now() + this.waitMs;
    const failures = new Map<string, unknown>();
    const tried = new Set<string>();
    for (;;) {
      const { changed } = list;
      if (list.end !== null) throw list.end;
      const next = this.nextOf(list, tried);
      if (next !== null) {
        const [key, client] = next;
        tried.add(key);
        client.hold();
        const failure = await this.reach(client, endMs);
        // Others may have come to know meanwhile that it is there no more.
        if (failure === null && !client.isRetired) return client;
        client.release();
        if (failure !== null) failures.set(key, failure);
        continue;
      }
      const restMs = endMs - performance.now();
      if (restMs <= 0) throw this.nobody(list, failures);
      await within(changed, tried.size > 0 ? Math.min(restMs, RETRY_MS) : restMs);
      tried.clear();
    }
  }

  /** The list of instances, followed from the first request on. */
  private follow(): InstanceList {
    const services = this.boundServices();
    if (this.list?.end !== null) {
      const { view$ } = services.service(this.options.service);
      this.list = new InstanceList(view$, (instances) => {
        this.retireAllBut(new Set(instances.map(keyOf)), (client) => client.retire());
      });
    }
    return this.list;
  }

  /** Whose turn it is among those who are up: the first after the last one, in a fixed order. */
  private nextOf(list: InstanceList, tried: ReadonlySet<string>): [string, InstanceClient] | null {
    const ready = new Map<string, DiscoveredInstance>();
    for (const instance of list.instances ?? []) {
      const key = keyOf(instance);
      if (this.isReachable(instance) && !tried.has(key)) ready.set(key, instance);
    }
    const keys = [...ready.keys()].sort();
    const { last } = this;
    // Who asks for the first time asks anybody: not all begin with the same.
    const first = last === null && keys.length > 0 ? randomInt(keys.length) : 0;
    const key = keys.find((one) => last !== null && one > last) ?? keys[first] ?? '';
    const instance = ready.get(key);
    if (instance === undefined) return null;
    this.last = key;
    let client = this.clients.get(key);
    if (client === undefined) {
      client = this.open(key, instance);
      this.clients.set(key, client);
    }
    return [key, client];
  }

  private isReachable({ isUp, address, port, sslPort }: DiscoveredInstance): boolean {
    if (!isUp) return false;
    return this.options.clientOf !== undefined || (address !== null && (port ?? sslPort) !== null);
  }

  private open(key: string, instance: DiscoveredInstance): InstanceClient {
    const { tcp, clientOf } = this.options;
    const { address, port, sslPort } = instance;
    const at = tcp?.tlsOptions === undefined ? (port ?? sslPort) : (sslPort ?? port);
    const client =
      clientOf === undefined
        ? ClientProxyFactory.create({
            transport: Transport.TCP,
            options: { ...tcp, host: address ?? '', port: at ?? 0 },
          })
        : clientOf(instance);
    if (this.onDispatchHook !== undefined) client.setOnDispatchHook(this.onDispatchHook);
    return new InstanceClient(client, (isConnected) => {
      if (isConnected) this.connected.add(key);
      else this.connected.delete(key);
      this._status$.next(this.connected.size > 0 ? 'connected' : 'disconnected');
    });
  }

  /** Why an instance cannot be reached in time; null: it is connected. */
  private async reach({ client }: InstanceClient, endMs: number): Promise<unknown> {
    const restMs = Math.max(endMs - performance.now(), 0);
    const attemptMs = this.waitMs === 0 ? this.attemptMs : Math.min(this.attemptMs, restMs);
    try {
      const connecting = client.connect().then(() => true);
      if ((await within(connecting, attemptMs)) === true) return null;
      return new Error(`not connected within ${Math.round(attemptMs)} ms`);
    } catch (error) {
      return error;
    }
  }

  private nobody({ instances }: InstanceList, failures: ReadonlyMap<string, unknown>): Error {
    const { service } = this.options;
    const causes = [...failures.values()];
    const refuse = (why: string) =>
      new NoInstanceError(service, `${why} (waited ${this.waitMs} ms)`, causes);
    if (causes.length > 0) {
      const each = Array.from(failures, ([key, why]) => `${key} (${textOf(why)})`);
      return refuse(`cannot reach ${each.join(', ')}`);
    }
    if (instances === null) return refuse('the servers have not said yet who is there');
    if (instances.length === 0) return refuse('none is registered');
    return refuse(`none of the ${instances.length} that are registered takes requests`);
  }

  private retireAllBut(listed: ReadonlySet<string>, end: (client: InstanceClient) => void): void {
    for (const [key, client] of this.clients) {
      if (listed.has(key)) continue;
      this.clients.delete(key);
      end(client);
    }
  }

  private boundServices(): Services {
    if (this.services !== null) return this.services;
    const { service, membership = DEFAULT_MODULE } = this.options;
    const extra = membership === DEFAULT_MODULE ? '' : ` with the name "${membership}"`;
    throw new MembershipSetupError(
      `DiscoveredClient of "${service}" needs MembershipModule.forRoot(...)${extra} in the imports`,
    );
  }
}

/** Of an instance that is reached in the same way, even if it was registered anew. */
function keyOf({ id, address, port, sslPort }: DiscoveredInstance): string {
  return `${id}@${address}:${port ?? sslPort}`;
}

/** What `promise` brings within that time, or undefined. Rejects as it does, unless that is too late. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const ended = new AbortController();
  const late = pause(ms, undefined, { signal: ended.signal }).catch(() => undefined);
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}

function textOf(why: unknown): string {
  const { message } = (why ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : String(why);
}
