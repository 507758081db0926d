import { ConfigurableModuleBuilder, type DynamicModule, type Provider } from '@nestjs/common';
import { ZooKeeper } from '@aviary/client';
import { ZooKeeperHealthIndicator } from '../health/zookeeper-health.indicator.js';
import { ManagedClient } from './managed-client.js';
import { NestLog } from '../logging/nest-log.js';
import { misplacedExtras } from '../modules/misplaced-extras.js';
import type { ZooKeeperModuleOptions } from './zookeeper-options.js';
import { ZooKeeperSetupError } from './zookeeper-setup-error.js';
import { CONNECTION_NAME, DEFAULT_CONNECTION, getZooKeeperToken } from './zookeeper.tokens.js';

/** What is said beside the options, since the module's shape depends on it. */
const EXTRAS = {
  /** The connection, where an application has several. */
  name: DEFAULT_CONNECTION,
  /** Whether modules can inject the client without importing this one. */
  isGlobal: true,
};

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: ZOOKEEPER_OPTIONS } =
  new ConfigurableModuleBuilder<ZooKeeperModuleOptions>({ moduleName: 'ZooKeeper' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createZooKeeperOptions')
    .setExtras(EXTRAS, withConnection)
    .build();

function withConnection(definition: DynamicModule, given: typeof EXTRAS): DynamicModule {
  const { name, isGlobal } = given;
  // Nest hands over the options of `forRoot`, too.
  const extras = { name, isGlobal };
  const token = getZooKeeperToken(name);
  const connection: Provider[] = [
    { provide: CONNECTION_NAME, useValue: name },
    {
      provide: token,
      inject: [ZOOKEEPER_OPTIONS],
      useFactory: (options: ZooKeeperModuleOptions | undefined) => newClient(extras, options),
    },
    ZooKeeperHealthIndicator,
  ];
  const exported: NonNullable<DynamicModule['exports']> = [token, ZooKeeperHealthIndicator];
  if (name === DEFAULT_CONNECTION) {
    connection.push({ provide: ZooKeeper, useExisting: token });
    exported.push(ZooKeeper);
  }
  return {
    ...definition,
    global: isGlobal,
    providers: [...(definition.providers ?? []), ...connection],
    exports: [...(definition.exports ?? []), ...exported],
  };
}

function newClient(extras: typeof EXTRAS, options: ZooKeeperModuleOptions | undefined): ZooKeeper {
  const { name } = extras;
  if (typeof options !== 'object') {
    throw new ZooKeeperSetupError(
      name,
      `its options must be an object, not ${typeof options}; does the factory return them?`,
    );
  }
  const misplaced = misplacedExtras(options, extras);
  if (misplaced !== null) throw new ZooKeeperSetupError(name, misplaced);
  const context = name === DEFAULT_CONNECTION ? 'ZooKeeper' : `ZooKeeper:${name}`;
  try {
    return new ManagedClient({ ...options, log: options.log ?? new NestLog(context) });
  } catch (cause) {
    throw new ZooKeeperSetupError(name, cause instanceof Error ? cause.message : String(cause), {
      cause,
    });
  }
}
