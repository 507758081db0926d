import { beforeEach, describe, expect, it } from '@jest/globals';
import type { QueueSettings } from '../src/index.js';
import { QueueWorld, STEADY, texts, type Service } from './queue-world.js';

let world: QueueWorld;
let ann: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
});

describe('a queue', () => {
  it('has one set of settings', () => {
    const { queues } = ann;
    queues.queue('f', texts('id'));
    expect(() => queues.queue('f', texts('fifo'))).toThrow('in use with other settings');
    expect(queues.queue('f')).toBe(queues.queue('f', texts('id')));
    expect(() => queues.queue('/')).toThrow('the root cannot be a queue');
  });

  it('takes them from where they are given first, as long as it was not used without', async () => {
    const { queues } = ann;
    const queue = queues.queue<string>('f');
    expect(queues.queue('f', texts('priority'))).toBe(queue);
    const { path } = await world.in(ann, () => queue.put('a', { priority: 1 }));
    expect(path).toMatch(/queue-1000000010{10}$/);
    expect(String((await world.look((zk) => zk.get(path!))).data)).toContain('a');
    await world.in(ann, () => queues.queue('g').size());
    expect(() => queues.queue('g', texts('id'))).toThrow('in use with other settings');
    queues.queue('h').consume(() => undefined);
    expect(() => queues.queue('h', texts('id'))).toThrow('in use with other settings');
    await world.in(ann, () => queues.close());
  });

  it.each<[object, RegExp]>([
    [{ layout: 'lifo' }, /the queue \/q\/f: there is no layout "lifo", but fifo, priority/],
    [{ maxItems: 0 }, /maxItems must be a whole number from 1 up, not 0/],
    [{ maxItems: '5' }, /maxItems must be a whole number from 1 up, not '5'/],
    [{ codec: {} }, /its codec must have the functions encode and decode/],
    [{ codec: null }, /its codec must have the functions encode and decode/],
    [{ deadLetter: true }, /the queue \/q\/f: deadLetter must be a path, not true/],
    [{ lockPath: '..' }, /the queue \/q\/f: lockPath: .*must not have a component "\.\."/],
    [{ deadLetter: '../x' }, /must not have a component ".."/],
    [{ lockPath: 'f' }, /lockPath is the directory of the queue; give it one of its own/],
    [{ deadLetter: '/q/f' }, /deadLetter is the directory of the queue/],
    [{ deadLetter: 'x', lockPath: 'x' }, /deadLetter is the directory of lockPath/],
    [{ lockPath: '_receipts' }, /receipts is the directory of lockPath/],
  ])('is refused with %j', (settings, problem) => {
    expect(() => ann.queues.queue('f', settings as QueueSettings)).toThrow(problem);
    expect(() => ann.queues.queue('_receipts')).toThrow(/receipts is the directory of the queue/);
  });

  it('is not consumed without a function', () => {
    const consume = () => ann.queues.queue('f').consume(undefined as never);
    expect(consume).toThrow('consume: the handler must be a function, not undefined');
  });
});
