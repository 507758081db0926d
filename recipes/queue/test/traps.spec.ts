import { beforeEach, describe, expect, it } from '@jest/globals';
import { rejection } from '../../../test/rejection.js';
import {
  ClaimLostError,
  textItems,
  type ConsumeOptions,
  type Delivery,
  type QueueLayout,
  type QueueSettings,
} from '../src/index.js';
import { QueueWorld, SESSION_TIMEOUT_MS, STEADY, type Service } from './queue-world.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
const SEQUENTIAL = { mode: 'persistentSequential' } as const;

let world: QueueWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await QueueWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

const texts = (layout?: QueueLayout, more: QueueSettings<string> = {}) =>
  ({ layout, codec: textItems, ...more }) as const;

/** Consumes with `service`, and keeps the deliveries. */
function consume(
  service: Service,
  handler: (text: string, delivery: Delivery) => unknown,
  options: ConsumeOptions = {},
  settings = texts(),
) {
  const deliveries: { readonly text: string; readonly delivery: Delivery }[] = [];
  const queue = service.queues.queue('a', settings);
  service.process.run(() => {
    queue.consume((text, delivery) => {
      deliveries.push({ text, delivery });
      return handler(text, delivery);
    }, options);
  });
  return deliveries;
}

const items = () => world.namesIn('/q/a');
const claims = () => world.namesIn('/q/a-taken');
const put = (service: Service, text: string, settings = texts()) =>
  world.in(service, () => service.queues.queue('a', settings).put(text));

describe('T1: a put whose answer is lost', () => {
  // 10 ms: the request is at the server; 20 ms: the answer would be here.
  const MOMENTS = [1, 5, 9, 11, 13, 15, 17, 19, 21];

  it.each(MOMENTS)('puts one item (reset after %i ms)', async (afterMs) => {
    await put(ann, 'before');
    world.world.after(afterMs, () => world.reset(ann));
    expect(await put(ann, 'a')).toMatchObject({ ambiguous: false });
    expect(await items()).toHaveLength(2);
  });

  it.each(MOMENTS)('is found by its id, without receipts (%i ms)', async (afterMs) => {
    const cas = await world.connected('cas', {}, { receipts: false });
    await put(cas, 'before', texts('id'));
    world.world.after(afterMs, () => world.reset(cas));
    const result = await put(cas, 'a', texts('id'));
    // Not found it may have been consumed: that it was never there, no list of items can say.
    if (!result.ambiguous) expect(await items()).toHaveLength(2);
    else expect(await items()).toHaveLength(1);
    expect(result.ambiguous).toBe(afterMs < 10);
  });

  it('is shown as ambiguous where nothing tells it from others, and not repeated', async () => {
    const cas = await world.connected('cas', {}, { receipts: false });
    await put(cas, 'before');
    world.world.after(15, () => world.reset(cas));
    expect(await put(cas, 'a')).toMatchObject({
      ambiguous: true,
      path: null,
      cause: { outcome: 'unknown' },
    });
    expect(await items()).toHaveLength(2);
  });
});

describe('T1: a claim whose answer is lost', () => {
  beforeEach(() => world.look((zk) => zk.ensurePath('/q/a-taken')));

  // 20 ms: the item is listed, 40 ms: read; 50 ms: claimed; 60 ms: the answer would be here.
  it.each([35, 41, 45, 49, 51, 53, 55, 59, 65])(
    'is found again or not there: the item is worked on once (reset after %i ms)',
    async (afterMs) => {
      await put(bob, 'a');
      const deliveries = consume(ann, () => undefined);
      world.world.after(afterMs, () => world.reset(ann));
      await world.world.reach(() => deliveries.length > 0);
      await world.pass(300);
      expect(deliveries).toHaveLength(1);
      expect(await items()).toEqual([]);
      expect(await claims()).toEqual([]);
    },
  );
});

describe('T4: a claim of a session that is over', () => {
  it('does not end what another has taken: the consumer slept past its session', async () => {
    await put(bob, 'a');
    let wake: () => void = () => undefined;
    const late = consume(ann, () => new Promise<void>((resolve) => (wake = resolve)));
    await world.world.reach(() => late.length === 1);
    ann.process.pause();
    const other = consume(bob, () => world.sleep(bob, 5_000));
    await world.world.reach(() => other.length === 1);
    expect(other[0]?.delivery).toMatchObject({ attempt: 2 });
    expect(other[0]!.delivery.token).toBeGreaterThan(late[0]!.delivery.token);
    const [claim] = await claims();
    ann.process.run(() => wake());
    ann.process.resume();
    // Its signal says so, its transactions are refused, and its end ends nothing.
    await world.pass(500);
    expect(late[0]?.delivery.signal.aborted).toBe(true);
    const guarded = () => late[0]!.delivery.transaction().create('/late').commit();
    expect(await rejection(world.in(ann, guarded))).toBeInstanceOf(ClaimLostError);
    expect(await items()).toHaveLength(1);
    expect(await claims()).toEqual([claim]);
    expect(ann.lines.join()).toContain('it is delivered again');
    await world.pass(5_000);
    expect(await items()).toEqual([]);
    expect(await world.look((zk) => zk.exists('/late'))).toBeNull();
  });
});

