/**
 * What an indicator of `@nestjs/terminus` (12) resolves with, under the name that the caller gave it.
 * `degraded` does not fail a health check, `down` does. The rest is for people, and fit for JSON.
 *
 * It is written down here, and not taken from there, so that nobody needs that package who has no
 * use for it.
 */
export type HealthResult<Name extends string = string> = Record<
  Name,
  {
    readonly status: 'up' | 'degraded' | 'down';
    /** Why it is not up. */
    readonly message?: string;
    readonly [fact: string]: unknown;
  }
>;

/** The result of one indicator. */
export function healthResult<Name extends string>(
  name: Name,
  detail: HealthResult[string],
): HealthResult<Name> {
  return { [name]: detail } as HealthResult<Name>;
}
