import type { ConfigSchema } from '@aviary/config';

/** What can be changed while the instances run. */
export interface OrdersConfig {
  /** How many orders are booked at one visit of the till. */
  readonly ordersPerVisit: number;
}

/** Published at the start, if nothing is there yet. */
export const FIRST_ORDERS_CONFIG: OrdersConfig = { ordersPerVisit: 3 };

/**
 * Lets a configuration pass whose visits have no more orders than `ordersPerVisitMax`. Any schema library
 * that speaks Standard Schema would do as well.
 */
export function ordersSchema(ordersPerVisitMax: number): ConfigSchema<OrdersConfig> {
  return {
    '~standard': {
      version: 1,
      vendor: 'aviary-demo',
      validate: (data) => {
        const { ordersPerVisit } = Object(data) as Partial<Record<keyof OrdersConfig, unknown>>;
        const isRight =
          typeof ordersPerVisit === 'number' &&
          Number.isInteger(ordersPerVisit) &&
          ordersPerVisit >= 1 &&
          ordersPerVisit <= ordersPerVisitMax;
        if (isRight) return { value: { ordersPerVisit } };
        const message = `must be a whole number from 1 to ${ordersPerVisitMax}`;
        return { issues: [{ path: ['ordersPerVisit'], message }] };
      },
    },
  };
}
