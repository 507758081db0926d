import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidArgumentError } from '@aviary/client';
import type { Clock, Timer } from '@aviary/foundation';
import type { ConfigIssue } from './config-errors.js';

/** A schema of any library that speaks Standard Schema: zod, valibot, arktype, joi, ... */
export type ConfigSchema<T> = StandardSchemaV1<unknown, T>;

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

/**
 * Asks a schema, at most for `limitMs`. Never rejects: a schema that throws, or that does not
 * answer in time, has not let the data pass.
 */
export async function validate<T>(
  schema: ConfigSchema<T>,
  data: unknown,
  limit: { readonly clock: Clock; readonly limitMs: number },
): Promise<Validation<T>> {
  try {
    const answer = schema['~standard'].validate(data);
    const result = 'then' in answer ? await inTime(answer, limit) : answer;
    if (result.issues === undefined) return { kind: 'valid', value: result.value };
    return { kind: 'invalid', issues: issuesOf(result.issues) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'invalid', issues: [{ path: '', message: `the schema failed: ${message}` }] };
  }
}

function issuesOf(issues: readonly StandardSchemaV1.Issue[]): readonly ConfigIssue[] {
  if (issues.length === 0) return [{ path: '', message: 'the schema gives no reason' }];
  return issues.map(({ message, path = [] }) => ({
    path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
    message,
  }));
}

async function inTime<R>(
  answer: Promise<R>,
  { clock, limitMs }: { readonly clock: Clock; readonly limitMs: number },
): Promise<R> {
  let timer: Timer | null = null;
  const late = new Promise<never>((_resolve, reject) => {
    timer = clock.setTimer(limitMs, () => reject(new Error(`no answer within ${limitMs} ms`)));
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    (timer as Timer | null)?.cancel();
  }
}
