import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rejection } from '../../../test/rejection.js';
import {
  ItemFormatError,
  MessageEncodingError,
  QueueFullError,
  QueuesClosedError,
  RejectItemError,
  textItems,
  type ConsumeOptions,
  type QueueLayout,
} from '../src/index.js';
import { decodeItems, encodeItems } from '../src/core/item-bytes.js';
import { itemsInOrder, newItemName } from '../src/core/item-names.js';
import { QueueWorld, STEADY, texts, type Service } from './queue-world.js';

let world: QueueWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

describe('the bytes of an item', () => {
  it('are those of Curator’s ItemSerializer', () => {
    const bytes = encodeItems([Buffer.from('ab'), Buffer.from('')]);
    expect(bytes.toString('hex')).toBe('00010001' + '0100000002' + '6162' + '0100000000' + '02');
    expect(decodeItems(bytes).map(String)).toEqual(['ab', '']);
  });

  it('mean what was written', () => {
    const some = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 5 });
    fc.assert(
      fc.property(some, (items) => {
        const read = decodeItems(encodeItems(items));
        expect(read.map((item) => [...item])).toEqual(items.map((item) => [...item]));
      }),
      { seed: 1 },
    );
  });

  it('that are cut or strange are refused, wherever', () => {
    const whole = encodeItems([Buffer.from('hello'), Buffer.from('you')]);
    for (let end = 0; end < whole.length; end++) {
      expect(() => decodeItems(whole.subarray(0, end))).toThrow(ItemFormatError);
    }
    const strange: [string, RegExp][] = [
      ['00010002' + '02', /its version is 0x10002/],
      ['00010001' + '03', /at 4 stands a 3/],
      ['00010001' + '01ffffffff' + '02', /at 4 stands a length of -1/],
    ];
    for (const [hex, problem] of strange) {
      expect(() => decodeItems(Buffer.from(hex, 'hex'))).toThrow(problem);
    }
  });
});

describe('the names of items', () => {
  it('are those of Curator’s queues', () => {
    expect(newItemName('fifo', {})).toBe('queue-');
    expect(newItemName('simple', {})).toBe('qn-');
    expect(newItemName('priority', { priority: 10 })).toBe('queue-10000000A');
    expect(newItemName('priority', { priority: -2 })).toBe('queue-0FFFFFFFE');
    expect(newItemName('delay', { dueMs: 0x199a0b1c2d3 })).toBe('queue-|199A0B1C2D3|');
    expect(newItemName('delay', { dueMs: 10 })).toBe('queue-|0000000A|');
    expect(newItemName('id', { id: 'a/b|c' })).toBe('queue-|a_b_c|');
  });

  it('put them in order, also over the wrap of the counter', () => {
    const order = (layout: QueueLayout, names: string[]) =>
      itemsInOrder(layout, names).map(({ name }) => name);
    const wrapped = ['queue-2147483646', 'queue-2147483647', 'queue--2147483648'];
    expect(order('fifo', [wrapped[2]!, 'other', wrapped[0]!, wrapped[1]!])).toEqual(wrapped);
    const urgent = [
      'queue-0800000000000000009',
      'queue-0FFFFFFFF0000000003',
      'queue-1000000000000000002',
      'queue-1000000010000000000',
      'queue-1000000010000000001',
    ];
    expect(order('priority', [...urgent].reverse())).toEqual(urgent);
    const due = ['queue-|FFFFFFFF|0000000001', 'queue-|100000000|0000000000'];
    expect(order('delay', [...due].reverse())).toEqual(due);
    const ids = ['queue-|z|0000000001', 'queue-|a|0000000002'];
    expect(order('id', [...ids].reverse())).toEqual(ids);
  });
});

