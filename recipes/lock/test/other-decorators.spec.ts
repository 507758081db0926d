import {
  Controller,
  Get,
  Injectable,
  Param,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import {
  EventPattern,
  MessagePattern,
  Payload,
  Server,
  type CustomTransportStrategy,
} from '@nestjs/microservices';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable, firstValueFrom, from, isObservable, map, toArray } from 'rxjs';
import { DistributedLock, LockBusyError, currentLease } from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';
import { application, sleeper } from './nest-world.js';

let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

/** Once a year, and not by itself: the tests fire. */
const YEARLY = '0 0 1 1 *';

describe('@Cron, @Interval and @Timeout', () => {
  @Injectable()
  class Jobs {
    ran: string[] = [];
    work = () => Promise.resolve();

    @DistributedLock('nightly')
    @Cron(YEARLY, { name: 'below', disabled: true })
    async lockAbove(): Promise<void> {
      await this.run();
    }

    @Cron(YEARLY, { name: 'above', disabled: true })
    @DistributedLock('nightly')
    async lockBelow(): Promise<void> {
      await this.run();
    }

    @Cron(YEARLY, { name: 'patient', disabled: true })
    @DistributedLock('nightly', { wait: '1s', onBusy: 'throw' })
    async patient(): Promise<void> {
      await this.run();
    }

    @Interval('interval', 3_600_000)
    @DistributedLock('hourly')
    async hourly(): Promise<void> {
      await this.run();
    }

    @DistributedLock('once')
    @Timeout('timeout', 3_600_000)
    async once(): Promise<void> {
      await this.run();
    }

    @DistributedLock('nightly', { wait: 0 })
    async byHand(): Promise<void> {
      await this.run();
    }

    private async run(): Promise<void> {
      this.ran.push(currentLease().path);
      await this.work();
    }
  }

  const start = async (service: Service) => {
    const app = await application(service, [Jobs], {}, { imports: [ScheduleModule.forRoot()] });
    return { app, jobs: app.get(Jobs), registry: app.get(SchedulerRegistry) };
  };

  it('find their methods, above the lock and below it', async () => {
    const { app, registry } = await start(ann);
    expect([...registry.getCronJobs().keys()].sort()).toEqual(['above', 'below', 'patient']);
    expect([registry.getIntervals(), registry.getTimeouts()]).toEqual([['interval'], ['timeout']]);
    await world.in(ann, () => app.close());
  });

  it.each(['above', 'below'])('run on one instance, while the other skips (%s)', async (name) => {
    const one = await start(ann);
    const other = await start(bob);
    one.jobs.work = () => sleeper(ann)(500);
    const fire = (service: Service, { registry }: typeof one) =>
      world.begin(service, async () => registry.getCronJob(name).fireOnTick());
    const first = fire(ann, one);
    await world.world.reach(() => one.jobs.ran.length === 1);
    await world.world.settle(fire(bob, other));
    await world.world.settle(first);
    await world.pass(1_000);
    expect([one.jobs.ran, other.jobs.ran]).toEqual([['/locks/nightly'], []]);
    await world.world.settle(fire(bob, other));
    await world.world.reach(() => other.jobs.ran.length === 1);
    await world.in(ann, () => one.app.close());
    await world.in(bob, () => other.app.close());
  });

  it('skip by themselves only where they are scheduled and nothing else is said', async () => {
    const one = await start(ann);
    const other = await start(bob);
    one.jobs.work = () => sleeper(ann)(5_000);
    const holding = world.begin(ann, () => one.jobs.lockAbove());
    await world.world.reach(() => one.jobs.ran.length === 1);
    const callsOf = (call: () => Promise<void>) => rejection(world.in(bob, call));
    expect(await callsOf(() => other.jobs.patient())).toMatchObject({ waitMs: 1_000 });
    expect(await callsOf(() => other.jobs.byHand())).toBeInstanceOf(LockBusyError);
    expect(await world.in(bob, () => other.jobs.lockBelow())).toBeUndefined();
    await world.world.settle(holding);
    await world.in(ann, () => one.app.close());
    await world.in(bob, () => other.app.close());
  });
});

/** Hands messages to handlers in the same process. */
class Loopback extends Server implements CustomTransportStrategy {
  override listen(callback: () => void): void {
    callback();
  }

  override close(): void {}

  override on(): void {}

  override unwrap<T>(): T {
    return this as never;
  }

