import type { AddressInfo } from 'node:net';
import { networkInterfaces, hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { durationOptionMs } from '@aviary/nest';
import type { Subscription } from 'rxjs';
import type { RegisterSettings, Registration } from '../core/registration.js';
import type { Services } from '../core/services.js';
import { MembershipSetupError } from './membership-setup-error.js';
import type { ServiceRegistryOptions } from './service-registry-options.js';

const MOMENTS: readonly unknown[] = ['listen', 'announce'];

/**
 * Registers the application when its port is open, and withdraws it while it still is.
 *
 * Nest runs `onApplicationBootstrap` before it listens, so that is too early: it waits for the HTTP server to
 * say that it does. At `onModuleDestroy` the instance is withdrawn; the servers close after
 * `beforeApplicationShutdown`, which waits for that and then for the time to drain.
 */
export class ServiceRegistrar
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly logger = new Logger('ServiceRegistry');
  private readonly services: Services;
  private readonly options: ServiceRegistryOptions;
  private readonly host: HttpAdapterHost;
  private readonly drainMs: number;
  private listening: Subscription | null = null;
  private current: Registration | null = null;
  private withdrawn: Promise<void> | null = null;

  /** @throws {MembershipSetupError} */
  constructor(services: Services, options: ServiceRegistryOptions, host: HttpAdapterHost) {
    const given = options as Partial<ServiceRegistryOptions> | null | undefined;
    if (typeof given?.name !== 'string') {
      throw new MembershipSetupError('ServiceRegistryModule needs the name of a service');
    }
    this.services = services;
    this.options = options;
    this.host = host;
    this.drainMs = durationOptionMs('drain', options.drain, (problem) => this.refuse(problem)) ?? 0;
  }

  /** What is registered; null: not yet, or no more. */
  get registration(): Registration | null {
    return this.current;
  }

  onApplicationBootstrap(): void {
    const { when = 'listen', port = 'from-listen' } = this.options;
    if (!MOMENTS.includes(when)) {
      this.refuse(`when must be "${MOMENTS.join('" or "')}", not ${when as string}`);
    }
    // What is known before the port is must not wait for it: nobody is there then to be told.
    this.attempt(() => this.services.check(this.settingsAt(port === 'from-listen' ? 1 : port)));
    if (when === 'announce') return;
    // Missing in an application without an HTTP server, whatever its type says.
    const adapter = this.host.httpAdapter as unknown;
    if (adapter === null || adapter === undefined) {
      this.refuse(
        'there is no HTTP server to wait for; write `when: "announce"`' +
          (port === 'from-listen' ? ' and the port,' : '') +
          ' and call announce() of ServiceRegistrar after `await app.listen()`',
      );
    }
    if (this.host.listening) this.announce();
    else this.listening = this.host.listen$.subscribe(() => this.onListen());
  }

  /**
   * Registers the application, once: its port is open. In the background; await `whenRegistered()` of what
   * it returns to be found.
   *
   * @param port Instead of that in the options.
   * @throws {MembershipSetupError} It is not known on which port, or what is said makes no sense.
   */
  announce(port?: number): Registration {
    if (this.current !== null) return this.current;
    const { port: given = 'from-listen' } = this.options;
    const known = port ?? (given === 'from-listen' ? this.portOfServer() : given);
    this.current = this.attempt(() => this.services.register(this.settingsAt(known)));
    return this.current;
  }

  onModuleDestroy(): void {
    this.listening?.unsubscribe();
    this.withdrawn = this.current?.withdraw() ?? null;
    this.current = null;
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.withdrawn === null) return;
    await this.withdrawn;
    await pause(this.drainMs);
  }

  /** Nobody catches what is thrown here: the process would end for it. */
  private onListen(): void {
    try {
      this.announce();
    } catch (error) {
      this.logger.error(error instanceof Error ? error.message : error);
    }
  }

  private settingsAt(port: number): RegisterSettings {
    const { address = addressOfMachine(), ...settings } = this.options;
    return { ...settings, address, port };
  }

  private portOfServer(): number {
    const adapter = this.host.httpAdapter as typeof this.host.httpAdapter | null;
    const server = adapter?.getHttpServer() as { address?(): AddressInfo | string | null } | null;
    const address = server?.address?.() ?? null;
    if (address !== null && typeof address === 'object') return address.port;
    return this.refuse('the HTTP server listens on no port; write which one others reach');
  }

  private attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      return this.refuse(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  private refuse(problem: string, options?: ErrorOptions): never {
    const message = `ServiceRegistryModule "${this.options.name}": ${problem}`;
    throw new MembershipSetupError(message, options);
  }
}

/** The first address that others may know this machine by. */
function addressOfMachine(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outward = all.filter(({ internal }) => !internal);
  const isUsual = ({ family }: { readonly family: string }) => family === 'IPv4';
  return outward.find(isUsual)?.address ?? outward[0]?.address ?? hostname();
}
