import {
  Inject,
  Module,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import { parseConnectionString } from '@aviary/client';
import { NestLog } from '../logging/nest-log.js';
import { awaitFirstSession } from './first-session.js';
import { ManagedClient } from './managed-client.js';
import { warnWithoutShutdownHooks } from './shutdown-notice.js';
import type { ZooKeeperModuleOptions } from './zookeeper-options.js';
import { ZooKeeperSetupError } from './zookeeper-setup-error.js';
import { ConfigurableModuleClass, ZOOKEEPER_OPTIONS } from './zookeeper.module-definition.js';
import { CONNECTION_NAME, getZooKeeperToken } from './zookeeper.tokens.js';

/**
 * A connection to an ensemble for the whole application: one client, which is one session.
 *
 * It is connected before modules that use it are initialised, and closed after their
 * `onApplicationShutdown` has run, so every life cycle hook of a user may use it. Applications that
 * need several connections give them names. A name that is taken, options that make no sense, and an
 * ensemble that cannot be reached end the start with ZooKeeperSetupError.
 *
 * @example
 * imports: [ZooKeeperModule.forRoot({ servers: 'zk1:2181,zk2:2181/shop' })]
 */
@Module({})
export class ZooKeeperModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  /** The name of the connection. */
  readonly connection: string;
  private readonly log = new NestLog('ZooKeeperModule');
  private closing: Promise<void> | null = null;
  private forgetNotice: () => void = () => undefined;

  constructor(
    @Optional() @Inject(CONNECTION_NAME) connection: string | undefined,
    @Optional()
    @Inject(ZOOKEEPER_OPTIONS)
    private readonly options: ZooKeeperModuleOptions | undefined,
    private readonly moduleRef: ModuleRef,
    private readonly modules: ModulesContainer,
  ) {
    super();
    if (connection === undefined) {
      throw new ZooKeeperSetupError('?', 'import ZooKeeperModule.forRoot(...), not the class');
    }
    this.connection = connection;
  }

  async onModuleInit(): Promise<void> {
    this.refuseSecondOfName();
    const client = this.client();
    if (client === null) return;
    try {
      await awaitFirstSession(client, this.options?.startup, this.log);
    } catch (cause) {
      await this.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const where = String(this.options?.servers);
      throw new ZooKeeperSetupError(this.connection, `no session at ${where}: ${reason}`, {
        cause,
      });
    }
  }

  onApplicationBootstrap(): void {
    if (this.client() !== null) this.forgetNotice = warnWithoutShutdownHooks(this.log);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** @internal Whether the connection names the server at `address`, which is `host:port`. */
  names(address: string): boolean {
    if (this.client() === null || this.options === undefined) return false;
    const { servers } = parseConnectionString(String(this.options.servers));
    const isLocal = (host: string) => ['127.0.0.1', 'localhost', '::1'].includes(host);
    const [wanted] = parseConnectionString(address).servers;
    return servers.some(
      ({ host, port }) =>
        port === wanted?.port && (host === wanted.host || (isLocal(host) && isLocal(wanted.host))),
    );
  }

  /** @internal Closes the client, so that its ephemeral nodes go now. */
  close(): Promise<void> {
    this.forgetNotice();
    this.closing ??= this.client()?.close() ?? Promise.resolve();
    return this.closing;
  }

  /** The client, unless something else stands under its token, as in tests. */
  private client(): ManagedClient | null {
    const client: unknown = this.moduleRef.get(getZooKeeperToken(this.connection));
    return client instanceof ManagedClient ? client : null;
  }

  private refuseSecondOfName(): void {
    const same = Array.from(this.modules.values(), ({ instance }): unknown => instance).filter(
      (instance) => instance instanceof ZooKeeperModule && instance.connection === this.connection,
    );
    if (same.length < 2) return;
    throw new ZooKeeperSetupError(
      this.connection,
      'it is defined more than once; import it in one module only, or give the others a `name`',
    );
  }
}
