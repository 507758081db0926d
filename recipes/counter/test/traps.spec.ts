import { Subscription } from 'rxjs';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { rejection } from '../../../test/rejection.js';
import { CounterFormatError, VersionSpentError, type CounterChange } from '../src/index.js';
import { CounterWorld, SESSION_TIMEOUT_MS, STEADY, type Service } from './counter-world.js';

/**
 * The traps that other clients fell into, by their numbers in the list of known ones; here each is
 * walked into on purpose. Links take 10 ms each way, so moments can be aimed at.
 */
let world: CounterWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await CounterWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
  await world.in(ann, () => ann.counters.int64('a').add(1n));
});

const valueOf = () => world.in(bob, () => bob.counters.int64('a').get());

/** Cuts ann off in the middle of a write, until her session is over. */
async function loseSession(): Promise<void> {
  world.world.partition(['ann'], ['server']);
  await world.pass(3 * SESSION_TIMEOUT_MS);
  world.world.heal();
}

it('T14: no watch, timer or ephemeral node is left behind', async () => {
  const before = ann.zk.watchCount;
  for (let round = 0; round < 5; round++) {
    const subscription = new Subscription();
    ann.process.run(() => subscription.add(ann.counters.int64('a').value$.subscribe()));
    await world.in(ann, () => ann.counters.int64('a').add(1n));
    await rejection(world.in(ann, () => ann.counters.int64('a').add(1n, { waitMs: 5 })));
    await world.pass(50);
    subscription.unsubscribe();
    await world.pass(50);
  }
  expect(ann.zk.watchCount).toBe(before);
  expect(world.watchCount).toBe(0);
  await world.in(ann, () => ann.counters.close());
  expect(await world.in(ann, () => ann.zk.ephemerals())).toEqual([]);
});

describe('T18: an answer of the session before', () => {
  it('is not taken for one of this session', async () => {
    const adding = world.begin(ann, () => ann.counters.int64('a').add(1n));
    await world.pass(35);
    // Written, and the answer is on its way, when the process stops for longer than its session.
    ann.process.pause();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    await world.in(bob, () => bob.counters.int64('a').add(10n));
    ann.process.resume();
    const change = await world.world.settle(adding);
    const total = 11n + (change.ambiguous ? 0n : 1n);
    expect(await valueOf()).toBeGreaterThanOrEqual(total);
    expect(await valueOf()).toBeLessThanOrEqual(12n);
  });
});

describe('T19: a value that changed while there was no connection', () => {
  it('is shown after it, and nothing older follows', async () => {
    const seen: bigint[] = [];
    const subscription = new Subscription();
    ann.process.run(() =>
      subscription.add(ann.counters.int64('a').value$.subscribe((value) => seen.push(value))),
    );
    await world.pass(50);
    world.world.partition(['ann'], ['server']);
    world.reset(ann);
    await world.in(bob, () => bob.counters.int64('a').set(7n));
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(100);
    expect(seen).toEqual([1n, 7n]);
    // Over the end of a session, too.
    world.world.partition(['ann'], ['server']);
    await world.in(bob, () => bob.counters.int64('a').set(8n));
    await world.pass(3 * SESSION_TIMEOUT_MS);
    world.world.heal();
    await world.in(ann, () => ann.zk.whenConnected());
    await world.pass(100);
    expect(seen).toEqual([1n, 7n, 8n]);
    subscription.unsubscribe();
  });

  it('that cannot be read ends the stream of those who watch, and not the next one', async () => {
    const value$ = ann.counters.int64('a').value$;
    const errors: unknown[] = [];
    ann.process.run(() => value$.subscribe({ error: (error) => errors.push(error) }));
    await world.pass(50);
    await world.in(bob, () => bob.zk.set('/counters/a', 'text'));
    await world.pass(100);
    expect(errors).toEqual([expect.any(CounterFormatError)]);
    await world.in(bob, () => bob.zk.set('/counters/a', ''));
    const seen: bigint[] = [];
    const subscription = new Subscription();
    ann.process.run(() => subscription.add(value$.subscribe((value) => seen.push(value))));
    await world.pass(50);
    subscription.unsubscribe();
    expect(seen).toEqual([0n]);
  });
});

