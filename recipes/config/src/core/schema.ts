import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidArgumentError } from '@aviary/client';
import { TimeLimit, type TimeLimits } from '@aviary/coordination';
import type { Clock } from '@aviary/foundation';
import type { ConfigIssue } from './config-errors.js';

/**
 * A schema of any library that speaks Standard Schema: zod, valibot, arktype, joi, ...
 *
 * @typeParam T What it makes of data.
 * @typeParam Data What the data are, before.
 */
export type ConfigSchema<T, Data = unknown> = StandardSchemaV1<Data, T>;

/** What a schema says of data. */
export type Validation<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly issues: readonly ConfigIssue[] };

/** @throws {InvalidArgumentError} It is no Standard Schema. */
export function checkSchema(schema: unknown, where: string): void {
  const isObject = typeof schema === 'object' || typeof schema === 'function';
  const standard: unknown = isObject ? Reflect.get(Object(schema), '~standard') : undefined;
  const validate: unknown = Reflect.get(Object(standard), 'validate');
  if (typeof validate === 'function') return;
  throw new InvalidArgumentError(
    `${where}: the schema is none: it must be a Standard Schema, as those of zod, valibot, arktype ` +
      'and joi (from 18 on) are',
  );
}

/** How long a schema may take. */
export interface ValidationLimit extends TimeLimits {
  readonly clock: Clock;
  readonly waitMs: number;
}

/**
 * Asks a schema, for a limited time. Never rejects: a schema that throws, or that does not answer
 * in time, has not let the data pass.
 */
export async function validate<T>(
  schema: ConfigSchema<T>,
  data: unknown,
  limit: ValidationLimit,
): Promise<Validation<T>> {
  return judge(schema, data, limit);
}

/** As {@link validate}, but a schema that is synchronous has answered when it returns. */
export function judge<T>(
  schema: ConfigSchema<T>,
  data: unknown,
  limit: ValidationLimit,
): Validation<T> | Promise<Validation<T>> {
  try {
    const answer = schema['~standard'].validate(data);
    if (!('then' in answer)) return verdictOf(answer);
    return inTime(answer, limit)
      .then(verdictOf<T>)
      .catch(failed);
  } catch (error) {
    return failed(error);
  }
}

function verdictOf<T>(result: StandardSchemaV1.Result<T>): Validation<T> {
  if (result.issues === undefined) return { kind: 'valid', value: result.value };
  return { kind: 'invalid', issues: issuesOf(result.issues) };
}

function failed(error: unknown): Validation<never> {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'invalid', issues: [{ path: '', message: `the schema failed: ${message}` }] };
}

function issuesOf(issues: readonly StandardSchemaV1.Issue[]): readonly ConfigIssue[] {
  if (issues.length === 0) return [{ path: '', message: 'the schema gives no reason' }];
  return issues.map(({ message, path = [] }) => ({
    path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
    message,
  }));
}

async function inTime<R>(answer: Promise<R>, { clock, ...limits }: ValidationLimit): Promise<R> {
  const answered: { result?: R } = {};
  const noted = Promise.resolve(answer).then((result) => (answered.result = result));
  await new TimeLimit(clock, limits).race(noted);
  if (answered.result !== undefined) return answered.result;
  throw new Error(`no answer within ${limits.waitMs} ms`);
}