describe('T23: a claim that somebody deleted', () => {
  it('and another has taken since is not ended by the first, in the same session or not', async () => {
    await put(bob, 'a');
    let end: () => void = () => undefined;
    const first = consume(ann, () => new Promise<void>((resolve) => (end = resolve)));
    await world.world.reach(() => first.length === 1);
    const [claim] = await claims();
    await world.look((zk) => zk.delete(`/q/a-taken/${claim}`));
    const second = consume(bob, () => world.sleep(bob, 1_000));
    await world.world.reach(() => second.length === 1);
    const guarded = () => first[0]!.delivery.transaction().create('/late').commit();
    expect(await rejection(world.in(ann, guarded))).toBeInstanceOf(ClaimLostError);
    ann.process.run(() => end());
    await world.pass(300);
    expect(await items()).toHaveLength(1);
    expect(await claims()).toEqual([claim]);
    await world.pass(2_000);
    expect(await items()).toEqual([]);
    expect(await claims()).toEqual([]);
    expect(first).toHaveLength(1);
    expect(second).toHaveLength(1);
  });

  it('is not left behind if the item went away under it', async () => {
    await put(bob, 'a');
    const deliveries = consume(ann, () => world.sleep(ann, 300));
    await world.world.reach(() => deliveries.length === 1);
    const [item] = await items();
    await world.look((zk) => zk.delete(`/q/a/${item}`));
    await world.pass(600);
    expect(await claims()).toEqual([]);
  });
});

it('T10: items come in order over a removal of the directory, and none is lost by it', async () => {
  const deliveries = consume(ann, () => undefined);
  for (let round = 0; round < 4; round++) {
    await put(bob, String(round));
    await world.world.reach(() => world.port.tree.findText('/q/a') === -1);
  }
  expect(deliveries.map(({ text }) => text)).toEqual(['0', '1', '2', '3']);
});

describe('T12: an item that comes between the look and the watch', () => {
  it.each(Array.from({ length: 20 }, (_, at) => at * 4))('is not missed (%i ms)', async (ms) => {
    const deliveries = consume(ann, () => undefined);
    world.world.after(ms, () => {
      bob.process.run(() => void bob.queues.queue('a', texts()).put('a'));
    });
    const startedMs = world.world.virtualMs;
    await world.world.reach(() => deliveries.length === 1);
    expect(world.world.virtualMs - startedMs).toBeLessThan(ms + 300);
  });
});

it('T14: idle consumers keep a watch on the directory, and after them nothing is left', async () => {
  consume(ann, () => undefined, { concurrency: 4 });
  for (let round = 0; round < 10; round++) {
    await put(bob, 'a');
    await world.pass(200);
  }
  expect(ann.zk.watchCount).toBe(1);
  await world.in(ann, () => ann.queues.close());
  await world.pass(50);
  expect(ann.zk.watchCount).toBe(0);
  expect(world.watchCount).toBe(0);
  expect(await world.in(ann, () => ann.zk.ephemerals())).toEqual([]);
});

it('T18: an answer of the session before claims nothing in this one', async () => {
  await world.look((zk) => zk.ensurePath('/q/a-taken'));
  await put(bob, 'a');
  const deliveries = consume(ann, () => undefined);
  // The claim is made; its answer waits in the socket of a process that sleeps past its session.
  await world.pass(55);
  ann.process.pause();
  await world.pass(3 * SESSION_TIMEOUT_MS);
  expect(await claims()).toEqual([]);
  ann.process.resume();
  await world.world.reach(() => world.port.tree.findText('/q/a') === -1);
  await world.pass(300);
  // The claim of the session before was over when the process woke: it must not be worked on.
  expect(deliveries.map(({ delivery }) => delivery.attempt)).toEqual([2]);
  expect(await claims()).toEqual([]);
});

describe('T19: what changed while there was no connection', () => {
  it('is seen after it, over reconnects and new sessions', async () => {
    const deliveries = consume(ann, () => undefined);
    await world.pass(200);
    for (const forMs of [300, 3 * SESSION_TIMEOUT_MS]) {
      world.world.partition(['ann'], ['server']);
      world.reset(ann);
      await put(bob, String(forMs));
      await world.pass(forMs);
      world.world.heal();
      await world.world.reach(() => deliveries.at(-1)?.text === String(forMs));
      await world.pass(200);
    }
    expect(deliveries).toHaveLength(2);
  });

  it('a consumer that died leaves its item to those who are idle', async () => {
    await put(bob, 'a');
    const first = consume(ann, () => new Promise(() => undefined));
    await world.world.reach(() => first.length === 1);
    const second = consume(bob, () => undefined);
    await world.pass(200);
    ann.process.kill();
    const startedMs = world.world.virtualMs;
    await world.world.reach(() => second.length === 1);
    expect(world.world.virtualMs - startedMs).toBeLessThan(2 * SESSION_TIMEOUT_MS);
  });
});

