import { Inject } from '@nestjs/common';
import { DEFAULT_MODULE } from '@aviary/nest';

/** The token under which a `QueueClient` is provided, for `inject: [...]` and for tests. */
export function getQueuesToken(name: string = DEFAULT_MODULE): string {
  return `aviary:queues:${name}`;
}

/** The token of one queue of `QueueModule.forFeature`. */
export function getQueueToken(path: string, name: string = DEFAULT_MODULE): string {
  return `aviary:queue:${name}:${path}`;
}

/** The token of what runs the consumers of a module. */
export function runnerToken(name: string): string {
  return `aviary:queue-runner:${name}`;
}

/** The runner of a module, inside that module. */
export const LOCAL_RUNNER = Symbol('aviary:queues:runner');

/**
 * Injects the `QueueClient` of a `QueueModule`. For the one without a name the class will do as well:
 * `constructor(private readonly queues: QueueClient)`.
 */
export function InjectQueues(name?: string): ReturnType<typeof Inject> {
  return Inject(getQueuesToken(name));
}

/**
 * Injects one queue of `QueueModule.forFeature`.
 *
 * @param name Of the `QueueModule`, if it has one.
 *
 * @example
 * constructor(@InjectQueue('emails') private readonly emails: ItemQueue<Mail>) {}
 */
export function InjectQueue(path: string, name?: string): ReturnType<typeof Inject> {
  return Inject(getQueueToken(path, name));
}
