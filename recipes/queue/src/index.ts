/** Queues; see README.md. */
export type { DeadLetterFacts } from './core/dead-letters.js';
export { Consumer } from './core/consumer.js';
export type { ConsumeOptions } from './core/consumer.js';
export type { Delivery } from './core/delivery.js';
export { jsonItems, rawItems, textItems } from './core/item-codec.js';
export type { ItemCodec } from './core/item-codec.js';
export type { QueueLayout } from './core/item-names.js';
export { ItemQueue } from './core/item-queue.js';
export type { DeadLetter, Handler, PolledItem, PutOptions, PutResult } from './core/item-queue.js';
export { QueueClient } from './core/queue-client.js';
export type { QueueClientOptions, QueueSettings } from './core/queue-client.js';
export {
  ClaimLostError,
  ItemFormatError,
  QueueFullError,
  QueuesClosedError,
  RejectItemError,
} from './core/queue-errors.js';
export type { ItemView, QueueView } from './core/queue-view.js';
export { QueueConsumer } from './nest/queue-consumer.decorator.js';
export type { QueueConsumerOptions } from './nest/queue-consumer.decorator.js';
export type {
  QueueFeature,
  QueueModuleOptions,
  QueueOptionsFactory,
} from './nest/queue-module-options.js';
export { QueueSetupError } from './nest/queue-setup-error.js';
export { QueueModule } from './nest/queue.module.js';
export { getQueuesToken, getQueueToken, InjectQueue, InjectQueues } from './nest/queue.tokens.js';
