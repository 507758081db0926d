import { Injectable } from '@nestjs/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  DistributedLock,
  LeaseLostError,
  LockBusyError,
  LockTimeoutError,
  currentLease,
  type Lease,
} from '../src/index.js';
import { currentScope } from '../src/nest/locked-scope.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';
import { application, contenders, sleeper } from './nest-world.js';

/** The arguments of calls that heard of a loss. */
const told: unknown[] = [];

@Injectable()
class Books {
  readonly events: string[] = [];
  running = 0;

  /** Runs what it is given, under the lock. */
  @DistributedLock('books/{0}')
  async outer<T>(_id: string, body: (lease: Lease) => Promise<T>): Promise<T> {
    return body(currentLease());
  }

  @DistributedLock('books/{0}')
  async inner<T>(_id: string, body: (lease: Lease) => Promise<T>): Promise<T> {
    this.running++;
    this.events.push(`+${this.running}`);
    try {
      return await body(currentLease());
    } finally {
      this.running--;
    }
  }

  @DistributedLock('books/{id}', { wait: 0 })
  async hasty(id: string): Promise<Lease> {
    return Promise.resolve(currentLease()).finally(() => this.events.push(id));
  }

  @DistributedLock('books/{id}', { wait: 100 })
  async patient(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  @DistributedLock('books/{id}', { onLost: ({ args }) => told.push(args) })
  async told(id: string): Promise<string> {
    return Promise.resolve(id);
  }

  @DistributedLock('books/{id}')
  async countdown(id: string, from: number): Promise<number> {
    return from === 0 ? 0 : 1 + (await this.countdown(id, from - 1));
  }
}

let world: LockWorld;
let ann: Service;
let books: Books;
let sleep: (ms: number) => Promise<void>;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = world.service('ann');
  books = (await application(ann, [Books])).get(Books);
  sleep = sleeper(ann);
  await world.in(ann, () => ann.zk.connect());
});

describe('a guarded method inside of one with the same key', () => {
  it('stands on the same lease, and does not wait for itself', async () => {
    await world.in(ann, () =>
      books.outer('a', async (lease) => {
        await sleep(10);
        expect(await books.hasty('a')).toBe(lease);
        expect(await books.inner('a', () => Promise.resolve(currentLease()))).toBe(lease);
        expect((await ann.zk.children('/locks/books/a')).children).toHaveLength(1);
        expect(lease.isHeld).toBe(true);
      }),
    );
    expect(await contenders(world, '/locks/books/a')).toEqual([]);
  });

  it('may be itself, called by `this`', async () => {
    const requests = () => world.port.traffic.received;
    await world.in(ann, () => books.countdown('a', 0));
    const before = requests();
    expect(await world.in(ann, () => books.countdown('a', 20))).toBe(20);
    expect(requests() - before).toBe(4);
  });

  it('is found through a lock with another key', async () => {
    await world.in(ann, () =>
      books.outer('a', (a) =>
        books.outer('b', async (b) => {
          expect(b).not.toBe(a);
          expect(await books.hasty('a')).toBe(a);
          expect(await books.hasty('b')).toBe(b);
          expect(currentLease()).toBe(b);
        }),
      ),
    );
  });

  it('is another caller if it is called from outside meanwhile', async () => {
    let done = false;
    const holding = world.begin(ann, () =>
      books.outer('a', async () => {
        await sleep(300);
        done = true;
      }),
    );
    await world.world.reach(() => ann.zk.watchCount > 0);
    expect(await rejection(world.in(ann, () => books.hasty('a')))).toBeInstanceOf(LockBusyError);
    const waiting = world.begin(ann, () => books.inner('a', () => Promise.resolve(done)));
    expect(await world.world.settle(waiting)).toBe(true);
    await world.world.settle(holding);
  });

  it('is refused once the lease is lost', async () => {
    const call = world.in(ann, () =>
      books.outer('a', async (lease) => {
        await ann.zk.set(lease.nodePath, '__REVOKE__');
        await sleep(100);
        const error = await rejection(books.hasty('a'));
        expect(error).toBeInstanceOf(LeaseLostError);
        expect(error).toMatchObject({ outcome: 'notApplied', reason: 'revoked' });
      }),
    );
    expect(await rejection(call)).toMatchObject({ outcome: 'unknown', reason: 'revoked' });
    expect(books.events).toEqual([]);
  });
});

it('a call that has ended does not hear of a loss of the lease on which it stood', async () => {
  const call = world.in(ann, () =>
    books.outer('a', async (lease) => {
      await books.told('a');
      await ann.zk.set(lease.nodePath, '__REVOKE__');
      await sleep(100);
      expect(lease.lost).toBe('revoked');
    }),
  );
  expect(await rejection(call)).toBeInstanceOf(LeaseLostError);
  expect(told).toEqual([]);
});

describe('several at the same time inside of one', () => {
  it('take turns', async () => {
    const order: number[] = [];
    await world.in(ann, () =>
      books.outer('a', (lease) =>
        Promise.all(
          [30, 20, 10].map((ms) =>
            books.inner('a', async () => {
              expect(currentLease()).toBe(lease);
              await sleep(ms);
              order.push(ms);
              expect(await books.hasty('a')).toBe(lease);
            }),
          ),
        ),
      ),
    );
    expect(order).toEqual([30, 20, 10]);
    expect(books.events.filter((event) => event !== 'a')).toEqual(['+1', '+1', '+1']);
  });

  it('wait no longer than they want to', async () => {
    await world.in(ann, () =>
      books.outer('a', async () => {
        const slow = books.inner('a', () => sleep(300));
        expect(await rejection(books.hasty('a'))).toBeInstanceOf(LockBusyError);
        const error = await rejection(books.patient('a'));
        expect(error).toBeInstanceOf(LockTimeoutError);
        expect(error).toMatchObject({ waitMs: 100, ahead: 1 });
        await slow;
        expect(await books.patient('a')).toBe('a');
      }),
    );
    expect(await contenders(world, '/locks/books/a')).toEqual([]);
  });
});

