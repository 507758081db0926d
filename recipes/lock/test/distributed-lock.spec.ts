import { Injectable } from '@nestjs/common';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  DistributedLock,
  InjectLocks,
  LeaseLostError,
  LockBusyError,
  LockClient,
  LockKeyError,
  LockSetupError,
  LockTimeoutError,
  LockUnavailableError,
  LocksClosedError,
  currentLease,
  type BusyCall,
  type Lease,
  type LostCall,
} from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, STEADY, rejection, type Service } from './lock-world.js';
import { application, contenders, sleeper } from './nest-world.js';

interface Order {
  readonly id: string;
}

const lost: LostCall[] = [];
const busy: BusyCall[] = [];

/** What its methods do inside of the lock is told by the test. */
@Injectable()
class Orders {
  readonly ran: string[] = [];
  inside: (lease: Lease) => Promise<unknown> = () => Promise.resolve();

  constructor(@InjectLocks() readonly locks: LockClient) {}

  @DistributedLock('orders/{order.id}')
  async settle(order: Order, note = 'settled'): Promise<string> {
    this.ran.push(order.id);
    await this.inside(currentLease());
    return `${note} ${order.id}`;
  }

  @DistributedLock('orders/{id}', { wait: '200ms' })
  async patient(id: string): Promise<string> {
    this.ran.push(id);
    await this.inside(currentLease());
    return id;
  }

  @DistributedLock('orders/{id}', { wait: 0 })
  async hasty(id: string): Promise<void> {
    this.ran.push(id);
    await this.inside(currentLease());
  }

  @DistributedLock('orders/{id}', { wait: 0, onBusy: 'skip' })
  async skipped(id: string): Promise<string> {
    await this.inside(currentLease());
    return id;
  }

