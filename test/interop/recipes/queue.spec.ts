import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ZooKeeper } from '@aviary/client';
import { QueueClient, rawItems, textItems, type ItemQueue } from '@aviary/queue';
import { SERVER_KINDS, removeAll } from '../servers.js';
import { SharedRoom } from './shared-room.js';

const WAIT_MS = 20_000;
/** Longer than Curator takes to look at its queue. */
const SOON_MS = 300;

afterAll(removeAll);

describe.each(SERVER_KINDS)('queues on a server of %s', (kind) => {
  let room: SharedRoom;
  let zk: ZooKeeper;
  let queues: QueueClient;

  beforeAll(async () => {
    room = await SharedRoom.start(kind);
    zk = room.client();
    queues = new QueueClient(zk, { identity: 'ours' });
  });

  afterAll(() => room.stop());

  /** Messages that are consumed here, in their order; resolves when there are so many. */
  async function consumed(queue: ItemQueue<string>, count: number): Promise<readonly string[]> {
    const messages: string[] = [];
    const consumer = await new Promise<{ stop(): void }>((done) => {
      const consuming = queue.consume((message) => {
        messages.push(message);
        if (messages.length === count) done(consuming);
      });
    });
    consumer.stop();
    return messages;
  }

  it.each([
    ['fifo', 'queue', [[], [], []]],
    ['priority', 'priorityqueue', [[-7], [0], [2_000_000]]],
    ['id', 'idqueue', [['one'], ['other'], ['last']]],
  ] as const)('of the layout %s bring Curator’s items to us', async (layout, part, words) => {
    const path = `/from-curator-${layout}`;
    const java = await room.curator.make(`to-${part}`, path);
    for (const [at, args] of words.entries()) await java.tell('put', `item-${at}`, ...args);
    await room.untilChildren(path, words.length);
    const queue = queues.queue<string>(path, { layout, codec: textItems });
    expect(await consumed(queue, words.length)).toEqual(['item-0', 'item-1', 'item-2']);
    await room.untilChildren(path, 0);
  });

  it.each([
    ['fifo', 'queue', [{}, {}]],
    ['priority', 'priorityqueue', [{ priority: -1 }, { priority: 5 }]],
    ['id', 'idqueue', [{ id: 'one' }, { id: 'other' }]],
    ['delay', 'delayqueue', [{ delayMs: 0 }, { delayMs: 50 }]],
  ] as const)('of the layout %s bring our items to Curator', async (layout, part, options) => {
    const path = `/to-curator-${layout}`;
    const queue = queues.queue<string>(path, { layout, codec: textItems });
    for (const [at, option] of options.entries()) {
      await queue.put(`item-${at}`, option);
    }
    const java = await room.curator.make(part, path);
    expect(await java.tell('take', WAIT_MS)).toBe('item-0');
    expect(await java.tell('take', WAIT_MS)).toBe('item-1');
    await java.tell('close');
    await room.untilChildren(path, 0);
  });

  it('of delays bring nothing of Curator’s before its time', async () => {
    const path = '/delayed';
    const queue = queues.queue<string>(path, { layout: 'delay', codec: textItems });
    const java = await room.curator.make('to-delayqueue', path);
    // Of both, an hour from now and long ago.
    await java.tell('put', 'later', Date.now() + 3_600_000);
    await java.tell('put', 'long-ago', 1);
    await queue.put('ours', { dueAt: new Date(2) });
    await room.untilChildren(path, 3);
    expect(await consumed(queue, 2)).toEqual(['long-ago', 'ours']);
    expect(await queue.poll()).toBeNull();
    await java.tell('close');
  });

  it('with a lock path give each item to Curator or to us, and not to both', async () => {
    const path = '/shared';
    const queue = queues.queue<string>(path, { codec: textItems, lockPath: '/shared-locks' });
    const count = 40;
    for (let i = 0; i < count; i++) await queue.put(`item-${i}`);
    const ours: string[] = [];
    const consumer = queue.consume((message) => void ours.push(message));
    const java = await room.curator.make('queue', path, '/shared-locks');
    await room.untilChildren(path, 0);
    consumer.stop();
    const theirs: string[] = [];
    for (;;) {
      const item = await java.tell('take', SOON_MS);
      if (item === 'null') break;
      theirs.push(item);
    }
    await java.tell('close');
    expect([...ours, ...theirs].sort()).toEqual(
      Array.from({ length: count }, (_, i) => `item-${i}`).sort(),
    );
  });

  it('of the simple kind are ours, Curator’s and ZooKeeper’s own', async () => {
    const path = '/simple';
    const queue = queues.queue<Uint8Array>(path, { layout: 'simple', codec: rawItems });
    const java = await room.curator.make('simplequeue', path);
    await queue.put(Buffer.from('ours'));
    expect(await java.tell('take', WAIT_MS)).toBe('ours');
    expect(await java.tell('put', 'theirs')).toBe('true');
    const polled = await queue.poll();
    expect(polled?.messages.map(String)).toEqual(['theirs']);
  });
});
