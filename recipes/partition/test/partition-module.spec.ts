import 'reflect-metadata';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope, type ModuleMetadata, type Provider } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { NEVER, Observable, finalize, throwError } from 'rxjs';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import {
  InjectPartitions,
  PartitionModule,
  Partitioned,
  Partitions,
  getPartitionsToken,
  type Assignments,
  type Partition,
  type PartitionModuleOptions,
} from '../src/index.js';
import { OWNERS, PartitionWorld, STEADY, failure, type Service } from './partition-world.js';

let world: PartitionWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await PartitionWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

@Injectable()
class Orders {
  readonly items = new Map<string, Partition>();
  endsAfter: Promise<void> | null = null;

  constructor(@InjectPartitions() readonly partitions: Partitions) {}

  @Partitioned({ group: 'g', items: 8, grace: '2s', settle: '100ms' })
  async own(partition: Partition, signal: AbortSignal): Promise<void> {
    this.items.set(partition.item, partition);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await this.endsAfter;
    this.items.delete(partition.item);
  }
}

function application(
  service: Service,
  providers: Provider[] = [Orders],
  options: PartitionModuleOptions = {},
  imports: ModuleMetadata['imports'] = [],
): Promise<TestingModule> {
  const member = service.name;
  const root = PartitionModule.forRoot({ log: service.log, member, ...options });
  return world.in(service, () =>
    applicationOf(service, { imports: [root, ...imports], providers }),
  );
}

describe('@Partitioned()', () => {
  it('calls the method for each item of ours, and shares with other applications', async () => {
    const first = await application(ann);
    const orders = first.get(Orders);
    await world.until(() => orders.items.size === 8);
    const seen: Assignments[] = [];
    orders.partitions.assignments$('g').subscribe((one) => seen.push(one));
    const second = await application(bob);
    const others = second.get(Orders).items;
    await world.until(() => others.size > 0 && orders.items.size + others.size === 8);
    expect([...orders.items.keys(), ...others.keys()].sort()).toEqual(
      Array.from({ length: 8 }, (_, at) => String(at)),
    );
    await world.pass(100);
    expect(seen.at(-1)?.members).toEqual(['ann', 'bob']);
    expect(seen.at(-1)?.partitions).toHaveLength(orders.items.size);
    await world.in(ann, () => first.close());
    await world.until(() => others.size === 8);
    await world.in(bob, () => second.close());
    expect(await world.inside(OWNERS)).toEqual([]);
    expect([world.watchCount, ann.zk.watchCount, bob.zk.watchCount]).toEqual([0, 0, 0]);
  });

  it('lets the work end before the application does', async () => {
    const app = await application(ann);
    const orders = app.get(Orders);
    await world.until(() => orders.items.size === 8);
    orders.endsAfter = new Promise((resolve) => ann.process.clock.setTimer(1_000, resolve));
    const held = [...orders.items.values()];
    const closing = world.begin(ann, () => app.close());
    await world.pass(500);
    expect(held.every(({ signal, isHeld }) => signal.aborted && isHeld)).toBe(true);
    expect(String(held[0]!.signal.reason)).toMatch(/is given up: we leave the group/);
    await world.world.settle(closing);
    expect(orders.items.size).toBe(0);
  });

  it('subscribes to streams, until the item moves', async () => {
    let open = 0;
    let failures = 0;

    @Injectable()
    class Feeds {
      @Partitioned({ group: 'g', items: 2 })
      own(partition: Partition): Observable<never> {
        if (partition.item === '1' && failures++ === 0) {
          return throwError(() => new Error('broken'));
        }
        open++;
        return NEVER.pipe(finalize(() => open--));
      }
    }
    const app = await application(ann, [Feeds]);
    await world.until(() => open === 2);
    expect(ann.lines.join()).toMatch(/the work on the item 1 of .* failed/);
    await world.in(ann, () => app.close());
    expect(open).toBe(0);
  });

  it('keeps modules with different names apart', async () => {
    @Injectable()
    class Audit {
      items = 0;

      @Partitioned({ group: 'g', items: 2, partitions: 'audit' })
      async own(_partition: Partition, signal: AbortSignal): Promise<void> {
        this.items++;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      }
    }
    const audit = PartitionModule.forRoot({ name: 'audit', root: '/audit', log: ann.log });
    const app = await application(ann, [Orders, Audit], {}, [audit]);
    await world.until(() => app.get(Audit).items === 2 && app.get(Orders).items.size === 8);
    expect(app.get<Partitions>(getPartitionsToken('audit')).share('g')?.group).toBe('/audit/g');
    await world.in(ann, () => app.close());
  });
});

describe('what stops the start', () => {
  const decorate = (options: object) => (): unknown => {
    class Wrong {
      @Partitioned(options as Parameters<typeof Partitioned>[0])
      async own(): Promise<void> {}
    }
    return Wrong;
  };

  it.each([
    [{ items: 1 }, /@Partitioned\(\) on Wrong.own: its group must be a string/],
    [{ group: 'g', items: 0 }, /on Wrong.own: items must be a whole number from 1 to 10000/],
    [{ group: 'g', items: 1, grace: 'soon' }, /on Wrong.own: grace must be milliseconds or a time/],
    [{ group: 'g', items: 1, strategy: 'fair' }, /on Wrong.own: strategy must be "rendezvous" or/],
  ])('the mark %j', (options, message) => {
    expect(decorate(options)).toThrow(message);
  });

  it('a method that answers at once', () => {
    expect(() => {
      class Wrong {
        // @ts-expect-error -- it must return a promise or a stream
        @Partitioned({ group: 'g', items: 1 })
        own(): number {
          return 1;
        }
      }
      return Wrong;
    }).toThrow(/on Wrong.own: it returns Number, so nobody could know when its work has ended/);
  });

  it('a request-scoped class, a missing module, two methods with one group', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Requested {
      @Partitioned({ group: 'g', items: 1 })
      async own(): Promise<void> {}
    }
    await expect(application(ann, [Requested])).rejects.toThrow(
      /on Requested.own: its class, or something that it depends on, is request-scoped/,
    );

    @Injectable()
    class Twice {
      @Partitioned({ group: 'g', items: 1 })
      async own(): Promise<void> {}
    }
    const missing = failure(world.in(ann, () => applicationOf(ann, { providers: [Twice] })));
    expect(String(await missing)).toMatch(/its @Partitioned\(\) needs PartitionModule.forRoot/);
    await expect(application(ann, [Orders, Twice])).rejects.toThrow(/has the group "g" of that on/);
    await expect(applicationOf(ann, { imports: [PartitionModule] })).rejects.toThrow(
      'import PartitionModule.forRoot(...), not the class PartitionModule',
    );
  });

  it.each<[PartitionModuleOptions, RegExp]>([
    [{ root: 'a' }, /^PartitionModule "default": root: /],
    [{ member: 'a/b' }, /^PartitionModule "default": member: "a\/b" must not contain/],
    [{ grace: 'soon' as '1s' }, /^PartitionModule "default": grace must be milliseconds/],
  ])('the options %j', async (options, message) => {
    await expect(application(ann, [], options)).rejects.toThrow(message);
  });
});
