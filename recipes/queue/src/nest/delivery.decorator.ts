import { ParameterMarks } from '@aviary/nest';
import type { Delivery as DeliveryOfItem } from '../core/delivery.js';
import { QueueSetupError } from './queue-setup-error.js';

/** The parameters that take a delivery. */
export const DELIVERIES = new ParameterMarks({
  decorator: '@Delivery()',
  SetupError: QueueSetupError,
  whyNotStatic: 'a static method has no application whose queues it could consume',
  methodDecorators: '@QueueConsumer(path)',
});

/** One delivery of an item to a handler. */
export type Delivery = DeliveryOfItem;

/**
 * Gives the parameter the delivery, whichever it is. Without it the delivery is the second argument.
 *
 * @throws {QueueSetupError} when the class is defined: it is no parameter of a method. A method that is not
 * under `@QueueConsumer()` stops the start.
 *
 * @example
 * \@QueueConsumer('emails')
 * async send(mail: Mail, \@Delivery() { signal }: Delivery): Promise<void> {}
 */
export function Delivery(): ParameterDecorator {
  return (target, key, index) => DELIVERIES.add(target, key, index);
}
