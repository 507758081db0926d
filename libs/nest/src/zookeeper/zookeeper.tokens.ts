import { Inject } from '@nestjs/common';

/** The connection of a module that names none. */
export const DEFAULT_CONNECTION = 'default';

/** The name of a module's connection, inside that module. */
export const CONNECTION_NAME = Symbol('aviary:zookeeper:name');

/**
 * The token under which a connection's client is provided, for `inject: [...]` and for tests that
 * override it.
 */
export function getZooKeeperToken(name: string = DEFAULT_CONNECTION): string {
  return `aviary:zookeeper:${name}`;
}

/**
 * Injects the client of a connection. For the default one the class will do as well:
 * `constructor(private readonly zk: ZooKeeper)`.
 *
 * @example
 * constructor(@InjectZooKeeper('audit') private readonly audit: ZooKeeper) {}
 */
export function InjectZooKeeper(name?: string): ReturnType<typeof Inject> {
  return Inject(getZooKeeperToken(name));
}
