import {
  ConfigurationError,
  EnsembleServer,
  StandaloneServer,
  memberOptions,
  readEnsemble,
  serverOptions,
  type MemberMode,
  type ServerOptions,
  type ServerPorts,
} from '@aviary/server';
import type { EnsembleOptions } from './ensemble-options.js';

const INIT_LIMIT_TICKS_DEFAULT = 10;
const SYNC_LIMIT_TICKS_DEFAULT = 5;
const BIND_RETRY_DEFAULT = 3;

/** What a member is: one that is looking for a leader serves nobody. */
export type EnsembleMode = 'standalone' | MemberMode;

/** A server of either kind, and what it was made with. */
export interface HostedServer {
  readonly server: StandaloneServer | EnsembleServer;
  readonly options: ServerOptions;
}

/**
 * Makes the server that the options ask for: a member of an ensemble, or one that stands alone.
 *
 * @param onModeChange Called when what {@link modeOf} says of it changes while it serves.
 * @throws {ConfigurationError} The ensemble makes no sense, or this server is none of it.
 */
export function hostedServer(
  given: EnsembleOptions,
  ports: ServerPorts,
  onFailure: (reason: string) => void,
  onModeChange: () => void,
): HostedServer {
  const { ensemble, ...rest } = withoutUndefined(given);
  const limits = withoutUndefined(given.limits ?? {});
  const standalone = serverOptions({ ...rest, limits });
  if (ensemble === undefined) {
    return {
      server: new StandaloneServer(standalone, ports, onFailure),
      options: standalone,
    };
  }
  if (rest.serverId === undefined) {
    throw new ConfigurationError(
      'EnsembleModule: serverId is not set: say which of the servers in the ensemble this one is',
    );
  }
  const { options } = memberOptions(
    standalone,
    {
      ensemble: typeof ensemble === 'string' ? readEnsemble(ensemble) : ensemble,
      initLimitTicks: rest.initLimitTicks ?? INIT_LIMIT_TICKS_DEFAULT,
      syncLimitTicks: rest.syncLimitTicks ?? SYNC_LIMIT_TICKS_DEFAULT,
      electionPortBindRetry: rest.electionPortBindRetry ?? BIND_RETRY_DEFAULT,
      peerType: null,
      client: {
        ...(rest.clientAddress === undefined ? {} : { address: rest.clientAddress }),
        ...(rest.clientPort === undefined ? {} : { port: rest.clientPort }),
      },
    },
    rest.serverId,
  );
  const server = new EnsembleServer(options, ports, onFailure);
  server.onModeChange = onModeChange;
  return { server, options };
}

/** What it is now; null before it listens, and once it is over. */
export function modeOf(server: StandaloneServer | EnsembleServer): EnsembleMode | null {
  if (server instanceof EnsembleServer) return server.lifecycle === 'serving' ? server.mode : null;
  return server.state === 'serving' ? 'standalone' : null;
}

/** What callers leave undefined, for instance from an environment, is as if it were not there. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}
