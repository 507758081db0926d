import type { Duration } from '@aviary/nest';
import type { LockClientOptions } from '../core/lock-client.js';

/** How an application takes locks. Everything has a default. */
export interface LockModuleOptions extends LockClientOptions {
  /** Where paths that do not begin with a slash stand. Default: `/locks`. */
  readonly root?: string | undefined;
  /** Who holds or waits, for operators. Default: host name and process id. */
  readonly identity?: string | undefined;
  /** The longest wait of guarded methods that say nothing else. Default: no limit. */
  readonly wait?: Duration | undefined;
  /** How long guarded methods may hold that say nothing else. Default: no limit. */
  readonly maxHold?: Duration | undefined;
  /**
   * How long a shutdown waits for guarded methods that run, before their leases are lost
   * (`shutdown`). Default: 5 seconds.
   */
  readonly drain?: Duration | undefined;
}

/** Made by a class that is given to `LockModule.forRootAsync` as `useClass`. */
export interface LockOptionsFactory {
  createLockOptions(): LockModuleOptions | Promise<LockModuleOptions>;
}
