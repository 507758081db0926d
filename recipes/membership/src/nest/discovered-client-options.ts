import type { Duration } from '@aviary/nest';
import type { ClientProxy, TcpClientOptions } from '@nestjs/microservices';
import type { DiscoveredInstance, Services } from '../core/services.js';

/** Whom a `DiscoveredClient` calls, and how. */
export interface DiscoveredClientOptions {
  /** The service, by the name under which its instances are registered. */
  readonly service: string;
  /** The name of the `MembershipModule` in whose services it looks. Default: the one without a name. */
  readonly membership?: string | undefined;
  /** The services to look in, instead of those of a module; for clients that are made without Nest. */
  readonly services?: Services | undefined;
  /** How long a request waits for an instance that takes it. 0: it takes what is known. Default: `5s`. */
  readonly wait?: Duration | undefined;
  /** How long it waits for the connection to one, before it tries the next. Default: `1s`. */
  readonly attempt?: Duration | undefined;
  /** Of each connection over TCP, beside host and port: TLS, serializers, sizes of buffers. */
  readonly tcp?: Omit<NonNullable<TcpClientOptions['options']>, 'host' | 'port'> | undefined;
  /** Makes the client of one instance, for another transport than TCP. */
  readonly clientOf?: ((instance: DiscoveredInstance) => ClientProxy) | undefined;
}