  get patterns(): string[] {
    return [...this.messageHandlers.keys()].sort();
  }

  async ask(pattern: string, data: unknown): Promise<unknown> {
    const answer: unknown = await this.messageHandlers.get(pattern)?.(data);
    return isObservable(answer) ? firstValueFrom(answer.pipe(toArray())) : answer;
  }
}

@Injectable()
class OnlyAnn implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.getArgs<[{ who: string }]>()[0].who === 'ann';
  }
}

@Injectable()
class Exclaim implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<string>): Observable<string> {
    return next.handle().pipe(map((value) => `${value}!`));
  }
}

const double = { transform: (value: unknown) => value };

@Controller()
class Messages {
  readonly seen: unknown[] = [];

  @DistributedLock('messages/{order.id}')
  @UseGuards(OnlyAnn)
  @UseInterceptors(Exclaim)
  @UsePipes(double)
  @SetMetadata('role', 'writer')
  @MessagePattern('settle')
  async lockAbove(@Payload() order: { id: string }): Promise<string> {
    return Promise.resolve(`${currentLease().path} ${order.id}`);
  }

  @MessagePattern('settle too')
  @UseGuards(OnlyAnn)
  @UseInterceptors(Exclaim)
  @UsePipes(double)
  @SetMetadata('role', 'writer')
  @DistributedLock('messages/{order.id}')
  async lockBelow(@Payload() order: { id: string }): Promise<string> {
    return Promise.resolve(`${currentLease().path} ${order.id}`);
  }

  @DistributedLock('messages/{0.id}')
  @MessagePattern('stream')
  stream(@Payload() { id }: { id: string }): Observable<string> {
    return from([currentLease().path, id]);
  }

  @DistributedLock('messages/{order.id}')
  @EventPattern('settled')
  async event(order: { id: string }): Promise<void> {
    this.seen.push(await Promise.resolve(order), currentLease().path);
  }

  @DistributedLock('messages/{id}')
  @Get('orders/:id')
  async overHttp(@Param('id') id: string): Promise<string> {
    return Promise.resolve(id);
  }

  @SetMetadata('outer', 1)
  @DistributedLock('one/{id}')
  @SetMetadata('middle', 2)
  @DistributedLock('two/{id}')
  @SetMetadata('innermost', 3)
  async twoLocks(id: string): Promise<string> {
    return Promise.resolve(`${id} ${currentLease().path}`);
  }
}

describe('handlers of messages', () => {
  it.each(['settle', 'settle too'])('keep guards, interceptors and pipes (%s)', async (pattern) => {
    const loopback = new Loopback();
    const testing = await application(ann, [OnlyAnn], {}, { controllers: [Messages] });
    const service = testing.createNestMicroservice({ strategy: loopback });
    await service.listen();
    const ask = (who: string) => world.in(ann, () => loopback.ask(pattern, { id: '7', who }));
    expect(await ask('ann')).toEqual(['/locks/messages/7 7!']);
    expect(await rejection(ask('bob'))).toMatchObject({ message: 'Forbidden resource' });
    expect(await world.in(ann, () => loopback.ask('stream', { id: '7' }))).toEqual([
      '/locks/messages/7',
      '7',
    ]);
    await world.in(ann, () => loopback.ask('settled', { id: '8' }));
    expect(testing.get(Messages).seen).toEqual([{ id: '8' }, '/locks/messages/8']);
    expect(loopback.patterns).toEqual(['settle', 'settle too', 'settled', 'stream']);
    await world.in(ann, () => service.close());
  });
});

describe('metadata', () => {
  const keysOf = (name: keyof Messages) => {
    const method = Messages.prototype[name] as object;
    return (Reflect.getMetadataKeys(method) as string[]).sort();
  };

  it('is the same above the lock and below it', () => {
    expect(keysOf('lockAbove')).toEqual(keysOf('lockBelow'));
    expect(keysOf('lockAbove')).toContain('role');
    expect(keysOf('overHttp')).toEqual(['method', 'path']);
  });

  it('comes through two locks, and so do the names of parameters', async () => {
    expect(keysOf('twoLocks')).toEqual(['innermost', 'middle', 'outer']);
    const testing = await application(ann, [Messages]);
    const call = world.in(ann, () => testing.get(Messages).twoLocks('x'));
    expect(await call).toBe('x /locks/two/x');
  });
});