describe('T20: versions that come to the end of what 32 bits hold', () => {
  const LAST = 2 ** 31 - 1;

  it.each([LAST, -(2 ** 31), -3, -2])('go on beyond %i', async (version) => {
    world.forgeVersion('/counters/a', version);
    const change = await world.in(ann, () => ann.counters.int64('a').add(1n));
    expect(change).toMatchObject({ before: 1n, value: 2n, ambiguous: false, tries: 1 });
  });

  it.each([LAST, -(2 ** 31), -3, -2])(
    'are told as the server has them after %i',
    async (version) => {
      world.forgeVersion('/counters/a', version);
      for (const text of ['one', 'two']) {
        const written = await world.in(ann, () => ann.counters.value('a').set(text));
        const stat = await world.look((zk) => zk.exists('/counters/a'));
        expect(written).toMatchObject({ succeeded: true, version: stat!.version });
      }
    },
  );

  it.each([-(2 ** 31), -2])('are compared: who is late tries again (%i)', async (version) => {
    world.forgeVersion('/counters/a', version);
    const cas = await world.connected('cas', {}, { receipts: false });
    const adding = [ann, bob, cas].map((service) =>
      world.begin(service, () => service.counters.int64('a').add(1n)),
    );
    const changes = await world.world.settle(Promise.all(adding));
    expect(changes.map(({ value }) => value).sort()).toEqual([2n, 3n, 4n]);
    expect(changes.some(({ tries }) => tries > 1)).toBe(true);
  });

  it.each<false | undefined>([false, undefined])(
    'leave out the one that means any, on servers that do not (receipts: %p)',
    async (receipts) => {
      const cas = await world.connected('cas', {}, { receipts });
      world.forgeVersion('/counters/a', -2);
      // The server here goes from -2 to 0; who writes once more gets beyond on any.
      const written = await world.in(cas, () => cas.counters.value('a').set('x'));
      expect(written).toMatchObject({ version: 1, ambiguous: false });
      expect(await world.look((zk) => zk.get('/counters/a'))).toMatchObject({
        data: Buffer.from('x'),
        stat: { version: 1 },
      });
    },
  );

  it.each([25, 29, 31, 35, 39])(
    'are found out about at the end, too (reset after %i ms)',
    async (afterMs) => {
      world.forgeVersion('/counters/a', -2);
      world.world.after(afterMs, () => world.reset(ann));
      const change = await world.in(ann, () => ann.counters.int64('a').add(1n));
      expect(change).toMatchObject({ value: 2n, ambiguous: false });
      expect(await valueOf()).toBe(2n);
    },
  );

  it('are compared with nothing at -1', async () => {
    world.forgeVersion('/counters/a', -1);
    const error = await rejection(world.in(ann, () => ann.counters.int64('a').add(1n)));
    expect(error).toBeInstanceOf(VersionSpentError);
    expect(error).toMatchObject({ outcome: 'notApplied' });
    const value = ann.counters.value('a');
    const seen = await world.in(ann, () => value.get());
    expect(await rejection(world.in(ann, () => value.trySet(seen, 'x')))).toBeInstanceOf(
      VersionSpentError,
    );
    expect(await valueOf()).toBe(1n);
    // What the error says to do.
    await world.look((zk) => zk.set('/counters/a', seen.data));
    expect(await world.in(ann, () => ann.counters.int64('a').add(1n))).toMatchObject({ value: 2n });
  });
});

