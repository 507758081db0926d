import { Injectable, Scope, type ModuleMetadata, type Provider } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Observable, timer } from 'rxjs';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { applicationOf } from '../../../test/recipes/nest-application.js';
import {
  InjectQueue,
  InjectQueues,
  QueueClient,
  QueueConsumer,
  QueueModule,
  QueueSetupError,
  Delivery,
  RejectItemError,
  getQueueToken,
  textItems,
  type ItemQueue,
  type QueueModuleOptions,
} from '../src/index.js';
import { QueueWorld, STEADY, type Service } from './queue-world.js';

interface Mail {
  readonly to: string;
}

let world: QueueWorld;
let ann: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = world.service('ann');
});

const application = (
  providers: Provider[],
  options: QueueModuleOptions & { readonly name?: string } = {},
  more: ModuleMetadata = {},
) => {
  const { log, process } = ann;
  const queues = QueueModule.forRoot({ log, random: process.random, ...options });
  return applicationOf(ann, { ...more, imports: [queues, ...(more.imports ?? [])], providers });
};

const start = (...from: Parameters<typeof application>) =>
  world.in(ann, () => application(...from));

async function failure(starting: Promise<unknown>): Promise<string> {
  try {
    await starting;
  } catch (error) {
    return String(error);
  }
  throw new Error('the application started');
}

