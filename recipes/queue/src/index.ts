/** Queues; see README.md. */
export type { ConsumeOptions } from './core/consume-options.js';
export { Consumer } from './core/consumer.js';
export type { DeadLetter, DeadLetterFacts } from './core/dead-letters.js';
export { jsonItems, rawItems, textItems } from './core/item-codec.js';
export type { ItemCodec } from './core/item-codec.js';
export type { QueueLayout } from './core/item-names.js';
export { ItemQueue } from './core/item-queue.js';
export type { Handler, PolledItem, PutResult } from './core/item-queue.js';
export type { PutOptions } from './core/put-options.js';
export { QueueClient } from './core/queue-client.js';
export type { QueueClientOptions, QueueSettings } from './core/queue-client.js';
export {
  ClaimLostError,
  ItemFormatError,
  MessageEncodingError,
  QueueFullError,
  QueuesClosedError,
  RejectItemError,
} from './core/queue-errors.js';
export type { ItemView, QueueView } from './core/queue-view.js';
export { Delivery } from './nest/delivery.decorator.js';
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