describe('T21: a change whose answer is lost', () => {
  // 20 ms: the read is answered; 30 ms: the write is there; 40 ms: its answer would be here.
  const MOMENTS = [5, 15, 21, 25, 29, 31, 33, 35, 37, 39];

  it.each(MOMENTS)('is found out about: it counts once (reset after %i ms)', async (afterMs) => {
    world.world.after(afterMs, () => world.reset(ann));
    const change = await world.in(ann, () => ann.counters.int64('a').add(1n));
    expect(change).toMatchObject({ before: 1n, value: 2n, ambiguous: false });
    expect(await valueOf()).toBe(2n);
  });

  it.each([31, 35, 39])('also if others went on meanwhile (%i ms)', async (afterMs) => {
    const adding = world.begin(ann, () => ann.counters.int64('a').add(1n));
    world.world.after(afterMs, () => {
      world.reset(ann);
      world.world.partition(['ann'], ['server']);
    });
    await world.pass(100);
    for (let round = 0; round < 3; round++) {
      await world.in(bob, () => bob.counters.int64('a').add(1n));
    }
    world.world.heal();
    expect(await world.world.settle(adding)).toMatchObject({ value: 2n, ambiguous: false });
    expect(await valueOf()).toBe(5n);
  });

  it.each(MOMENTS)(
    'is shown as ambiguous where nobody can find out: without receipts (%i ms)',
    async (afterMs) => {
      const cas = await world.connected('cas', {}, { receipts: false });
      world.world.after(afterMs, () => world.reset(cas));
      const change = await world.in(cas, () => cas.counters.int64('a').add(1n));
      // Written: whether by us the node does not say. Not written: its version says so.
      expect(change.ambiguous).toBe(afterMs > 30);
      expect(await valueOf()).toBe(2n);
    },
  );

  describe('and its session, too', () => {
    it.each<[number, boolean]>([
      [25, false],
      [35, true],
    ])('is ambiguous only if it was written (%i ms)', async (afterMs, wasWritten) => {
      const adding = world.begin(ann, () => ann.counters.int64('a').add(1n));
      await world.pass(afterMs);
      // Data that left before the cut arrives; a reset loses it.
      if (!wasWritten) world.reset(ann);
      await loseSession();
      const change: CounterChange<bigint> = await world.world.settle(adding);
      expect(change.ambiguous).toBe(wasWritten);
      expect(change.cause === null).toBe(!wasWritten);
      expect(await valueOf()).toBe(2n);
    });

    it('is ambiguous if the node was made anew since, whatever its version is', async () => {
      const cas = await world.connected('cas', {}, { receipts: false });
      const adding = world.begin(cas, () => cas.counters.int64('a').add(1n));
      await world.pass(35);
      world.reset(cas);
      world.world.partition(['cas'], ['server']);
      await world.look((zk) =>
        zk.transaction().delete('/counters/a').create('/counters/a').commit(),
      );
      world.world.heal();
      expect(await world.world.settle(adding)).toMatchObject({ value: 2n, ambiguous: true });
      expect(await valueOf()).toBe(0n);
    });

    it('is known not to be ours if the next write is another one', async () => {
      const cas = await world.connected('cas', {}, { receipts: false });
      const adding = world.begin(cas, () => cas.counters.int64('a').add(1n));
      await world.pass(25);
      world.reset(cas);
      world.world.partition(['cas'], ['server']);
      await world.in(bob, () => bob.counters.int64('a').add(5n));
      world.world.heal();
      expect(await world.world.settle(adding)).toMatchObject({ value: 7n, ambiguous: false });
      expect(await valueOf()).toBe(7n);
    });
  });

  it('and whose time is over is ambiguous, and not repeated behind the caller’s back', async () => {
    const adding = world.begin(ann, () => ann.counters.int64('a').add(1n, { waitMs: 200 }));
    await world.pass(35);
    const startedMs = world.world.virtualMs;
    world.world.partition(['ann'], ['server']);
    const change = await world.world.settle(adding);
    expect(change).toMatchObject({ ambiguous: true, cause: { outcome: 'unknown' } });
    expect(world.world.virtualMs - startedMs).toBeLessThan(170);
    world.world.heal();
    await world.pass(3 * SESSION_TIMEOUT_MS);
    expect(await valueOf()).toBe(2n);
  });

  it('of a block of ids gives none of them twice', async () => {
    const given: bigint[] = [];
    const ids = ann.counters.block('ids', 3);
    for (let round = 0; round < 40; round++) {
      world.world.after(round, () => world.reset(ann));
      given.push(await world.in(ann, () => ids.next()));
    }
    expect(new Set(given).size).toBe(40);
  });
});