  @DistributedLock('orders/{id}', {
    wait: 0,
    onBusy: (call) => {
      busy.push(call);
      return `${call.args.join()} is busy`;
    },
  })
  async instead(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  @DistributedLock((order: Order) => `orders/${order.id}`, { onLost: 'ignore' })
  async careless(order: Order, _more: number): Promise<string> {
    await this.inside(currentLease());
    return order.id;
  }

  @DistributedLock('orders/{id}', { onLost: (call) => lost.push(call) })
  async told(id: string): Promise<string> {
    await this.inside(currentLease());
    return id;
  }

  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- who does not lint may
  @DistributedLock('orders/{id}', { onLost: () => Promise.reject(new Error('cannot tell')) })
  async illTold(id: string): Promise<string> {
    await this.inside(currentLease());
    return id;
  }

  @DistributedLock('orders/{id}', { onLost: 'exit-process' })
  async unstoppable(id: string): Promise<void> {
    await this.inside(currentLease());
    this.ran.push(id);
  }

  @DistributedLock('orders/{id}', { maxHold: 300 })
  async brief(id: string): Promise<string> {
    await this.inside(currentLease());
    return id;
  }
}

let world: LockWorld;
let ann: Service;
let bob: Service;
let annOrders: Orders;
let bobOrders: Orders;
let sleep: (ms: number) => Promise<void>;

beforeEach(async () => {
  lost.length = 0;
  busy.length = 0;
  world = await LockWorld.start({ network: STEADY });
  ann = world.service('ann');
  bob = world.service('bob');
  annOrders = (await application(ann, [Orders])).get(Orders);
  bobOrders = (await application(bob, [Orders])).get(Orders);
  sleep = sleeper(ann);
  await world.in(ann, () => ann.zk.connect());
  await world.in(bob, () => bob.zk.connect());
});

/** Lets ann hold the lock of order 1 until the returned function is called. */
async function annHolds(): Promise<() => Promise<unknown>> {
  let letGo = () => {};
  annOrders.inside = () => new Promise<void>((resolve) => (letGo = resolve));
  const holding = world.begin(ann, () => annOrders.settle({ id: '1' }));
  await world.world.reach(() => annOrders.ran.length === 1);
  return () => {
    letGo();
    return world.world.settle(holding);
  };
}

describe('a method under @DistributedLock()', () => {
  it('runs while its lock is held, and gives what it returns', async () => {
    let seen: unknown[] = [];
    annOrders.inside = async (lease) => {
      seen = [lease.path, lease.isHeld, annOrders.locks.leases.includes(lease)];
      await sleep(50);
      expect(currentLease()).toBe(lease);
      seen.push((await ann.zk.children('/locks/orders/1')).children.length);
    };
    expect(await world.in(ann, () => annOrders.settle({ id: '1' }, 'done'))).toBe('done 1');
    expect(seen).toEqual(['/locks/orders/1', true, true, 1]);
    expect(annOrders.locks.leases).toEqual([]);
    expect(await contenders(world, '/locks/orders/1')).toEqual([]);
  });

  it('excludes the other process, and lets it run when it has ended', async () => {
    const finish = await annHolds();
    const waiting = world.begin(bob, () => bobOrders.settle({ id: '1' }));
    await world.pass(500);
    expect(bobOrders.ran).toEqual([]);
    expect(bobOrders.locks.waiting).toEqual(['/locks/orders/1']);
    await finish();
    expect(await world.world.settle(waiting)).toBe('settled 1');
  });

  it('excludes another call in the same process', async () => {
    const finish = await annHolds();
    const waiting = world.begin(ann, () => annOrders.settle({ id: '1' }));
    await world.pass(500);
    expect(annOrders.ran).toEqual(['1']);
    annOrders.inside = () => Promise.resolve();
    await finish();
    await world.world.settle(waiting);
    expect(annOrders.ran).toEqual(['1', '1']);
  });

  it('does not wait for another key', async () => {
    const finish = await annHolds();
    expect(await world.in(bob, () => bobOrders.settle({ id: '2' }))).toBe('settled 2');
    await finish();
  });

  it('releases when it throws, and throws the same', async () => {
    const failure = new Error('no stock');
    annOrders.inside = () => Promise.reject(failure);
    expect(await rejection(world.in(ann, () => annOrders.settle({ id: '1' })))).toBe(failure);
    expect(await contenders(world, '/locks/orders/1')).toEqual([]);
  });

  it('does not run if its arguments make no key', async () => {
    const call = world.in(ann, () => annOrders.settle({} as Order));
    const refused = await rejection(call);
    expect(refused).toBeInstanceOf(LockKeyError);
    expect(String(refused)).toMatch(
      /the key "orders\/.*" of Orders\.settle cannot be made from what was passed: .*id is/,
    );
    const escaped = world.in(ann, () => annOrders.careless({ id: '/../x' }, 1));
    expect(await rejection(escaped)).toMatchObject({ name: 'InvalidPathError' });
    expect(annOrders.ran).toEqual([]);
  });

  it('does not run if its key needs the default of a parameter', async () => {
    class Defaulted {
      @DistributedLock('orders/{id}')
      async run(id = 'all'): Promise<string> {
        return Promise.resolve(id);
      }
    }
    const defaulted = (await application(world.service('cas'), [Defaulted])).get(Defaulted);
    expect(await rejection(defaulted.run())).toMatchObject({
      name: 'LockKeyError',
      message:
        'the key "orders/{id}" of Defaulted.run cannot be made from what was passed: id is undefined',
    });
  });

  it.each([
    [5n, /returned 5n/],
    [Promise.resolve('a'), /must return a path at once, and returned Promise/],
    ['', /returned ""/],
  ])('does not run if its function makes no key (%p)', async (made, problem) => {
    class Made {
      @DistributedLock((key: string) => key)
      async run(_key: string): Promise<void> {}
    }
    const app = await application(world.service('cas'), [Made]);
    const error = await rejection(app.get(Made).run(made as string));
    expect(error).toBeInstanceOf(LockKeyError);
    expect(String(error)).toMatch(problem);
  });

  it('does not run on an object that Nest has not made', async () => {
    const orphan = new Orders(ann.locks);
    const error = await rejection(orphan.settle({ id: '1' }));
    expect(error).toBeInstanceOf(LockSetupError);
    expect(String(error)).toMatch(/Orders\.settle is under @DistributedLock\(\).* has no locks/);
    const settle = annOrders.settle as (order: Order) => Promise<unknown>;
    expect(await rejection(settle.call(undefined, { id: '1' }))).toBeInstanceOf(LockSetupError);
    expect([...orphan.ran, ...annOrders.ran]).toEqual([]);
  });

  it('looks like the method that it guards', () => {
    expect([annOrders.settle.name, annOrders.settle.length]).toEqual(['settle', 1]);
    expect(Object.keys(annOrders)).toEqual(['locks', 'ran', 'inside']);
    const [hidden] = Object.getOwnPropertySymbols(annOrders);
    expect(Object.getOwnPropertyDescriptor(annOrders, hidden!)?.enumerable).toBe(false);
  });
});

describe('wait and onBusy', () => {
  let finish: () => Promise<unknown>;

  beforeEach(async () => {
    finish = await annHolds();
  });

  it('throw LockTimeoutError after the wait, and leave nothing in the queue', async () => {
    const startedMs = world.world.virtualMs;
    const error = await rejection(world.in(bob, () => bobOrders.patient('1')));
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ waitMs: 200, ahead: 1, outcome: 'notApplied' });
    expect(world.world.virtualMs - startedMs).toBeLessThan(205);
    await world.pass(100);
    expect(await contenders(world, '/locks/orders/1')).toHaveLength(1);
    await finish();
    expect(bobOrders.ran).toEqual([]);
  });

