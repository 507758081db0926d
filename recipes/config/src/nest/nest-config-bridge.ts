import type { ModuleRef } from '@nestjs/core';
import type { LiveConfig } from '../core/live-config.js';
import type { ConfigValues } from './config-definition.js';
import { ConfigSetupError } from './config-setup-error.js';

/** `ConfigService` of `@nestjs/config`, as far as it is used here. */
export interface ConfigServiceLike extends ConfigValues {
  /** The path may be a list of names, though its type does not say so. */
  set(path: readonly string[], value: unknown): void;
}

/**
 * The application's `ConfigService`; null: it has none, or `@nestjs/config` is not installed.
 *
 * The package is an optional one, so it is asked for here and not imported above.
 */
export async function findConfigService(moduleRef: ModuleRef): Promise<ConfigServiceLike | null> {
  try {
    const { ConfigService } = await import('@nestjs/config');
    return moduleRef.get<unknown, ConfigServiceLike>(ConfigService, { strict: false });
  } catch {
    return null;
  }
}

/**
 * Shows the value of a configuration under a key of `ConfigService`, now.
 *
 * `set` copies what it is given to `process.env` if its path is a string, from where every child
 * process would have it. Given a list of names it does not; whatever a later release does, the
 * variable is put back.
 */
export function mirror(service: ConfigServiceLike, into: string, { value }: LiveConfig<unknown>) {
  const names = into.split('.');
  const variables = [into, String(names)];
  const before = variables.map((name) => process.env[name]);
  try {
    service.set(names, value);
  } finally {
    variables.forEach((name, at) => {
      const text = before[at];
      if (text === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = text;
    });
  }
}

/** @throws {ConfigSetupError} They are no keys, or one is, or is within, another. */
export function checkBridgeKeys(keys: readonly string[]): void {
  for (const [at, into] of keys.entries()) {
    checkBridgeKey(into);
    // Values are frozen, and replaced as a whole.
    const other = keys.slice(0, at).find((one) => isWithin(one, into) || isWithin(into, one));
    if (other === undefined) continue;
    throw new ConfigSetupError(
      `bridge: into "${into}" and into "${other}" would overwrite each other: give ` +
        'them keys of which none is within the other',
    );
  }
}

function isWithin(inner: string, outer: string): boolean {
  return `${inner}.`.startsWith(`${outer}.`);
}

function checkBridgeKey(into: unknown): void {
  const isKey = typeof into === 'string' && /^[\w-]+(\.[\w-]+)*$/.test(into);
  const isSafe = isKey && !/(^|\.)(__proto__|constructor|prototype)(\.|$)/.test(into);
  if (isSafe) return;
  throw new ConfigSetupError(
    `bridge: into must be a key such as "pricing" or "shop.pricing", not ${JSON.stringify(into)}`,
  );
}
