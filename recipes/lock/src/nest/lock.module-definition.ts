import { hostname } from 'node:os';
import { ConfigurableModuleBuilder, type DynamicModule, type Provider } from '@nestjs/common';
import type { ZooKeeper } from '@aviary/client';
import { NestLog, getZooKeeperToken } from '@aviary/nest';
import { LockClient } from '../core/lock-client.js';
import { durationMs } from './duration.js';
import { LockGuard } from './lock-guard.js';
import type { LockModuleOptions } from './lock-module-options.js';
import { LockSetupError } from './lock-setup-error.js';
import {
  DEFAULT_LOCKS,
  LOCAL_GUARD,
  LOCKS_NAME,
  getLocksToken,
  guardToken,
} from './lock.tokens.js';

/** What is said beside the options, since the module's shape depends on it. */
const EXTRAS = {
  /** These locks, where an application has several kinds. */
  name: DEFAULT_LOCKS,
  /** The name of the connection of `ZooKeeperModule`; unset: the default one. */
  connection: undefined as string | undefined,
  /** Whether other modules have the locks without importing this one. */
  isGlobal: true,
};

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: LOCK_OPTIONS,
  OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<LockModuleOptions>({ moduleName: 'Lock' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createLockOptions')
  .setExtras(EXTRAS, withLocks)
  .build();

function withLocks(definition: DynamicModule, extras: typeof EXTRAS): DynamicModule {
  const { name, connection, isGlobal } = extras;
  const zooKeeper = { token: getZooKeeperToken(connection), optional: true };
  const providers: Provider[] = [
    { provide: LOCKS_NAME, useValue: name },
    {
      provide: getLocksToken(name),
      inject: [LOCK_OPTIONS, zooKeeper],
      useFactory: (options: LockModuleOptions | undefined, zk: ZooKeeper | undefined) =>
        newLocks(name, connection, options, zk),
    },
    {
      provide: guardToken(name),
      inject: [LOCK_OPTIONS, zooKeeper, getLocksToken(name)],
      useFactory: (options: LockModuleOptions, zk: ZooKeeper, locks: LockClient) =>
        newGuard(name, options, zk, locks),
    },
    { provide: LOCAL_GUARD, useExisting: guardToken(name) },
  ];
  const exported: (string | typeof LockClient)[] = [getLocksToken(name), guardToken(name)];
  if (name === DEFAULT_LOCKS) {
    providers.push({ provide: LockClient, useExisting: getLocksToken(name) });
    exported.push(LockClient);
  }
  return {
    ...definition,
    global: isGlobal,
    providers: [...(definition.providers ?? []), ...providers],
    exports: [...(definition.exports ?? []), ...exported],
  };
}

function newLocks(
  name: string,
  connection: string | undefined,
  options: LockModuleOptions | undefined,
  zk: ZooKeeper | undefined,
): LockClient {
  if (zk === undefined) {
    const extra = connection === undefined ? '' : ` with the name "${connection}"`;
    throw new LockSetupError(
      `LockModule "${name}" needs ZooKeeperModule.forRoot(...)${extra} in the imports`,
    );
  }
  if (typeof options !== 'object') {
    throw new LockSetupError(
      `LockModule "${name}": its options must be an object, not ${typeof options}; ` +
        'does the factory return them?',
    );
  }
  const { root = '/locks', identity = `${hostname()} ${process.pid}`, log } = options;
  try {
    return new LockClient(zk, { ...options, root, identity, log: log ?? logOf(name) });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new LockSetupError(`LockModule "${name}": ${problem}`, { cause });
  }
}

function newGuard(
  name: string,
  options: LockModuleOptions,
  { clock }: ZooKeeper,
  locks: LockClient,
): LockGuard {
  const defaults = {
    waitMs: moduleDurationMs(name, options, 'wait'),
    maxHoldMs: moduleDurationMs(name, options, 'maxHold'),
  };
  return new LockGuard({ locks, clock, log: options.log ?? logOf(name), defaults });
}

function logOf(name: string): NestLog {
  return new NestLog(name === DEFAULT_LOCKS ? 'Locks' : `Locks:${name}`);
}

/** @throws {LockSetupError} */
export function moduleDurationMs(
  name: string,
  options: LockModuleOptions,
  key: 'wait' | 'maxHold' | 'drain',
): number | undefined {
  const given = options[key];
  if (given === undefined) return undefined;
  const ms = durationMs(given);
  if (ms !== null) return ms;
  throw new LockSetupError(
    `LockModule "${name}": ${key} must be milliseconds or a time such as "5s", not ` +
      JSON.stringify(given),
  );
}
