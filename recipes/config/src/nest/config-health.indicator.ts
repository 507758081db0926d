import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { DEFAULT_MODULE, type HealthResult } from '@aviary/nest';
import { problemText, versionText } from '../core/config-errors.js';
import type { LiveConfig } from '../core/live-config.js';
import type { ConfigRegistry } from './config-registry.js';
import { registryToken } from './config.tokens.js';

/**
 * The health of configurations, for `@nestjs/terminus`. `ConfigWatchModule` provides it.
 *
 * @example
 * this.health.check([() => this.configs.isHealthy('configs')]);
 */
@Injectable()
export class ConfigHealthIndicator {
  constructor(private readonly moduleRef: ModuleRef) {}

  /**
   * How the configurations stand to their data at this moment. Asks no server, so it takes no time
   * and needs no timeout. `degraded`: the newest data of one were rejected, deleted or cannot be
   * read, and it goes on with what it has. `down`: one has no value. Else `up`. The result names
   * the version of each.
   *
   * @param name Under which the result stands.
   * @param options.configs The `name` of the `ConfigWatchModule`.
   * @throws Nest's UnknownElementException: there is no such module.
   */
  isHealthy<const Name extends string = 'config'>(
    name: Name = 'config' as Name,
    options: { readonly configs?: string } = {},
  ): HealthResult<Name> {
    const token = registryToken(options.configs ?? DEFAULT_MODULE);
    const { all } = this.moduleRef.get<ConfigRegistry>(token, { strict: false });
    const problems = all.flatMap((live) =>
      live.state.kind === 'degraded' ? [`${live.path}: ${problemText(live.state.problem)}`] : [],
    );
    const versions = Object.fromEntries(all.map((live) => [live.path, versionOf(live)]));
    const status = all.some(hasNoValue) ? 'down' : problems.length > 0 ? 'degraded' : 'up';
    const message = problems.length > 0 ? { message: problems.join('; ') } : {};
    const result: HealthResult = { [name]: { status, ...message, versions } };
    return result;
  }
}

function hasNoValue(live: LiveConfig<unknown>): boolean {
  return versionOf(live) === 'none';
}

/** Fit for JSON. */
function versionOf({ version, hasValue }: LiveConfig<unknown>): string {
  if (version !== null) return versionText(version);
  return hasValue ? 'default' : 'none';
}