it('T25: a queue that grows too long is reported', async () => {
  await world.look(async (zk) => {
    await zk.ensurePath('/q/a');
    for (let round = 0; round < 11; round++) {
      const mode = 'persistentSequential';
      const making = Array.from({ length: 1_000 }, () => zk.create('/q/a/queue-', '', { mode }));
      await Promise.all(making);
    }
  });
  await world.in(ann, () =>
    ann.queues
      .queue('a', texts())
      .peek()
      .catch(() => null),
  );
  expect(ann.lines.join()).toContain(
    'the queue /q/a has 11000 items: whoever looks lists them all',
  );
});

describe('T31: a delayed item', () => {
  const settings = texts('delay');

  it('comes when it is due, and not before', async () => {
    const deliveries = consume(ann, () => undefined, {}, settings);
    const queue = ann.queues.queue('a', settings);
    const startedMs = world.world.virtualMs;
    await world.in(ann, () => queue.put('late', { delayMs: 3_000 }));
    await world.in(ann, () => queue.put('soon', { delayMs: 500 }));
    await world.world.reach(() => deliveries.length === 1);
    expect(deliveries[0]?.text).toBe('soon');
    expect(world.world.virtualMs - startedMs).toBeGreaterThanOrEqual(500);
    await world.world.reach(() => deliveries.length === 2);
    expect(world.world.virtualMs - startedMs).toBeGreaterThanOrEqual(3_000);
    expect(world.world.virtualMs - startedMs).toBeLessThan(3_300);
  });
});

describe('T34: an item that moves', () => {
  it.each<QueueLayout>(['fifo', 'priority', 'delay', 'id', 'simple'])(
    'to the dead letters and back is the same, in the layout %s',
    async (layout) => {
      let isBroken = true;
      const settings = texts(layout);
      const handler = (): void => {
        if (isBroken) throw new Error('no');
      };
      const deliveries = consume(ann, handler, { attempts: 1 }, settings);
      const queue = ann.queues.queue('a', settings);
      const made = await world.in(ann, () => queue.put('häm/|ter'));
      await world.world.reach(() => world.port.tree.findText('/q/a-dead') !== -1);
      await world.pass(100);
      const [letter] = layout === 'simple' ? [] : await world.in(ann, () => queue.deadLetters());
      const id = deliveries[0]!.delivery.id;
      expect(made.id === null || made.id === id).toBe(true);
      const [name] = await world.namesIn('/q/a-dead');
      expect(name).toMatch(new RegExp(`^queue-\\|${id}\\|\\d{19}$`));
      if (letter !== undefined) {
        expect(letter).toMatchObject({ id, messages: ['häm/|ter'] });
        expect(letter.facts?.name).toBe(made.path?.split('/').pop());
      }
      isBroken = false;
      await world.in(ann, () => queue.replay(id));
      await world.world.reach(() => deliveries.length === 2);
      expect(deliveries[1]?.text).toBe('häm/|ter');
      if (layout === 'id') expect(deliveries[1]?.delivery.id).toBe(id);
      await world.pass(200);
      expect(await items()).toEqual([]);
      expect(await world.namesIn('/q/a-dead')).toEqual([]);
    },
  );
});

it('a new item is not fought for by all who are idle', async () => {
  const names = Array.from('abcdefghijklmnop', (letter) => `${letter}${letter}`);
  const services = names.map((name) => world.service(name));
  const all = services.map((service) => consume(service, () => world.sleep(service, 20)));
  const round = async (text: string): Promise<void> => {
    await put(bob, text);
    await world.pass(700);
  };
  // They have to meet before they know that there are others.
  for (let at = 0; at < 15; at++) await round(`first ${at}`);
  const zxid = async () =>
    (await world.look((zk) => zk.create('/mark-', '', SEQUENTIAL))).stat.czxid;
  const before = await zxid();
  for (let at = 0; at < 20; at++) await round(String(at));
  const delivered = all.flatMap((one) => one);
  expect(new Set(delivered.map(({ text }) => text)).size).toBe(35);
  expect(delivered).toHaveLength(35);
  // A claim that is refused takes a zxid, too. Three are for the directories, three to put, claim and end.
  const refused = Number((await zxid()) - before) / 20 - 6;
  expect(refused).toBeLessThan(names.length / 2);
});
