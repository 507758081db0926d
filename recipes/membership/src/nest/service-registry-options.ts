import type { Duration } from '@aviary/nest';
import type { RegisterSettings } from '../core/registration.js';

/** How an application is found. */
export interface ServiceRegistryOptions extends Omit<RegisterSettings, 'address' | 'port'> {
  /** Where others reach this process. Default: the first address of this machine that is not its own. */
  readonly address?: string | undefined;
  /** `from-listen`: the port that the HTTP server listens on. Default: that. */
  readonly port?: number | 'from-listen' | undefined;
  /**
   * When it is registered. `listen`: when the HTTP server listens. `announce`: when `announce()` of
   * `ServiceRegistrar` is called, which is for microservices: after `await app.listen()`. Default: `listen`.
   */
  readonly when?: 'listen' | 'announce' | undefined;
  /**
   * How long the port stays open after the instance was withdrawn, for callers that have not heard of it
   * yet. Default: 0.
   */
  readonly drain?: Duration | undefined;
}

/** Made by a class that is given to `ServiceRegistryModule.registerAsync` as `useClass`. */
export interface ServiceRegistryOptionsFactory {
  createServiceRegistryOptions(): ServiceRegistryOptions | Promise<ServiceRegistryOptions>;
}
