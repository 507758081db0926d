import type { DynamicModule, Type } from '@nestjs/common';

/** One object of a recipe, to be injected by a token of its own. */
export interface Feature<Client> {
  readonly token: string;
  /** Makes it from what the recipe's module provides. */
  readonly create: (client: Client) => unknown;
}

/**
 * The path of a feature that `forFeature` was given: as such, or beside its settings.
 *
 * @returns null: it has none, as callers without types can have it.
 */
export function featurePath(feature: unknown): string | null {
  const path: unknown =
    typeof feature === 'string' ? feature : Reflect.get(Object(feature), 'path');
  return typeof path === 'string' ? path : null;
}

/**
 * The module that a recipe's `forFeature` returns: single objects of a recipe as providers. Imported
 * several times for the same object it provides the same, if the client keeps one for each name.
 *
 * @param host An empty module class of the recipe, for Nest to print: `LeaderFeatureModule`.
 * @param client The token of what the recipe's module provides: `getLeadersToken(name)`.
 */
export function featureModule<Client>(
  host: Type,
  client: string,
  features: readonly Feature<Client>[],
): DynamicModule {
  return {
    module: host,
    providers: features.map(({ token, create }) => ({
      provide: token,
      inject: [client],
      useFactory: create,
    })),
    exports: features.map(({ token }) => token),
  };
}
