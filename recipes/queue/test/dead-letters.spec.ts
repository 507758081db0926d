import { beforeEach, describe, expect, it } from '@jest/globals';
import { RejectItemError, rawItems } from '../src/index.js';
import { QueueWorld, STEADY, texts, type Service } from './queue-world.js';

let world: QueueWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const reject = (): never => {
  throw new RejectItemError('no');
};
const dead = () => world.namesIn('/q/f-dead');
const buried = async (count: number): Promise<void> => {
  await world.world.reach(() => world.port.tree.findText('/q/f-dead') !== -1);
  for (let at = 0; at < 50 && (await dead()).length < count; at++) await world.pass(50);
};

describe('dead letters', () => {
  it('are shown also if what is in them cannot be read', async () => {
    world.consume(ann, 'f', texts(), reject);
    const queue = bob.queues.queue('f', texts());
    await world.in(bob, () => queue.put('a'));
    await world.look((zk) => zk.create('/q/f/queue-', 'x', { mode: 'persistentSequential' }));
    await buried(2);
    const letters = await world.in(bob, () => queue.deadLetters());
    expect(letters).toHaveLength(2);
    const [broken] = letters.filter(({ problem }) => problem !== null);
    expect(broken).toMatchObject({ messages: [], facts: { attempts: 1 } });
    expect(broken?.problem?.message).toContain('cannot be read: 1 bytes are too few');
    const [whole] = letters.filter(({ problem }) => problem === null);
    expect(whole?.messages).toEqual(['a']);
    // What somebody else has written there is no reason to show nothing.
    const [name] = await dead();
    for (const text of ['no JSON', '7', 'null']) {
      await world.look((zk) => zk.set(`/q/f-dead/${name}/error`, text));
      const [first] = await world.in(bob, () => queue.deadLetters());
      expect(first?.facts).toBeNull();
    }
  });

  it('are taken out as items are: polled, removed, consumed at most once', async () => {
    world.consume(ann, 'f', texts('id'), reject);
    const queue = bob.queues.queue('f', texts('id'));
    for (const id of ['x', 'y', 'z']) await world.in(bob, () => queue.put(id, { id }));
    await buried(3);
    const letters = bob.queues.queue('f-dead', texts('id'));
    expect(await world.in(bob, () => letters.poll())).toEqual({ id: 'x', messages: ['x'] });
    expect(await world.in(bob, () => letters.remove('y'))).toBe(1);
    const options = { mode: 'at-most-once' } as const;
    const { delivered } = world.consume(bob, 'f-dead', texts('id'), undefined, options);
    await world.world.reach(() => delivered.length === 1);
    expect(delivered).toEqual(['z']);
    await world.pass(100);
    expect(await dead()).toEqual([]);
  });

  it('come back once, with their priority', async () => {
    const { stop } = world.consume(ann, 'f', texts('priority'), reject);
    const queue = bob.queues.queue('f', texts('priority'));
    await world.in(bob, () => queue.put('urgent', { priority: -5 }));
    await buried(1);
    stop();
    const [letter] = await world.in(bob, () => queue.deadLetters());
    const [one, other] = [
      world.begin(ann, () => ann.queues.queue('f').replay(letter!.id)),
      world.begin(bob, () => queue.replay(letter!.id)),
    ];
    const counts = await world.world.settle(Promise.all([one, other]));
    expect(counts.sort()).toEqual([0, 1]);
    expect(await world.namesIn('/q/f')).toEqual([expect.stringMatching(/^queue-0FFFFFFFB\d{10}$/)]);
    expect(await dead()).toEqual([]);
  });

  it.each([0, 1_000, 6_000])(
    'have what became of them, as far as it fits beside the item (%i bytes less)',
    async (lessBytes) => {
      const long = 'long '.repeat(1_000);
      const { queue } = world.consume(
        ann,
        'f',
        { layout: 'fifo', codec: rawItems } as never,
        () => {
          throw new RejectItemError(long);
        },
      );
      // With its claim it fills a request.
      const item = Buffer.alloc((1 << 20) - 350 - lessBytes);
      await world.in(bob, () => bob.queues.queue('f', { codec: rawItems }).put(item));
      await buried(1);
      const [letter] = await world.in(ann, () => queue.deadLetters());
      expect(letter?.messages[0]).toHaveLength(item.length);
      const length = letter?.facts?.error.length ?? 0;
      expect(length > 0).toBe(lessBytes > 0);
      expect(length > 100).toBe(lessBytes > 1_000);
    },
  );
});

it('an item is removed whatever is done with it just then', async () => {
  const settings = texts('id');
  for (let afterMs = 0; afterMs < 100; afterMs += 10) {
    const { stop } = world.consume(ann, 'f', settings, () => world.sleep(ann, 10_000));
    const queue = bob.queues.queue('f', settings);
    await world.in(bob, () => queue.put('x', { id: 'x' }));
    await world.pass(afterMs);
    expect(await world.in(bob, () => queue.remove('x'))).toBe(1);
    expect(await world.namesIn('/q/f')).toEqual([]);
    stop();
  }
});
