import {
  DEFAULT_MODULE,
  Marks,
  RunnerBinding,
  durationOptionMs,
  markedMethodOf,
  type Duration,
} from '@aviary/nest';
import {
  countProblem,
  idleProblem,
  isCount,
  type ConsumeOptions,
} from '../core/consume-options.js';
import type { Delivery } from '../core/delivery.js';
import type { QueueSettings } from '../core/queue-client.js';
import { DELIVERIES } from './delivery.decorator.js';
import { QueueRunner } from './queue-runner.js';
import { QueueSetupError } from './queue-setup-error.js';
import { runnerToken } from './queue.tokens.js';

/** How a method under {@link QueueConsumer} is given items. */
export interface QueueConsumerOptions extends QueueSettings {
  /** How many items it works on at the same time, in this process. Default: 1. */
  readonly concurrency?: number | undefined;
  /**
   * `at-least-once`: an item goes when the method has succeeded. `at-most-once`: before it is called.
   * Default: `at-least-once`.
   */
  readonly mode?: ConsumeOptions['mode'];
  /** How often an item is tried before it goes to the dead letters. Default: 5. */
  readonly retry?: number | undefined;
  /** The limit of the pause before the second attempt; it doubles. Default: 200 ms. */
  readonly backoff?: Duration | undefined;
  /** No pause is longer. Default: 30 seconds. */
  readonly backoffMax?: Duration | undefined;
  /** The `name` of the `QueueModule` whose queues are meant. */
  readonly queues?: string | undefined;
}

/** What the decorator leaves on a method. */
export interface ConsumerMark {
  readonly path: string;
  readonly module: string;
  readonly options: ConsumeOptions;
  /** The indices of the parameters under `@Delivery()`. */
  readonly deliveries: readonly number[];
  /** null: those that the queue has elsewhere, or the defaults. */
  readonly settings: QueueSettings | null;
}

const DECORATOR = '@QueueConsumer()';
const SETTINGS = ['layout', 'codec', 'lockPath', 'deadLetter', 'maxItems'] as const;

/** What says nothing in the mode `at-most-once`. */
const OF_ATTEMPTS = ['retry', 'backoff', 'backoffMax', 'deadLetter'] as const;

/** The methods that consume. */
export const CONSUMERS = new Marks<ConsumerMark>();

/** How Nest refuses to start where there is no `QueueModule`. */
export const RUNNERS = new RunnerBinding<QueueRunner>({
  moduleClass: 'QueueModule',
  noun: 'queues',
  runner: QueueRunner,
  tokenOf: runnerToken,
  substitute: 'getQueuesToken()',
  SetupError: QueueSetupError,
});

/**
 * Calls the method for every item of a queue, on one of the processes that consume it, from when the application
 * has started until it is shut down.
 *
 * It is given the message and a {@link Delivery} (see `@Delivery()`): which item, which attempt, a signal, a fencing token,
 * guarded transactions. The item goes when the method's promise (or stream) has ended; if it fails it is
 * tried again, with a pause, and after {@link QueueConsumerOptions.retry} attempts it goes to the dead letters
 * with the error. `RejectItemError` sends it there at once.
 *
 * @param path Of the queue, below the module's root.
 * @throws {QueueSetupError} when the class is defined. What shows later stops the start: a missing
 * `QueueModule`, a request-scoped class, settings that differ from those given elsewhere.
 *
 * @example
 * \@QueueConsumer('emails', { concurrency: 4, retry: 5, deadLetter: 'emails-dead' })
 * async send(mail: Mail, { signal, id }: Delivery): Promise<void> {
 *   await this.smtp.send(mail, { signal, messageId: id });
 * }
 */
export function QueueConsumer(
  path: string,
  options: QueueConsumerOptions = {},
): <M extends (message: never, delivery: Delivery) => unknown>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return (target, key, descriptor) => {
    const decoration = {
      decorator: DECORATOR,
      SetupError: QueueSetupError,
      whyNotStatic: 'a static method has no application whose queues it could consume',
      whyNotGenerator: 'a generator has no end at which an item would be done',
    };
    const { name } = markedMethodOf(decoration, target, key, descriptor);
    const refuse = (problem: string): never => {
      throw new QueueSetupError(`${DECORATOR} on ${name}: ${problem}`);
    };
    if (typeof path !== 'string' || path === '') refuse('the path of the queue must be a string');
    const { concurrency, mode, retry, queues: module = DEFAULT_MODULE } = options;
    const backoffMs = durationOptionMs('backoff', options.backoff, refuse);
    const backoffMsMax = durationOptionMs('backoffMax', options.backoffMax, refuse);
    if (retry !== undefined && !isCount(retry)) refuse(countProblem('retry', retry));
    const idle = OF_ATTEMPTS.find((option) => (options[option] ?? false) !== false);
    if (mode === 'at-most-once' && idle !== undefined) refuse(idleProblem(idle));
    const given = SETTINGS.filter((setting) => options[setting] !== undefined);
    CONSUMERS.add(target, key, {
      path,
      module,
      options: { concurrency, mode, attempts: retry, backoffMs, backoffMsMax },
      deliveries: DELIVERIES.claim(target, key),
      settings:
        given.length === 0 ? null : Object.fromEntries(given.map((one) => [one, options[one]])),
    });
    RUNNERS.require(target, { decorator: DECORATOR, method: name, module });
  };
}
