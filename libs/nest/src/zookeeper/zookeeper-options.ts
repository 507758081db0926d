import type { ZooKeeperOptions } from '@aviary/client';

/**
 * What the start of the application does about a connection.
 *
 * `{ failAfterMs }`: it waits for the first session, and fails with ZooKeeperSetupError if there is
 * none after that time. `wait`: it waits without limit, and says every ten seconds why. `lazy`: it
 * does not wait, and the client connects at its first call.
 */
export type ZooKeeperStartup = 'wait' | 'lazy' | { readonly failAfterMs: number };

/** Options of one connection: those of the client, and what the start does about it. */
export interface ZooKeeperModuleOptions extends ZooKeeperOptions {
  /** Default: `{ failAfterMs: 15_000 }`. */
  readonly startup?: ZooKeeperStartup | undefined;
}

/** Made by a class that is given to `ZooKeeperModule.forRootAsync` as `useClass`. */
export interface ZooKeeperOptionsFactory {
  createZooKeeperOptions(): ZooKeeperModuleOptions | Promise<ZooKeeperModuleOptions>;
}

export const FAIL_AFTER_MS_DEFAULT = 15_000;