describe('an application', () => {
  it('consumes its queues with its methods, from its start to its end', async () => {
    @Injectable()
    class Mailer {
      readonly sent: [string, Delivery][] = [];

      constructor(
        @InjectQueue('emails') readonly emails: ItemQueue<Mail>,
        @InjectQueues() readonly queues: QueueClient,
      ) {}

      @QueueConsumer('emails', { concurrency: 2 })
      async send(this: Mailer, mail: Mail, delivery: Delivery): Promise<void> {
        await world.sleep(ann, 20);
        this.sent.push([mail.to, delivery]);
      }
    }
    const app = await start([Mailer], {}, { imports: [QueueModule.forFeature(['emails'])] });
    const mailer = app.get(Mailer);
    expect(mailer.queues).toBe(app.get(QueueClient));
    for (const to of ['ann', 'bob']) await world.in(ann, () => mailer.emails.put({ to }));
    await world.world.reach(() => mailer.sent.length === 2);
    expect(mailer.sent.map(([to]) => to)).toEqual(['ann', 'bob']);
    expect(mailer.sent[0]?.[1]).toMatchObject({ queue: '/queues/emails', attempt: 1 });
    await world.in(ann, () => app.close());
    await world.in(ann, () => ann.zk.connect());
    await world.pass(100);
    expect(ann.zk.watchCount).toBe(0);
    expect(world.watchCount).toBe(0);
    expect(await world.in(ann, () => ann.zk.ephemerals())).toEqual([]);
    await expect(mailer.emails.put({ to: 'cas' })).rejects.toThrow('is shutting down');
  });

  it('tries again, and puts aside, as the mark says', async () => {
    @Injectable()
    class Printer {
      readonly attempts: number[] = [];

      @QueueConsumer('pages', {
        retry: 3,
        backoff: '10ms',
        backoffMax: '1s',
        deadLetter: 'bin',
        codec: textItems,
      })
      print(_text: string, { attempt }: Delivery): never {
        this.attempts.push(attempt);
        throw new Error('out of paper');
      }
    }
    const app = await start([Printer]);
    const queue = app.get(QueueClient).queue<string>('pages');
    await world.in(ann, () => queue.put('one'));
    await world.world.reach(() => world.port.tree.findText('/queues/bin') !== -1);
    await world.pass(100);
    expect(app.get(Printer).attempts).toEqual([1, 2, 3]);
    const [letter] = await world.in(ann, () => queue.deadLetters());
    expect(letter).toMatchObject({ messages: ['one'], facts: { attempts: 3 } });
    await world.in(ann, () => app.close());
  });

  it('consumes with inherited, replaced and stream-returning methods, and over several modules', async () => {
    const handled: string[] = [];
    const Shouting =
      () =>
      (_target: object, _key: string, descriptor: PropertyDescriptor): void => {
        const inner = descriptor.value as (...args: unknown[]) => unknown;
        descriptor.value = function (this: unknown, text: string, delivery: Delivery) {
          return inner.call(this, `${text}!`, delivery);
        };
      };
    class Base {
      @QueueConsumer('base')
      work(text: string): void {
        handled.push(`base ${text}`);
      }
    }
    @Injectable()
    class Derived extends Base {
      @Shouting()
      @QueueConsumer('inside')
      inside(text: string): void {
        handled.push(`inside ${text}`);
      }

      @QueueConsumer('outside')
      @Shouting()
      outside(text: string): void {
        handled.push(`outside ${text}`);
      }

      @QueueConsumer('stream', { queues: 'audit' })
      stream(text: string): Observable<number> {
        return new Observable((subscriber) => {
          handled.push(`stream ${text}`);
          subscriber.complete();
        });
      }
    }
    const audit = QueueModule.forRoot({ log: ann.log, name: 'audit', root: '/audit' });
    const feature = QueueModule.forFeature([{ path: 'stream', layout: 'id' }], 'audit');
    const app = await start([Derived], {}, { imports: [audit, feature] });
    const client = app.get(QueueClient);
    for (const name of ['base', 'inside', 'outside']) {
      await world.in(ann, () => client.queue(name).put(name));
    }
    const stream = app.get<ItemQueue<string>>(getQueueToken('stream', 'audit'));
    await world.in(ann, () => stream.put('x'));
    await world.world.reach(() => handled.length === 4);
    expect(handled).toEqual(['base base', 'inside inside!', 'outside outside!', 'stream x']);
    await world.in(ann, () => app.close());
  });

  it('gives the delivery to the parameter that is marked', async () => {
    const handled: unknown[] = [];
    @Injectable()
    class Marked {
      @QueueConsumer('last')
      last(text: string, @Delivery() delivery: Delivery): void {
        handled.push([text, delivery.attempt]);
      }

      @QueueConsumer('only')
      only(@Delivery() delivery: Delivery): void {
        handled.push(delivery.queue);
      }
    }
    const app = await start([Marked], {}, { imports: [QueueModule.forFeature(['last'])] });
    for (const name of ['last', 'only']) {
      await world.in(ann, () => app.get(QueueClient).queue(name).put(name));
    }
    await world.world.reach(() => handled.length === 2);
    expect(handled).toEqual([['last', 1], '/queues/only']);
    await world.in(ann, () => app.close());
  });

  it('has the settings of a mark also where its queue is injected without', async () => {
    @Injectable()
    class Printer {
      constructor(@InjectQueue('pages') readonly pages: ItemQueue<string>) {}

      @QueueConsumer('pages', { codec: textItems, deadLetter: 'bin' })
      print(this: Printer): never {
        throw new RejectItemError('no');
      }
    }
    const app = await start([Printer], {}, { imports: [QueueModule.forFeature(['pages'])] });
    await world.in(ann, () => app.get(Printer).pages.put('one'));
    await world.world.reach(() => world.port.tree.findText('/queues/bin') !== -1);
    await world.in(ann, () => app.close());
  });

  it('cuts streams that do not end, and gives their items back', async () => {
    let isCut = false;
    @Injectable()
    class Endless {
      @QueueConsumer('a')
      work(_text: string): Observable<number> {
        return new Observable((subscriber) => {
          const subscription = timer(1_000_000).subscribe(subscriber);
          return () => {
            subscription.unsubscribe();
            isCut = true;
          };
        });
      }
    }
    const app = await start([Endless], { drain: '100ms' });
    await world.in(ann, () => app.get(QueueClient).queue('a').put('x'));
    await world.pass(300);
    expect(await world.namesIn('/queues/a-taken')).toHaveLength(1);
    await world.in(ann, () => app.close());
    expect(isCut).toBe(true);
    expect(await world.namesIn('/queues/a-taken')).toEqual([]);
    expect(await world.namesIn('/queues/a')).toHaveLength(1);
  });

  it('waits at its end for methods that run, and takes nothing new', async () => {
    const done: string[] = [];
    @Injectable()
    class Slow {
      @QueueConsumer('a')
      async work(text: string): Promise<void> {
        await world.sleep(ann, 1_000);
        done.push(text);
      }
    }
    const app = await start([Slow]);
    const queue = app.get(QueueClient).queue<string>('a');
    for (const text of ['one', 'two']) await world.in(ann, () => queue.put(text));
    await world.pass(300);
    await world.in(ann, () => app.close());
    expect(done).toEqual(['one']);
    expect(await world.namesIn('/queues/a')).toHaveLength(1);
    expect(await world.namesIn('/queues/a-taken')).toEqual([]);
  });

  it('does not try again what a method rejects', async () => {
    @Injectable()
    class Strict {
      calls = 0;

      @QueueConsumer('a')
      work(): void {
        this.calls++;
        throw new RejectItemError('not for us');
      }
    }
    const app = await start([Strict]);
    await world.in(ann, () => app.get(QueueClient).queue('a').put('x'));
    await world.world.reach(() => world.port.tree.findText('/queues/a-dead') !== -1);
    expect(app.get(Strict).calls).toBe(1);
    await world.in(ann, () => app.close());
  });
});

