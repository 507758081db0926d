import { isObservable, type Observable, type Subscription } from 'rxjs';
import { placeArgument, type MethodRunner } from '@aviary/nest';
import { QueueClient } from '../core/queue-client.js';
import { QueueSetupError } from './queue-setup-error.js';
import type { ConsumerMark } from './queue-consumer.decorator.js';

/** A method that consumes, of an object of this application. */
export interface ConsumingMethod {
  /** As `Class.method`. */
  readonly label: string;
  readonly mark: ConsumerMark;
  readonly instance: object;
  readonly key: string | symbol;
}

type Method = (...args: unknown[]) => unknown;

/** Runs the consumers of one application. */
export class QueueRunner implements MethodRunner {
  private readonly queues: unknown;
  private readonly methods: ConsumingMethod[] = [];
  private hasEnded = false;

  /** @param queues The `QueueClient`, or what stands in its place in tests. */
  constructor(queues: unknown) {
    this.queues = queues;
  }

  get isEnded(): boolean {
    return this.hasEnded;
  }

  /** Adds a method; {@link start} calls it. @throws {QueueSetupError} */
  add(method: ConsumingMethod): void {
    const { queues } = this;
    if (!(queues instanceof QueueClient)) return;
    this.attempt(method, () => {
      const { path, settings } = method.mark;
      queues.queue(path, settings ?? undefined);
    });
    this.methods.push(method);
  }

  /** @throws {QueueSetupError} An option is wrong. */
  start(): void {
    const { queues } = this;
    if (!(queues instanceof QueueClient)) return;
    for (const method of this.methods) {
      const { instance, key, mark } = method;
      this.attempt(method, () => {
        queues.queue(mark.path).consume((message, delivery) => {
          // What stands there now: other decorators may have replaced it.
          const called = Reflect.get(instance, key) as Method;
          const args = placeArgument([message, delivery], mark.deliveries, delivery);
          const result = called.apply(instance, args);
          return isObservable(result) ? ended(result, delivery.signal) : result;
        }, mark.options);
      });
    }
  }

  stop(): void {
    this.hasEnded = true;
    if (this.queues instanceof QueueClient) this.queues.stopConsuming();
  }

  async close(deadlineMs: number): Promise<void> {
    if (this.queues instanceof QueueClient) await this.queues.close({ deadlineMs });
  }

  private attempt({ label }: ConsumingMethod, action: () => void): void {
    try {
      action();
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      throw new QueueSetupError(`@QueueConsumer() on ${label}: ${problem}`, { cause });
    }
  }
}

/** When a stream has completed. It is cut, and has failed, when `signal` aborts. */
function ended(stream: Observable<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let subscription: Subscription | null = null;
    const onAbort = (): void => {
      subscription?.unsubscribe();
      reject(signal.reason as Error);
    };
    const settle = (tell: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      tell();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    subscription = stream.subscribe({
      error: (error: Error) => settle(() => reject(error)),
      complete: () => settle(resolve),
    });
    if (signal.aborted) onAbort();
  });
}
