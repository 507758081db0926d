import { inspect } from 'node:util';
import { InvalidArgumentError } from '@aviary/client';
import type { TimeLimits } from '@aviary/coordination';
import { INT32_MAX, type QueueLayout } from './item-names.js';

/** How an item is put. */
export interface PutOptions extends TimeLimits {
  /** Of the layout `priority`: lower ones come first. Default: 0. */
  readonly priority?: number | undefined;
  /** Of the layout `delay`: not before so many milliseconds, by the clock of the servers. */
  readonly delayMs?: number | undefined;
  /** Of the layout `delay`, instead: not before the clock of the servers shows that moment. */
  readonly dueAt?: Date | undefined;
  /** Of the layout `id`. Slashes and bars become underscores, for Curator does so: `a/b`, `a|b` and `a_b` are the same.
   * Not empty. Default: a random one. */
  readonly id?: string | undefined;
}

/** @throws {InvalidArgumentError} An option does not fit the layout, or means nothing. */
export function checkPutOptions(layout: QueueLayout, options: PutOptions): void {
  const { priority, delayMs, dueAt, id } = options;
  const refuse = (problem: string): never => {
    throw new InvalidArgumentError(`put: ${problem}`);
  };
  const belongsTo = (option: string, wanted: QueueLayout): void => {
    if (layout !== wanted) refuse(`${option} is for the layout "${wanted}", not "${layout}"`);
  };
  if (priority !== undefined) {
    belongsTo('priority', 'priority');
    if (!Number.isInteger(priority) || priority > INT32_MAX || priority < -INT32_MAX - 1) {
      const bounds = `from ${-INT32_MAX - 1} to ${INT32_MAX}`;
      refuse(`priority must be a whole number ${bounds}, not ${inspect(priority)}`);
    }
  }
  if ((delayMs ?? dueAt) !== undefined) belongsTo('a delay', 'delay');
  if (id !== undefined) belongsTo('id', 'id');
  if (delayMs !== undefined && dueAt !== undefined) refuse('give delayMs or dueAt, not both');
  if (delayMs !== undefined && !(Number.isFinite(delayMs) && delayMs >= 0)) {
    refuse(`delayMs must be milliseconds from 0 up, not ${inspect(delayMs)}`);
  }
  // Callers without types can pass anything.
  if (dueAt !== undefined && !((dueAt as unknown) instanceof Date)) {
    refuse(`dueAt must be a Date, not ${inspect(dueAt)}`);
  }
  if (dueAt !== undefined && !(dueAt.getTime() >= 0)) {
    refuse(`dueAt must be a moment after 1970, not ${inspect(dueAt)}`);
  }
  if (id === undefined) return;
  checkId(id, refuse);
  if (id === '') refuse('an id must not be empty; leave it out for a random one');
}

/** @param refuse Is told what is wrong, and throws. */
export function checkId(id: unknown, refuse: (problem: string) => never): void {
  if (typeof id !== 'string') refuse(`an id must be a string, not ${inspect(id)}`);
}