describe('the start of an application stops', () => {
  it('with @Delivery() in a method that does not consume', async () => {
    @Injectable()
    class Idle {
      work(@Delivery() _delivery: Delivery): void {}
    }
    expect(await failure(application([Idle]))).toMatch(
      /@Delivery\(\) on a parameter of Idle\.work: .* put @QueueConsumer\(path\) on the method/,
    );
    const onConstructor = () => {
      class Wrong {
        constructor(@Delivery() _delivery: Delivery) {}
      }
      return Wrong;
    };
    expect(onConstructor).toThrow(/of Wrong\.constructor: it belongs on a parameter of a method/);
  });

  @Injectable()
  class Worker {
    @QueueConsumer('a')
    work(): void {}
  }

  it.each([Scope.REQUEST, Scope.TRANSIENT])('with a consumer of the scope %i', async (scope) => {
    @Injectable({ scope })
    class Scoped extends Worker {}
    const problem = await failure(application([Scoped]));
    expect(problem).toMatch(/@QueueConsumer\(\) on Scoped\.work: .* provider of the default scope/);
  });

  it('without QueueModule, or without that of the name', async () => {
    const testing = Test.createTestingModule({ providers: [Worker] });
    expect(await failure(testing.compile())).toMatch(
      /resolve dependencies of the Worker.*its @QueueConsumer\(\) needs QueueModule\.forRoot/,
    );
    @Injectable()
    class Audit {
      @QueueConsumer('a', { queues: 'audit' })
      work(): void {}
    }
    expect(await failure(application([Audit]))).toMatch(/with the name "audit" in the imports/);
  });

  it('without a connection, without forRoot, and with two of one name', async () => {
    const compile = (imports: NonNullable<ModuleMetadata['imports']>) =>
      failure(Test.createTestingModule({ imports }).compile());
    expect(await compile([QueueModule.forRoot()])).toMatch(/needs ZooKeeperModule\.forRoot/);
    expect(await compile([QueueModule])).toMatch(/import QueueModule\.forRoot/);
    const twice = application([], {}, { imports: [QueueModule.forRoot({ root: '/other' })] });
    expect(await failure(twice)).toMatch(/"default" is defined more than once/);
  });

  it.each<[string, QueueModuleOptions, RegExp]>([
    ['root', { root: 'queues' }, /QueueModule "default": root: a path must start with/],
    ['wait', { wait: '5 s' }, /QueueModule "default": wait must be/],
    ['drain', { drain: -1 }, /QueueModule "default": drain must be/],
  ])('with a wrong option: %s', async (_name, options, problem) => {
    expect(await failure(application([], options))).toMatch(problem);
  });

  it('with what is no list of queues', () => {
    expect(() => QueueModule.forFeature('emails' as never)).toThrow(
      'QueueModule.forFeature takes a list, such as ["emails"]',
    );
    for (const none of [undefined, null, 5, { layout: 'id' }]) {
      const define = () => QueueModule.forFeature([none as never]);
      expect(define).toThrow(QueueSetupError);
      expect(define).toThrow(/QueueModule\.forFeature: .* is no queue: write its path/);
    }
  });

  it('with settings that differ from those given elsewhere, or that are wrong', async () => {
    @Injectable()
    class Other {
      @QueueConsumer('a', { layout: 'id' })
      work(): void {}
    }
    const both = [QueueModule.forFeature([{ path: 'a', layout: 'fifo' }])];
    const differing = failure(application([Other], {}, { imports: both }));
    expect(await differing).toMatch(
      /QueueSetupError: @QueueConsumer\(\) on Other\.work: the queue \/queues\/a is in use with other/,
    );
    const wrong = [QueueModule.forFeature([{ path: 'b', maxItems: 0 }])];
    expect(await failure(application([], {}, { imports: wrong }))).toMatch(
      /QueueSetupError: QueueModule\.forFeature, "b": .*maxItems must be a whole number/,
    );
    @Injectable()
    class Wide {
      @QueueConsumer('c', { concurrency: 0 })
      work(): void {}
    }
    expect(await failure(start([Wide]))).toMatch(/on Wide\.work: consume: concurrency must be/);
  });
});

