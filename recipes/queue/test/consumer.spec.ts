import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { OPEN_ACL } from '@aviary/client';
import { rejection } from '../../../test/rejection.js';
import { QueuesClosedError, type Delivery } from '../src/index.js';
import { QueueWorld, STEADY, texts, type Service } from './queue-world.js';

let world: QueueWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const items = () => world.namesIn('/q/f');
const claims = () => world.namesIn('/q/f-taken');
const put = (...messages: string[]) =>
  world.in(bob, async () => {
    for (const text of messages) await bob.queues.queue('f', texts()).put(text);
  });

/** The garbage collector of the engine. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

describe('an item that fails', () => {
  const fails = (text: string): void => {
    if (text.startsWith('poison')) throw new Error('not this one');
  };

  it('does not keep its place while it waits for its next attempt', async () => {
    const options = { backoffMs: 60_000, backoffMsMax: 60_000 };
    const { delivered, deliveries, size } = world.consume(ann, 'f', texts(), fails, options);
    await put('poison', 'a', 'b', 'c');
    await world.pass(1_000);
    expect(delivered).toEqual(['poison', 'a', 'b', 'c']);
    expect(await claims()).toHaveLength(1);
    expect(size()).toBe(1);
    await world.world.reach(() => delivered.length > 4);
    expect(deliveries.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 2]);
    expect(size()).toBe(1);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => ann.queues.close());
    expect(world.world.virtualMs - startedMs).toBeLessThan(100);
    expect(await claims()).toEqual([]);
    expect(await items()).toHaveLength(1);
  });

  it('comes before new ones when it may be tried again, and not beside more than there may be', async () => {
    let now = 0;
    let most = 0;
    const slow = async (text: string): Promise<void> => {
      most = Math.max(most, ++now);
      await world.sleep(ann, 100);
      now--;
      fails(text);
    };
    const options = { concurrency: 2, backoffMs: 20, attempts: 3 };
    const { delivered } = world.consume(ann, 'f', texts(), slow, options);
    await put('poison 1', 'poison 2', 'poison 3', ...Array.from('abcdefgh'));
    await world.world.reach(() => delivered.length === 17);
    await world.pass(500);
    expect(most).toBe(2);
    expect(await items()).toEqual([]);
    expect(delivered.lastIndexOf('poison 3')).toBeLessThan(delivered.indexOf('h'));
  });

  it('keeps its place where a hundred others wait: nothing more is taken in', async () => {
    const options = { concurrency: 2, backoffMs: 600_000, backoffMsMax: 600_000 };
    const { size } = world.consume(ann, 'f', texts(), fails, options);
    const queue = bob.queues.queue('f', texts());
    const poison = Array.from({ length: 110 }, (_, at) => `poison ${at}`);
    await world.in(bob, () => Promise.all(poison.map((text) => queue.put(text))));
    await world.pass(20_000);
    expect(size()).toBe(102);
    await world.in(ann, () => ann.queues.close());
  });

  it('has a signal of its own for each attempt', async () => {
    const aborted: boolean[] = [];
    const handler = (_text: string, { signal }: { readonly signal: AbortSignal }) => {
      aborted.push(signal.aborted);
      if (aborted.length > 1) return undefined;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('cut')), { once: true });
      });
    };
    const { deliveries } = world.consume(ann, 'f', texts(), handler, { backoffMs: 1_000 });
    await put('a');
    await world.world.reach(() => deliveries.length === 1);
    // Long enough that the session is in doubt, and not so long that it is over.
    const session = ann.zk.sessionId;
    world.world.partition(['ann'], ['server']);
    await world.world.reach(() => deliveries[0]!.signal.aborted);
    world.world.heal();
    await world.world.reach(() => deliveries.length === 2);
    expect(ann.zk.sessionId).toBe(session);
    expect(deliveries[1]!.token).toBe(deliveries[0]!.token);
    expect(aborted).toEqual([false, false]);
  });

  it('for the last time while the consumer ends goes to the dead letters, with its error', async () => {
    const handler = async (): Promise<void> => {
      await world.sleep(ann, 200);
      throw new Error('the last words');
    };
    const { delivered } = world.consume(ann, 'f', texts(), handler, { attempts: 1 });
    await put('a');
    await world.world.reach(() => delivered.length === 1);
    await world.in(ann, () => ann.queues.close());
    const [letter] = await world.in(bob, () => bob.queues.queue('f', texts()).deadLetters());
    expect(letter?.facts?.error).toContain('the last words');
  });
});

describe('an item', () => {
  it('whose attempts have all begun, and none ended, is put aside and not tried again', async () => {
    await put('a');
    const [name] = await items();
    // What a consumer writes that dies at once.
    for (let at = 0; at < 3; at++) await world.look((zk) => zk.set(`/q/f/${name}`, 'x'));
    const { queue, delivered } = world.consume(ann, 'f', texts(), undefined, { attempts: 3 });
    await world.world.reach(() => world.port.tree.findText('/q/f-dead') !== -1);
    await world.pass(100);
    const [letter] = await world.in(ann, () => queue.deadLetters());
    expect(letter?.facts?.error).toContain('3 attempts have begun, and none ended');
    expect(delivered).toEqual([]);
  });

  it('that is refused is asked for once a second, and others are done', async () => {
    await world.look(async (zk) => {
      await zk.ensurePath('/q/f');
      const acl = OPEN_ACL.map((one) => ({ ...one, perms: 1 }));
      await zk.create('/q/f/queue-', '', { mode: 'persistentSequential', acl });
    });
    const { delivered } = world.consume(ann, 'f', texts());
    await put('a');
    await world.pass(5_000);
    expect(delivered).toEqual(['a']);
    expect(ann.lines.length).toBeGreaterThan(3);
    expect(ann.lines.length).toBeLessThan(8);
  });

  it.each([22, 26, 30, 34, 38])(
    'is ours as it is, if somebody wrote to it between our read and our claim (%i ms)',
    async (afterMs) => {
      await world.look((zk) => zk.ensurePath('/q/f-taken'));
      await put('a');
      const [name] = await items();
      const { data } = await world.look((zk) => zk.get(`/q/f/${name}`));
      const outcomes: unknown[] = [];
      world.consume(ann, 'f', texts(), async (_text, delivery) => {
        const transaction = delivery.transaction().create('/mark').commit();
        outcomes.push(await transaction.catch(String));
      });
      await world.pass(afterMs);
      bob.process.run(() => void bob.zk.set(`/q/f/${name}`, data));
      await world.pass(500);
      expect(outcomes).toEqual([[undefined, undefined, expect.anything()]]);
      expect(await items()).toEqual([]);
    },
  );

  it('whose claim somebody deleted is claimed anew before it is tried again', async () => {
    const outcomes: unknown[] = [];
    const handler = async (_text: string, delivery: Delivery): Promise<void> => {
      if (delivery.attempt === 1) throw new Error('no');
      const transaction = delivery.transaction().create('/mark').commit();
      outcomes.push(await transaction.catch(String));
    };
    const { delivered } = world.consume(ann, 'f', texts(), handler, { backoffMs: 1_000 });
    await put('a');
    await world.world.reach(() => delivered.length === 1);
    const [claim] = await claims();
    await world.look((zk) => zk.delete(`/q/f-taken/${claim}`));
    await world.pass(3_000);
    expect(outcomes).toEqual([[undefined, undefined, expect.anything()]]);
    expect(await items()).toEqual([]);
  });

  it('whose claim somebody deleted is not tried again while another has it', async () => {
    const fail = (): never => {
      throw new Error('no');
    };
    const options = { backoffMs: 2_000, backoffMsMax: 2_000 };
    const first = world.consume(ann, 'f', texts(), fail, options);
    await put('a');
    await world.world.reach(() => first.delivered.length === 1);
    const [claim] = await claims();
    await world.look((zk) => zk.delete(`/q/f-taken/${claim}`));
    const second = world.consume(bob, 'f', texts(), () => world.sleep(bob, 5_000));
    await world.world.reach(() => second.delivered.length === 1);
    await world.world.reach(() => ann.lines.join().includes('its claim was lost'));
    const commit = () => second.deliveries[0]!.transaction().create('/mark').commit();
    await world.in(bob, commit);
    await world.pass(6_000);
    expect([first.delivered, second.delivered]).toEqual([['a'], ['a']]);
    expect(await items()).toEqual([]);
  });

  it.each([
    ...Array.from({ length: 11 }, (_, at) => [5 * at, 'with'] as const),
    ...Array.from({ length: 15 }, (_, at) => [40 + 5 * at, 'without'] as const),
  ])(
    'goes to who polls or to a consumer, and not to both (%i ms apart, %s claims before)',
    async (afterMs, before) => {
      if (before === 'with') await world.look((zk) => zk.ensurePath('/q/f-taken'));
      await put('a');
      const { delivered } = world.consume(bob, 'f', texts(), () => world.sleep(bob, 500));
      await world.pass(afterMs);
      const polled = await world.in(ann, () => ann.queues.queue('f', texts()).poll());
      await world.pass(1_000);
      expect([...delivered, ...(polled?.messages ?? [])]).toEqual(['a']);
    },
  );

  it('is free again if the servers refuse its end', async () => {
    const { deliveries } = world.consume(ann, 'f', texts(), async (_text, { attempt }) => {
      if (attempt > 1) return;
      const { children } = await bob.zk.children('/q/f');
      await bob.zk.create(`/q/f/${children[0]}/note`);
    });
    await put('a');
    await world.world.reach(() => deliveries.length === 2);
    await world.pass(200);
    expect(ann.lines.join()).toMatch(/the item .* cannot be worked on for now/);
    expect(await items()).toEqual([]);
    expect(await claims()).toEqual([]);
  });

  it('that cannot be read is gone with at-most-once, and does not stop the others', async () => {
    const { delivered } = world.consume(ann, 'f', texts(), undefined, { mode: 'at-most-once' });
    await world.look((zk) => zk.ensurePath('/q/f'));
    await world.look((zk) => zk.create('/q/f/queue-', 'x', { mode: 'persistentSequential' }));
    await put('a');
    await world.world.reach(() => delivered.length === 1);
    await world.pass(2_000);
    expect(await items()).toEqual([]);
    expect(ann.lines).toHaveLength(1);
    expect(ann.lines[0]).toMatch(/cannot be read, and is gone/);
  });

  it('is not kept in memory by the consumer once it is done', async () => {
    const gc = collector();
    const results: WeakRef<object>[] = [];
    const { delivered } = world.consume(ann, 'f', texts(), () => {
      const result = { bytes: Buffer.alloc(1_000) };
      results.push(new WeakRef(result));
      return result;
    });
    await put('a', 'b', 'c');
    await world.world.reach(() => delivered.length === 3);
    await world.pass(200);
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    expect(results.map((one) => one.deref())).toEqual([undefined, undefined, undefined]);
  });
});

describe('a client that is closed', () => {
  it('ends those who wait for an item, and leaves no watch', async () => {
    const queue = ann.queues.queue('f', texts());
    const taking = rejection(world.begin(ann, () => queue.take({ waitMs: Infinity })));
    await world.pass(100);
    await world.in(ann, () => ann.queues.close());
    expect(await world.world.settle(taking)).toBeInstanceOf(QueuesClosedError);
    await world.pass(50);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
  });

  it('ends those who wait for room, and leaves no watch', async () => {
    const queue = ann.queues.queue('f', texts('fifo', { maxItems: 1 }));
    await put('a');
    const putting = rejection(world.begin(ann, () => queue.put('b', { waitMs: Infinity })));
    await world.pass(100);
    await world.in(ann, () => ann.queues.close());
    expect(await world.world.settle(putting)).toBeInstanceOf(QueuesClosedError);
    await world.pass(50);
    expect([ann.zk.watchCount, world.watchCount]).toEqual([0, 0]);
    expect(await items()).toHaveLength(1);
  });

  it('begins no consumers from the moment in which it stops', async () => {
    world.consume(ann, 'f', texts(), () => world.sleep(ann, 1_000));
    await put('a');
    await world.pass(200);
    const closing = world.begin(ann, () => ann.queues.close());
    await world.pass(1);
    const consume = () => ann.queues.queue('late', texts()).consume(() => undefined);
    expect(consume).toThrow(QueuesClosedError);
    await world.world.settle(closing);
    const queue = bob.queues.queue('g', texts('id'));
    await world.in(bob, () => bob.queues.close());
    await expect(queue.replay('a')).rejects.toBeInstanceOf(QueuesClosedError);
    await expect(queue.remove('a')).rejects.toBeInstanceOf(QueuesClosedError);
  });

  it('take says null, and fails not, if an item comes when its time is over', async () => {
    const queue = ann.queues.queue('f', texts());
    const taking = world.begin(ann, () => queue.take({ waitMs: 1_000 }));
    await world.pass(960);
    void world.begin(bob, () => bob.queues.queue('f', texts()).put('late'));
    expect(await world.world.settle(taking)).toBeNull();
    await world.pass(500);
    expect(await items()).toHaveLength(1);
    world.world.partition(['ann'], ['server']);
    const blind = rejection(world.begin(ann, () => queue.take({ waitMs: 300 })));
    expect(await world.world.settle(blind)).toMatchObject({ outcome: 'notApplied' });
  });
});