describe('what outlives the method that started it', () => {
  it('keeps the lock, if it is a guarded method that runs already', async () => {
    let stray: Promise<boolean> | undefined;
    const lease = await world.in(ann, () =>
      books.outer('a', (held) => {
        stray = books.inner('a', async () => {
          await sleep(200);
          return currentLease().isHeld;
        });
        return Promise.resolve(held);
      }),
    );
    expect(lease.isHeld).toBe(true);
    expect(await rejection(world.in(ann, () => books.hasty('a')))).toBeInstanceOf(LockBusyError);
    expect(await world.world.settle(stray!)).toBe(true);
    await world.pass(50);
    expect(lease.isHeld).toBe(false);
    expect(await contenders(world, '/locks/books/a')).toEqual([]);
  });

  it('takes the lock anew, if it calls a guarded method later', async () => {
    let later: Promise<Lease> | undefined;
    const first = await world.in(ann, () =>
      books.outer('a', (lease) => {
        later = sleep(500).then(() => {
          expect(() => currentLease().assertHeld()).toThrow(LeaseLostError);
          return books.hasty('a');
        });
        return Promise.resolve(lease);
      }),
    );
    const second = await world.world.settle(later!);
    expect(second.token).toBeGreaterThan(first.token);
  });

  it('waits for others that hold the lock by then', async () => {
    let later: Promise<unknown> | undefined;
    await world.in(ann, () =>
      books.outer('a', async () => {
        later = sleep(300).then(() => rejection(books.hasty('a')));
        await Promise.resolve();
      }),
    );
    const other = world.begin(ann, () => books.inner('a', () => sleep(600)));
    expect(await world.world.settle(later!)).toBeInstanceOf(LockBusyError);
    await world.world.settle(other);
  });

  it('does not grow with every call that starts the next one', async () => {
    let deepest = 0;
    const depth = () => {
      let count = 0;
      let scope = currentScope() as unknown as { outer: typeof scope } | null;
      for (; scope !== null; scope = scope.outer) count++;
      return count;
    };
    // Each one starts the next while it still runs, and ends before that one does the same.
    const next = (left: number): Promise<void> =>
      books.inner(`chain-${left}`, async () => {
        deepest = Math.max(deepest, depth());
        await sleep(1);
        if (left > 0) chained = next(left - 1);
      });
    let chained: Promise<void> = world.begin(ann, () => next(30));
    for (let before = null; before !== chained;) {
      before = chained;
      await world.world.settle(chained);
    }
    expect(books.events).toHaveLength(31);
    expect(deepest).toBeLessThan(5);
  });
});

describe('two applications in one process', () => {
  it('have their own sessions, and do not pass for each other', async () => {
    const other = world.serviceOf('bob', ann.process);
    const others = (await application(other, [Books])).get(Books);
    await world.in(other, () => other.zk.connect());
    await world.in(ann, () =>
      books.outer('a', async (lease) => {
        expect(lease.sessionId).toBe(ann.zk.sessionId);
        expect(await rejection(others.hasty('a'))).toBeInstanceOf(LockBusyError);
        const elsewhere = await others.hasty('b');
        expect(elsewhere.sessionId).toBe(other.zk.sessionId);
      }),
    );
    expect((await world.in(other, () => others.hasty('a'))).sessionId).toBe(other.zk.sessionId);
  });

  it('work on when the other has ended', async () => {
    const other = world.serviceOf('bob', ann.process);
    const app = await application(other, [Books]);
    await world.in(other, () => other.zk.connect());
    await world.in(other, () => app.get(Books).hasty('a'));
    await world.in(other, () => app.close());
    expect((await world.in(ann, () => books.hasty('a'))).sessionId).toBe(ann.zk.sessionId);
  });
});

describe('classes that extend each other', () => {
  @Injectable()
  class Base {
    readonly ran: string[] = [];

    @DistributedLock('things/{id}', { wait: 0 })
    async touch(id: string): Promise<bigint> {
      this.ran.push(`base ${id}`);
      return Promise.resolve(currentLease().token);
    }

    @DistributedLock('things/{id}', { wait: 0 })
    async inherited(id: string): Promise<string> {
      return Promise.resolve(`${currentLease().path} ${id}`);
    }
  }

  @Injectable()
  class Guarded extends Base {
    @DistributedLock('things/{id}', { wait: 0 })
    override async touch(id: string): Promise<bigint> {
      this.ran.push(`sub ${id}`);
      const token = await super.touch(id);
      expect(token).toBe(currentLease().token);
      return token;
    }
  }

  @Injectable()
  class Unguarded extends Base {
    override async touch(id: string): Promise<bigint> {
      expect(() => currentLease()).toThrow();
      return super.touch(id);
    }
  }

  it.each([[Guarded], [Unguarded]])('%p guards what is marked, once', async (type) => {
    const things = (await application(ann, [type])).get<Base>(type);
    expect(await world.in(ann, () => things.touch('a'))).toBeGreaterThan(0n);
    expect(things.ran).toContain('base a');
    expect(await world.in(ann, () => things.inherited('a'))).toBe('/locks/things/a a');
    expect(await contenders(world, '/locks/things/a')).toEqual([]);
  });
});
