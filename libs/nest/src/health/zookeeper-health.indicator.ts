import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { SessionState, ZooKeeper } from '@aviary/client';
import { DEFAULT_CONNECTION, getZooKeeperToken } from '../zookeeper/zookeeper.tokens.js';
import { healthResult, type HealthResult } from './health-result.js';

/**
 * The health of a connection, for `@nestjs/terminus`. `ZooKeeperModule` provides it.
 *
 * @example
 * this.health.check([() => this.zookeeper.isHealthy('audit', { connection: 'audit' })]);
 */
@Injectable()
export class ZooKeeperHealthIndicator {
  constructor(private readonly moduleRef: ModuleRef) {}

  /**
   * Where the session stands at this moment, as the `session` of the result. Asks no server, so it
   * takes no time and needs no timeout. `up`: it has a connection. `degraded`: it has none, or one to a
   * server that is read-only, and it still lives. `down`: there is no session, or none any more.
   *
   * @param name Under which the result stands.
   * @param options.connection The name of the connection of `ZooKeeperModule`.
   * @throws Nest's UnknownElementException: there is no such connection.
   */
  isHealthy<const Name extends string = 'zookeeper'>(
    name: Name = 'zookeeper' as Name,
    options: { readonly connection?: string } = {},
  ): HealthResult<Name> {
    const { connection = DEFAULT_CONNECTION } = options;
    const token = getZooKeeperToken(connection);
    const { state } = this.moduleRef.get<ZooKeeper>(token, { strict: false });
    return healthResult(name, { ...healthOf(state), session: state.kind });
  }
}

function healthOf(state: SessionState): HealthResult[string] {
  switch (state.kind) {
    case 'connected':
    case 'reconnected':
      if (!state.readOnly) return { status: 'up' };
      return { status: 'degraded', message: 'the server has no quorum and answers reads only' };
    case 'suspended':
      return { status: 'degraded', message: `there is no connection: ${state.reason}` };
    case 'connecting':
      return { status: 'down', message: 'there is no session yet' };
    case 'lost':
      return { status: 'down', message: 'the session is over, and there is no new one yet' };
    case 'authFailed':
      return { status: 'down', message: 'the server refused the credentials' };
    case 'closed':
      return { status: 'down', message: 'the client was closed' };
  }
}
