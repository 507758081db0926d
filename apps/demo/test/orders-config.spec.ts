import { describe, expect, it } from '@jest/globals';
import { FIRST_ORDERS_CONFIG, ordersSchema } from '../src/instance/orders-config.js';

describe('the schema of the configuration', () => {
  const { validate } = ordersSchema(5)['~standard'];

  it('lets what it knows pass, up to what the instance can do', () => {
    expect(validate(FIRST_ORDERS_CONFIG)).toEqual({ value: FIRST_ORDERS_CONFIG });
    expect(validate({ ordersPerVisit: 5, later: true })).toEqual({ value: { ordersPerVisit: 5 } });
  });

  it.each([
    [{ ordersPerVisit: 0 }],
    [{ ordersPerVisit: 6 }],
    [{ ordersPerVisit: '3' }],
    [{}],
    [null],
  ])('rejects %j', (data) => {
    const message = 'must be a whole number from 1 to 5';
    expect(validate(data)).toEqual({ issues: [{ path: ['ordersPerVisit'], message }] });
  });
});
