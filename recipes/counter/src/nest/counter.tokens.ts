import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which a `CounterClient` is provided, for `inject: [...]` and for tests. */
export function getCountersToken(name: string = DEFAULT_MODULE): string {
  return `aviary:counters:${name}`;
}

/** The token of one counter of `CounterModule.forFeature`. */
export function getCounterToken(path: string, name: string = DEFAULT_MODULE): string {
  return `aviary:counter:${name}:${path}`;
}

/**
 * Injects the `CounterClient` of a `CounterModule`. For the one without a name the class will do as
 * well: `constructor(private readonly counters: CounterClient)`.
 */
export function InjectCounters(name?: string): ReturnType<typeof Inject> {
  return Inject(getCountersToken(name));
}

/**
 * Injects one counter, value or block of ids of `CounterModule.forFeature`.
 *
 * @param name Of the `CounterModule`, if it has one.
 *
 * @example
 * constructor(@InjectCounter('orders') private readonly orders: AtomicCounter<bigint>) {}
 */
export function InjectCounter(path: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getCounterToken(path, name));
}
