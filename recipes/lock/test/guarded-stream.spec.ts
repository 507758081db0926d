import { Injectable } from '@nestjs/common';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Observable, Subscription, take } from 'rxjs';
import { DistributedLock, LockSetupError, currentLease } from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';
import { application, contenders } from './nest-world.js';

let world: LockWorld;
let ann: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

describe('a stream under @DistributedLock()', () => {
  @Injectable()
  class Feeds {
    @DistributedLock('feeds/{id}', { wait: 0 })
    feed(id: string): Observable<string> {
      const lease = currentLease();
      return new Observable<string>((subscriber) => {
        subscriber.next(`${id} ${currentLease() === lease}`);
        const timer = ann.process.clock.setTimer(200, () => {
          subscriber.next('last');
          if (id === 'bad') subscriber.error(new Error('bad feed'));
          else subscriber.complete();
        });
        return () => timer.cancel();
      });
    }

    made = 0;

    /** Emits all while it is being subscribed to. */
    @DistributedLock('feeds/sync', { wait: 0 })
    everything(): Observable<string> {
      return new Observable<string>((subscriber) => {
        while (!subscriber.closed && this.made < 1000) subscriber.next(String(++this.made));
        subscriber.complete();
      });
    }

    /** As where `Observable` is imported as a type only: nobody can know what comes. */
    @DistributedLock('feeds/{id}')
    @Reflect.metadata('design:returntype', Object)
    undeclared(id: string): Observable<string> {
      return this.feed(id);
    }

    /** No generator itself, it hands on the one of another method. */
    @DistributedLock('feeds/{_id}')
    async rows(_id: string): Promise<AsyncGenerator<string>> {
      async function* rows() {
        yield Promise.resolve('row');
      }
      return Promise.resolve(rows());
    }

    @DistributedLock('feeds/{id}')
    patient(id: string): Observable<string> {
      return this.feed(id);
    }

    @DistributedLock('feeds/{id}', { wait: 0, onBusy: 'skip' })
    skipped(id: string): Observable<string> {
      return this.feed(id);
    }

    @DistributedLock('feeds/{id}', { wait: 0, onBusy: () => Promise.resolve('busy') })
    instead(id: string): Observable<string> {
      return this.feed(id);
    }
  }

  let feeds: Feeds;

  beforeEach(async () => {
    feeds = (await application(ann, [Feeds])).get(Feeds);
  });

  /** Subscribes in ann's process. What arrives stands in `events`. */
  const listen = (stream: Observable<string>) => {
    const events: string[] = [];
    const subscription = new Subscription();
    ann.process.run(() => {
      subscription.add(
        stream.subscribe({
          next: (value) => events.push(value),
          error: (error: Error) => events.push(error.name),
          complete: () => events.push('complete'),
        }),
      );
    });
    return { events, subscription };
  };
  const arrival = (events: readonly string[]) => world.world.reach(() => events.length > 0);

  it('stops a source that emits all at once where its subscriber has enough', async () => {
    const { events } = listen(feeds.everything().pipe(take(3)));
    await arrival(events);
    expect(events).toEqual(['1', '2', '3', 'complete']);
    expect(feeds.made).toBe(3);
    await world.pass(100);
    expect(await contenders(world, '/locks/feeds/sync')).toEqual([]);
  });

  it('holds it from subscription to completion', async () => {
    const stream = feeds.feed('a');
    await world.pass(100);
    expect(await contenders(world, '/locks/feeds/a')).toEqual([]);
    const { events } = listen(stream);
    await arrival(events);
    expect(events).toEqual(['a true']);
    expect(await contenders(world, '/locks/feeds/a')).toHaveLength(1);
    const other = listen(feeds.feed('a'));
    await arrival(other.events);
    expect(other.events).toEqual(['LockBusyError']);
    await world.pass(300);
    expect(events).toEqual(['a true', 'last', 'complete']);
    expect(await contenders(world, '/locks/feeds/a')).toEqual([]);
  });

  it('releases when the stream fails, or is not wanted any more', async () => {
    const failing = listen(feeds.feed('bad'));
    await arrival(failing.events);
    await world.pass(300);
    expect(failing.events).toEqual(['bad true', 'last', 'Error']);
    const left = listen(feeds.feed('a'));
    await arrival(left.events);
    left.subscription.unsubscribe();
    const early = [1, 30, 60, 75, 90].map((ms) => {
      const { events, subscription } = listen(feeds.feed(`early-${ms}`));
      world.world.after(ms, () => ann.process.run(() => subscription.unsubscribe()));
      return events;
    });
    await world.pass(500);
    expect(left.events).toEqual(['a true']);
    expect(early.flat().filter((event) => !event.endsWith('true'))).toEqual([]);
    for (const id of ['bad', 'a', 'early-1', 'early-30', 'early-60', 'early-75', 'early-90']) {
      expect(await contenders(world, `/locks/feeds/${id}`)).toEqual([]);
    }
    expect(ann.zk.watchCount).toBe(0);
  });

  it('leaves the queue when it is not wanted any more', async () => {
    const held = await world.acquire(await world.connected('bob'), 'feeds/a');
    const { events, subscription } = listen(feeds.patient('a'));
    await world.pass(100);
    expect(await contenders(world, '/locks/feeds/a')).toHaveLength(2);
    ann.process.run(() => subscription.unsubscribe());
    await world.pass(50);
    expect(await contenders(world, '/locks/feeds/a')).toEqual([held.nodePath.split('/').pop()]);
    expect(events).toEqual([]);
  });

  it('skips, or gives something else, when busy; both are reentrant', async () => {
    const { events } = listen(feeds.skipped('a'));
    await arrival(events);
    expect(events).toEqual(['a true']);
    const [skipped, instead] = [listen(feeds.skipped('a')), listen(feeds.instead('a'))];
    await world.pass(100);
    expect([skipped.events, instead.events]).toEqual([['complete'], ['busy', 'complete']]);
  });

  it('is refused where the types do not say that it is one', async () => {
    const call = world.in(ann, () => feeds.undeclared('a') as unknown as Promise<unknown>);
    const error = await rejection(call);
    expect(error).toBeInstanceOf(LockSetupError);
    expect(String(error)).toMatch(
      /Feeds\.undeclared .* returned an Observable, which its signature/,
    );
    expect(await contenders(world, '/locks/feeds/a')).toEqual([]);
  });

  it('is no generator, which would run without the lock', async () => {
    const error = await rejection(world.in(ann, () => feeds.rows('a')));
    expect(error).toBeInstanceOf(LockSetupError);
    expect(String(error)).toMatch(/Feeds\.rows .* returned a generator.*: return what it yields/);
  });

  it('fails as soon as the lock is lost, and stops what it stood for', async () => {
    const { events } = listen(feeds.feed('a'));
    await arrival(events);
    const [name] = await contenders(world, '/locks/feeds/a');
    await world.look((zk) => zk.set(`/locks/feeds/a/${name}`, '__REVOKE__'));
    await world.pass(300);
    expect(events).toEqual(['a true', 'LeaseLostError']);
    expect(await contenders(world, '/locks/feeds/a')).toEqual([]);
  });
});