  it('throw LockBusyError without a wait', async () => {
    const error = await rejection(world.in(bob, () => bobOrders.hasty('1')));
    expect(error).toBeInstanceOf(LockBusyError);
    expect(bobOrders.ran).toEqual([]);
  });

  it('skip the call', async () => {
    expect(await world.in(bob, () => bobOrders.skipped('1'))).toBeUndefined();
    expect(await world.in(bob, () => bobOrders.skipped('2'))).toBe('2');
  });

  it('give what a function returns instead', async () => {
    expect(await world.in(bob, () => bobOrders.instead('1'))).toBe('1 is busy');
    expect(busy).toMatchObject([{ method: 'Orders.instead', args: ['1'] }]);
    expect(busy[0]?.error).toBeInstanceOf(LockBusyError);
    expect(await world.in(bob, () => bobOrders.instead('2'))).toBe('2');
  });

  it('do not take an ensemble that does not answer for a busy lock', async () => {
    world.world.partition(['bob'], ['server']);
    const call = world.in(bob, () => bobOrders.skipped('1'));
    expect(await rejection(call)).toBeInstanceOf(LockUnavailableError);
  });
});

describe('onLost', () => {
  /** Cuts ann off while she works, so that her lease becomes uncertain. */
  const cutOff = async (): Promise<void> => {
    world.world.partition(['ann'], ['server']);
    await sleep(SESSION_TIMEOUT_MS * 2);
  };

  it('`abort` rejects when the method has ended, with the outcome unknown', async () => {
    let ended = false;
    annOrders.inside = async (lease) => {
      const aborted = new Promise<unknown>((resolve) =>
        lease.signal.addEventListener('abort', () => resolve(lease.signal.reason)),
      );
      void cutOff();
      expect(await aborted).toBeInstanceOf(LeaseLostError);
      await sleep(50);
      ended = true;
    };
    const error = await rejection(world.in(ann, () => annOrders.settle({ id: '1' })));
    expect(ended).toBe(true);
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(error).toMatchObject({ outcome: 'unknown', reason: 'uncertain' });
  });

  it('`abort` keeps what the method threw as the cause', async () => {
    let thrown: unknown;
    annOrders.inside = async (lease) => {
      await cutOff();
      try {
        lease.assertHeld();
      } catch (error) {
        thrown = error;
        throw error;
      }
    };
    const error = await rejection(world.in(ann, () => annOrders.settle({ id: '1' })));
    expect(error).toMatchObject({ outcome: 'unknown', cause: thrown });
    expect(thrown).toMatchObject({ outcome: 'notApplied' });
  });

  it('notices a loss of which no timer and no byte has told yet', async () => {
    annOrders.inside = async () => {
      // Asleep from here on; what follows runs before any timer when it wakes.
      ann.process.host.stepWallClock(3_600_000);
      await Promise.resolve();
    };
    const error = await rejection(world.in(ann, () => annOrders.settle({ id: '1' })));
    expect(error).toMatchObject({ name: 'LeaseLostError', outcome: 'unknown' });
  });

  it('`ignore` lets the result stand', async () => {
    annOrders.inside = cutOff;
    expect(await world.in(ann, () => annOrders.careless({ id: '1' }, 2))).toBe('1');
  });

  it('a function is told at once, and the result stands', async () => {
    const heardMs: number[] = [];
    annOrders.inside = async (lease) => {
      lease.signal.addEventListener('abort', () => heardMs.push(lost.length));
      await cutOff();
      expect(lost).toMatchObject([
        { method: 'Orders.told', args: ['1'], path: '/locks/orders/1', reason: 'uncertain' },
      ]);
      expect(lost[0]?.token).toBe(lease.token);
    };
    expect(await world.in(ann, () => annOrders.told('1'))).toBe('1');
    expect(heardMs).toEqual([1]);
  });

  it('a function may be async: what it rejects with is reported', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    try {
      annOrders.inside = cutOff;
      expect(await world.in(ann, () => annOrders.illTold('1'))).toBe('1');
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
      expect(ann.lines).toContain('onLost of Orders.illTold threw');
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  it('`exit-process` ends the process with one sentence', async () => {
    const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    try {
      annOrders.inside = cutOff;
      await world.in(ann, () => annOrders.unstoppable('1'));
      expect(exit.mock.calls).toEqual([[1]]);
      expect(ann.lines.join()).toMatch(
        /Orders\.unstoppable: the lock .* is not held.*process ends/,
      );
    } finally {
      exit.mockRestore();
    }
  });

  it('`exit-process` leaves it to the process that is ending', async () => {
    const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    try {
      const app = await application(ann, [Orders], { drain: 100 });
      const orders = app.get(Orders);
      const inside = jest.fn(() => sleep(500));
      orders.inside = inside;
      const call = world.begin(ann, () => orders.unstoppable('1'));
      await world.world.reach(() => inside.mock.calls.length === 1);
      await world.in(ann, () => app.close());
      await world.world.settle(call);
      expect(orders.ran).toEqual(['1']);
      expect(exit).not.toHaveBeenCalled();
    } finally {
      exit.mockRestore();
    }
  });

  it('maxHold is a loss, too', async () => {
    annOrders.inside = () => sleep(400);
    const error = await rejection(world.in(ann, () => annOrders.brief('1')));
    expect(error).toMatchObject({ reason: 'maxHold', outcome: 'unknown' });
  });

  it('a lock that was never lost does not call anybody afterwards', async () => {
    await world.in(ann, () => annOrders.told('1'));
    world.world.partition(['ann'], ['server']);
    await world.pass(SESSION_TIMEOUT_MS * 2);
    expect(lost).toEqual([]);
  });
});

describe('the end of the application', () => {
  it('waits for methods that run, and takes no locks any more', async () => {
    const app = await application(ann, [Orders], { drain: '2s' });
    const orders = app.get(Orders);
    orders.inside = () => sleep(500);
    const call = world.begin(ann, () => orders.settle({ id: '1' }));
    await world.world.reach(() => orders.ran.length === 1);
    const queued = rejection(world.begin(ann, () => orders.settle({ id: '1' })));
    await world.pass(50);
    const closing = world.begin(ann, () => app.close());
    await world.pass(20);
    const late = world.in(ann, () => orders.settle({ id: '2' }));
    expect(await rejection(late)).toBeInstanceOf(LocksClosedError);
    expect(await world.world.settle(queued)).toBeInstanceOf(LocksClosedError);
    expect(orders.locks.leases).toHaveLength(1);
    expect(await world.world.settle(call)).toBe('settled 1');
    await world.world.settle(closing);
    expect(await contenders(world, '/locks/orders/1')).toEqual([]);
  });

  it('takes the lock from methods that do not end in time', async () => {
    const app = await application(ann, [Orders], { drain: 300 });
    const orders = app.get(Orders);
    let reason: unknown;
    orders.inside = async (lease) => {
      lease.signal.addEventListener('abort', () => {
        reason = lease.signal.reason;
      });
      await sleep(5_000);
    };
    const call = rejection(world.begin(ann, () => orders.settle({ id: '1' })));
    await world.world.reach(() => orders.ran.length === 1);
    const closedMs = world.world.virtualMs;
    await world.in(ann, () => app.close());
    expect(world.world.virtualMs - closedMs).toBeLessThan(400);
    expect(reason).toMatchObject({ reason: 'shutdown' });
    expect(await contenders(world, '/locks/orders/1')).toEqual([]);
    expect(await world.world.settle(call)).toMatchObject({ reason: 'shutdown' });
  });
});

it('currentLease() outside of a guarded method throws', () => {
  expect(() => currentLease()).toThrow(LockSetupError);
});