describe('a class is not defined', () => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- types would not let these pass
  const put = (path: unknown, options?: unknown): any =>
    QueueConsumer(path as string, options as object);

  it.each<[string, () => unknown, RegExp]>([
    [
      'with the mark on a static method',
      () => {
        class Wrong {
          @put('a')
          static work(): void {}
        }
        return Wrong;
      },
      /on Wrong\.work: a static method has no application whose queues/,
    ],
    [
      'with the mark on a property',
      () => {
        class Wrong {
          @put('a')
          work = () => undefined;
        }
        return Wrong;
      },
      /on Wrong\.work: it belongs on a method/,
    ],
    [
      'with the mark on a generator',
      () => {
        class Wrong {
          @put('a')
          *work(): Generator<number> {
            yield 1;
          }
        }
        return Wrong;
      },
      /on Wrong\.work: a generator has no end/,
    ],
    [
      'without a path',
      () => {
        class Wrong {
          @put('')
          work(): void {}
        }
        return Wrong;
      },
      /on Wrong\.work: the path of the queue must be a string/,
    ],
    [
      'with a backoff that is no time',
      () => {
        class Wrong {
          @put('a', { backoff: '5 sec' })
          work(): void {}
        }
        return Wrong;
      },
      /on Wrong\.work: backoff must be milliseconds or a time such as/,
    ],
    [
      'with a number of attempts that is none',
      () => {
        class Wrong {
          @put('a', { retry: '5' })
          work(): void {}
        }
        return Wrong;
      },
      /on Wrong\.work: retry must be a whole number from 1 up, not '5'/,
    ],
    ...[{ retry: 2 }, { backoff: '1s' }, { backoffMax: '1s' }, { deadLetter: 'dead' }].map(
      (idle): [string, () => unknown, RegExp] => [
        `with at-most-once and ${Object.keys(idle).join()}`,
        () => {
          class Wrong {
            @put('a', { mode: 'at-most-once', ...idle })
            work(): void {}
          }
          return Wrong;
        },
        new RegExp(
          `on Wrong\\.work: ${Object.keys(idle).join()} and the mode "at-most-once" contra`,
        ),
      ],
    ),
  ])('%s', (_what, define, problem) => {
    expect(define).toThrow(QueueSetupError);
    expect(define).toThrow(problem);
  });
});