describe('putting and polling', () => {
  it.each<[QueueLayout, RegExp]>([
    ['fifo', /^queue-\d{10}$/],
    ['priority', /^queue-100000000\d{10}$/],
    ['delay', /^queue-\|[0-9A-F]{8,}\|\d{10}$/],
    ['id', /^queue-\|[0-9a-f]{32}\|\d{10}$/],
    ['simple', /^qn-\d{10}$/],
  ])('%s', async (layout, pattern) => {
    const queue = ann.queues.queue(layout, texts(layout));
    for (const text of ['a', 'b', 'c']) {
      const put = await world.in(ann, () => queue.put(text));
      expect(put).toMatchObject({ ambiguous: false });
      expect(put.path?.split('/').pop()).toMatch(pattern);
    }
    expect(await world.in(ann, () => queue.size())).toBe(3);
    await world.pass(5);
    expect(await world.in(ann, () => queue.peek())).toMatchObject({ messages: ['a'] });
    const other = bob.queues.queue(layout, texts(layout));
    const polled = [];
    for (let at = 0; at < 4; at++) {
      polled.push((await world.in(bob, () => other.poll()))?.messages ?? null);
    }
    expect(polled).toEqual([['a'], ['b'], ['c'], null]);
  });

  it('by priority, lower ones first', async () => {
    const queue = ann.queues.queue('p', texts('priority'));
    for (const priority of [5, -3, 0, 2 ** 31 - 1, -(2 ** 31)]) {
      await world.in(ann, () => queue.put(String(priority), { priority }));
    }
    const polled: unknown[] = [];
    for (let at = 0; at < 5; at++) {
      polled.push((await world.in(ann, () => queue.poll()))?.messages[0]);
    }
    expect(polled).toEqual(['-2147483648', '-3', '0', '5', '2147483647']);
  });

  it('several messages together come together', async () => {
    const queue = ann.queues.queue('f', texts());
    await world.in(ann, () => queue.putTogether(['a', 'b']));
    expect(await world.in(ann, () => queue.poll())).toMatchObject({ messages: ['a', 'b'] });
    const simple = ann.queues.queue('s', texts('simple'));
    await expect(world.in(ann, () => simple.putTogether(['a', 'b']))).rejects.toThrow(
      'is one message',
    );
  });

  it('take waits for an item, and not longer than it may', async () => {
    const queue = ann.queues.queue('f', texts());
    const taking = world.begin(ann, () => queue.take());
    await world.pass(200);
    await world.in(bob, () => bob.queues.queue('f', texts()).put('late'));
    expect(await world.world.settle(taking)).toMatchObject({ messages: ['late'] });
    const startedMs = world.world.virtualMs;
    expect(await world.in(ann, () => queue.take({ waitMs: 300 }))).toBeNull();
    expect(world.world.virtualMs - startedMs).toBeLessThan(310);
    const controller = new AbortController();
    const aborted = rejection(world.begin(ann, () => queue.take({ signal: controller.signal })));
    await world.pass(100);
    ann.process.run(() => controller.abort());
    expect(await world.world.settle(aborted)).toMatchObject({ outcome: 'notApplied' });
    await world.pass(50);
    expect(ann.zk.watchCount).toBe(0);
    expect(world.watchCount).toBe(0);
  });

  it('by id: found and removed by it', async () => {
    const queue = ann.queues.queue('i', texts('id'));
    for (const id of ['x', 'y', 'x']) await world.in(ann, () => queue.put(id, { id }));
    // Slashes and bars become underscores, as with Curator.
    for (const id of ['a/b', 'a|b', 'a_b']) await world.in(ann, () => queue.put(id, { id }));
    expect(await world.in(ann, () => queue.remove('a/b'))).toBe(3);
    expect(await world.in(ann, () => queue.remove('x'))).toBe(2);
    expect(await world.in(ann, () => queue.poll())).toEqual({ id: 'y', messages: ['y'] });
  });

  it('waits for room, and says when there is none', async () => {
    const queue = ann.queues.queue('f', texts('fifo', { maxItems: 2 }));
    for (const text of ['a', 'b']) await world.in(ann, () => queue.put(text));
    const error = await rejection(world.in(ann, () => queue.put('c', { waitMs: 200 })));
    expect(error).toBeInstanceOf(QueueFullError);
    expect(error).toMatchObject({ outcome: 'notApplied', maxItems: 2 });
    const putting = world.begin(ann, () => queue.put('c'));
    await world.pass(100);
    await world.in(bob, () => bob.queues.queue('f', texts()).poll());
    expect(await world.world.settle(putting)).toMatchObject({ ambiguous: false });
    await world.pass(50);
    expect(world.watchCount).toBe(0);
  });

  it('has room, whatever else stands beside its items', async () => {
    const queue = ann.queues.queue('f', texts('fifo', { maxItems: 2 }));
    await world.look((zk) => zk.ensurePath('/q/f/README'));
    await world.look((zk) => zk.ensurePath('/q/f/notes'));
    for (const text of ['a', 'b']) await world.in(ann, () => queue.put(text));
    expect(await world.in(ann, () => queue.size())).toBe(2);
    const error = await rejection(world.in(ann, () => queue.put('c', { waitMs: 200 })));
    expect(error).toBeInstanceOf(QueueFullError);
    await world.pass(50);
    expect([world.watchCount, ann.zk.watchCount]).toEqual([0, 0]);
  });

  it('says what cannot be written, and where', async () => {
    const ring: { inner?: unknown } = {};
    ring.inner = ring;
    const put = (message: unknown) =>
      rejection(world.in(ann, () => ann.queues.queue('j').put(message)));
    for (const message of [1n, ring, undefined]) {
      const error = await put(message);
      expect(error).toBeInstanceOf(MessageEncodingError);
      expect(error.message).toMatch(/^put \/q\/j: the message cannot be written: /);
      expect(error).toMatchObject({ outcome: 'notApplied', path: '/q/j' });
      expect(error.cause).toBeInstanceOf(TypeError);
    }
    const codec = { ...textItems, encode: (text: string) => text as never };
    const careless = ann.queues.queue('k', { codec });
    const error = await rejection(world.in(ann, () => careless.put('a')));
    expect(error.message).toMatch(/its codec made a string of it, not a Uint8Array/);
  });

  it.each<[QueueLayout, object, RegExp]>([
    ['fifo', { priority: 1 }, /priority is for the layout "priority", not "fifo"/],
    ['fifo', { delayMs: 1 }, /a delay is for the layout "delay"/],
    ['priority', { id: 'a' }, /id is for the layout "id"/],
    [
      'priority',
      { priority: 1.5 },
      /^put: priority must be a whole number from -2147483648 to 2147483647, not 1.5/,
    ],
    ['priority', { priority: NaN }, /priority must be a whole number .*, not NaN/],
    ['priority', { priority: '5' }, /priority must be a whole number .*, not '5'/],
    [
      'delay',
      { dueAt: new Date(NaN) },
      /^put: dueAt must be a moment after 1970, not Invalid Date/,
    ],
    ['delay', { dueAt: '2030-01-01' }, /dueAt must be a Date, not '2030-01-01'/],
    ['delay', { delayMs: NaN }, /delayMs must be milliseconds from 0 up, not NaN/],
    ['delay', { delayMs: -1 }, /delayMs must be milliseconds from 0 up, not -1/],
    ['delay', { delayMs: 1, dueAt: new Date(1) }, /give delayMs or dueAt, not both/],
    ['id', { id: 7 }, /an id must be a string, not 7/],
    ['id', { id: '' }, /^put: an id must not be empty/],
    ['fifo', { waitMs: '5s' }, /waitMs must be/],
  ])('refuses what does not fit the layout %s: %j', async (layout, options, problem) => {
    const queue = ann.queues.queue('q', texts(layout));
    await expect(world.in(ann, () => queue.put('a', options))).rejects.toThrow(problem);
    expect(await world.in(ann, () => queue.size())).toBe(0);
  });

  it('refuses an item without messages, and ids that are none', async () => {
    const queue = ann.queues.queue('i', texts('id'));
    await expect(queue.putTogether([])).rejects.toThrow('no message for /q/i');
    await expect(queue.remove(7 as never)).rejects.toThrow('remove: an id must be a string, not 7');
    await expect(queue.replay(null as never)).rejects.toThrow('replay: an id must be a string');
  });
});

const consume: QueueWorld['consume'] = (...from) => world.consume(...from);

describe('consumers', () => {
  it('get every item in order, and leave nothing behind', async () => {
    const { queue, delivered, deliveries } = consume(ann, 'f', texts());
    for (const text of ['a', 'b', 'c']) {
      await world.in(bob, () => bob.queues.queue('f', texts()).put(text));
    }
    await world.world.reach(() => delivered.length === 3);
    await world.pass(100);
    expect(delivered).toEqual(['a', 'b', 'c']);
    expect(deliveries.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    expect(await world.in(ann, () => queue.size())).toBe(0);
    expect(await world.namesIn('/q/f-taken')).toEqual([]);
    await world.in(ann, () => ann.queues.close());
    await world.pass(50);
    expect(ann.zk.watchCount).toBe(0);
    expect(world.watchCount).toBe(0);
    await expect(queue.put('d')).rejects.toBeInstanceOf(QueuesClosedError);
  });

  it('work on several at the same time, and not on more', async () => {
    let now = 0;
    let most = 0;
    const { delivered } = consume(
      ann,
      'f',
      texts(),
      async () => {
        most = Math.max(most, ++now);
        await world.sleep(ann, 100);
        now--;
      },
      { concurrency: 3 },
    );
    const queue = bob.queues.queue('f', texts());
    await world.in(bob, () => Promise.all(Array.from('abcdefgh', (text) => queue.put(text))));
    await world.world.reach(() => delivered.length === 8);
    expect(most).toBe(3);
  });

  it('share the items without getting one twice', async () => {
    const services = [ann, bob, await world.connected('cas')];
    const all = services.map((service) =>
      consume(service, 'f', texts(), () => world.sleep(service, 30), { concurrency: 2 }),
    );
    const queue = ann.queues.queue('f', texts());
    for (let at = 0; at < 60; at++) await world.in(ann, () => queue.put(String(at)));
    const delivered = () => all.flatMap((one) => one.delivered);
    await world.world.reach(() => delivered().length >= 60);
    await world.pass(200);
    expect(new Set(delivered()).size).toBe(60);
    expect(delivered()).toHaveLength(60);
    for (const one of all) expect(one.delivered.length).toBeGreaterThan(5);
  });

  it('try again after a failure, with the attempt counted', async () => {
    const { delivered, deliveries } = consume(
      ann,
      'f',
      texts(),
      (_text, { attempt }) => {
        if (attempt < 3) throw new Error('not yet');
      },
      { attempts: 5, backoffMs: 100 },
    );
    const queue = bob.queues.queue('f', texts());
    await world.in(bob, () => queue.put('a'));
    await world.world.reach(() => delivered.length === 3);
    await world.pass(100);
    expect(deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await world.in(bob, () => queue.size())).toBe(0);
    expect(ann.lines.filter((line) => line.includes('not yet'))).toHaveLength(2);
  });

  it('put what failed too often among the dead letters, with the error, and back on demand', async () => {
    let isBroken = true;
    const { delivered } = consume(
      ann,
      'f',
      texts('id'),
      () => {
        if (isBroken) throw new Error('the printer is on fire');
      },
      { attempts: 2, backoffMs: 10 },
    );
    const queue = bob.queues.queue('f', texts('id'));
    await world.in(bob, () => queue.put('a', { id: 'order 7' }));
    await world.world.reach(() => delivered.length === 2);
    await world.pass(100);
    const [letter] = await world.in(bob, () => queue.deadLetters());
    expect(letter).toMatchObject({
      id: 'order 7',
      messages: ['a'],
      facts: { id: 'order 7', queue: '/q/f', attempts: 2, consumer: 'ann' },
    });
    expect(letter?.facts?.error).toContain('the printer is on fire');
    expect(await world.in(bob, () => queue.size())).toBe(0);
    isBroken = false;
    expect(await world.in(bob, () => queue.replay('order 7'))).toBe(1);
    await world.world.reach(() => delivered.length === 3);
    await world.pass(100);
    expect(await world.namesIn('/q/f-dead')).toEqual([]);
    expect(await world.namesIn('/q/f-taken')).toEqual([]);
  });

  it('do not try again what a handler rejects, or what cannot be read', async () => {
    const { delivered } = consume(ann, 'f', texts(), () => {
      throw new Error('broken', { cause: new RejectItemError('never') });
    });
    const queue = bob.queues.queue('f', texts());
    await world.in(bob, () => queue.put('a'));
    await world.look((zk) => zk.create('/q/f/queue-', 'x', { mode: 'persistentSequential' }));
    await world.world.reach(() => world.port.tree.findText('/q/f-dead') !== -1);
    await world.pass(300);
    expect(delivered).toEqual(['a']);
    expect(await world.namesIn('/q/f-dead')).toHaveLength(2);
    expect(ann.lines.filter((line) => line.includes('goes to the dead letters'))).toHaveLength(2);
  });

  it('consume dead letters as a queue of its own', async () => {
    consume(ann, 'f', texts(), () => Promise.reject(new RejectItemError('no')));
    await world.in(bob, () => bob.queues.queue('f', texts()).put('a'));
    const dead = consume(bob, 'f-dead', texts('id'));
    await world.world.reach(() => dead.delivered.length === 1);
    await world.pass(200);
    expect(dead.delivered).toEqual(['a']);
    expect(await world.namesIn('/q/f-dead')).toEqual([]);
  });

  it('go on with the rest of several messages, where one failed', async () => {
    const { delivered } = consume(
      ann,
      'f',
      texts(),
      (text, { attempt }) => {
        if (text === 'b' && attempt === 1) throw new Error('once');
      },
      { backoffMs: 1 },
    );
    await world.in(bob, () => bob.queues.queue('f', texts()).putTogether(['a', 'b', 'c']));
    await world.world.reach(() => delivered.length === 4);
    expect(delivered).toEqual(['a', 'b', 'b', 'c']);
  });

  it('with at-most-once have taken an item before it is delivered', async () => {
    const sizes: Promise<number>[] = [];
    const { delivered, queue } = consume(
      ann,
      'f',
      texts(),
      (text) => {
        sizes.push(queue.size());
        if (text === 'a') throw new Error('lost');
      },
      { mode: 'at-most-once' },
    );
    for (const text of ['a', 'b']) {
      await world.in(bob, () => bob.queues.queue('f', texts()).put(text));
      await world.world.reach(() => delivered.at(-1) === text);
      await world.in(ann, () => Promise.all(sizes));
    }
    expect(await world.in(ann, () => Promise.all(sizes))).toEqual([0, 0]);
    expect(ann.lines.join()).toContain('failed, and is gone');
  });

  it('are seen by operators at work', async () => {
    consume(ann, 'f', texts(), () => world.sleep(ann, 500));
    const queue = bob.queues.queue('f', texts());
    for (const text of ['a', 'b']) await world.in(bob, () => queue.put(text));
    await world.pass(100);
    const view = await world.in(bob, () => queue.inspect());
    expect(view).toMatchObject({
      path: '/q/f',
      size: 2,
      items: [
        { attempts: 1, consumer: expect.stringMatching(/^ann [0-9a-f]{16}$/) },
        { attempts: 0, consumer: null },
      ],
    });
  });

  it('give items back that they could not end in time', async () => {
    const signals: AbortSignal[] = [];
    consume(ann, 'f', texts(), (_text, { signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    });
    await world.in(bob, () => bob.queues.queue('f', texts()).put('a'));
    await world.world.reach(() => signals.length === 1);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => ann.queues.close({ deadlineMs: 300 }));
    expect(world.world.virtualMs - startedMs).toBeLessThan(400);
    expect(signals[0]?.aborted).toBe(true);
    expect(await world.namesIn('/q/f-taken')).toEqual([]);
    const next = consume(bob, 'f', texts());
    await world.world.reach(() => next.delivered.length === 1);
    expect(next.deliveries[0]?.attempt).toBe(2);
  });

  it.each<[ConsumeOptions, RegExp]>([
    [{ concurrency: 0 }, /concurrency must be a whole number from 1 up, not 0/],
    [{ attempts: 1.5 }, /attempts must be a whole number/],
    [{ backoffMs: -1 }, /backoffMs must be milliseconds from 0 up/],
    [{ attempts: '5' as never }, /attempts must be a whole number from 1 up, not '5'/],
    [{ backoffMs: '5' as never }, /backoffMs must be milliseconds from 0 up, not '5'/],
    [{ mode: 'at-most-once', attempts: 3 }, /attempts and the mode "at-most-once" contradict/],
    [{ mode: 'at-most-once', backoffMs: 3 }, /backoffMs and the mode "at-most-once" contradict/],
    [{ mode: 'exactly-once' as never }, /there is no mode "exactly-once"/],
  ])('refuse %j', (options, problem) => {
    expect(() => ann.queues.queue('f').consume(() => undefined, options)).toThrow(problem);
  });
});
