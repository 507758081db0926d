import { describe, expect, it } from '@jest/globals';
import {
  Tormented,
  firstConviction,
  recipeSeeds,
  tormentAll,
  watchesLeft,
} from '../../../test/recipes/tormented.js';
import type { AtomicCounter } from '../src/index.js';
import { CounterWorld, SESSION_TIMEOUT_MS, type Service } from './counter-world.js';

const TORMENT_MS = 10_000;
/** Fewer would say nothing. */
const CHANGES_MIN = 30n;
/** How a service counts. The last two are mistakes, which must be found. */
type Way = 'right' | 'repeats what is ambiguous' | 'writes without comparing';

/** One service that counts, and keeps the books of what it was told. */
class Accountant extends Tormented<Service, CounterWorld> {
  acknowledged = 0n;
  ambiguous = 0n;
  changes = 0;
  readonly ids: bigint[] = [];
  readonly seen: bigint[] = [];
  private readonly counter: AtomicCounter<bigint>;

  constructor(
    world: CounterWorld,
    service: Service,
    private readonly way: Way,
  ) {
    super(world, service);
    this.counter = service.counters.int64('a');
  }

  async run(): Promise<void> {
    const subscription = this.counter.value$.subscribe((value) => this.seen.push(value));
    const ids = this.service.counters.block('ids', 3);
    while (!this.stopped) {
      try {
        await this.add(BigInt(1 + this.below(5)));
        if (this.below(3) === 0) this.ids.push(await ids.next({ waitMs: 500 }));
      } catch (error) {
        const { name, outcome } = error as { name: string; outcome: string };
        const isMistake = this.way === 'writes without comparing';
        if (outcome !== 'notApplied' && !isMistake) {
          this.violations.push(`${name} has outcome ${outcome}: ${String(error)}`);
        }
      }
      await this.sleep(this.below(60));
    }
    subscription.unsubscribe();
    await this.service.counters.close();
  }

  private async add(delta: bigint): Promise<void> {
    if (this.way === 'writes without comparing') return this.addBlindly(delta);
    for (;;) {
      const waitMs = 100 + this.below(2_000);
      const change = await this.timed(waitMs, 'add', () => this.counter.add(delta, { waitMs }));
      if (change.ambiguous) {
        if (this.way === 'repeats what is ambiguous') continue;
        this.ambiguous += delta;
      } else {
        this.acknowledged += delta;
        this.changes++;
      }
      return;
    }
  }

  private async addBlindly(delta: bigint): Promise<void> {
    const value = (await this.counter.get()) + delta;
    const data = Buffer.alloc(8);
    data.writeBigInt64BE(value);
    await this.service.zk.set('/counters/a', data);
    this.acknowledged += delta;
    this.changes++;
  }
}

interface Run {
  readonly violations: readonly string[];
  readonly ambiguous: bigint;
}

/** Three services under faults, one of them without receipts; then everything heals, and it is counted. */
async function run(seed: number, way: Way): Promise<Run> {
  const world = await CounterWorld.drawn(seed);
  const services = [
    world.service('ann'),
    world.service('bob'),
    world.service('cas', {}, { receipts: seed % 2 === 0 ? false : undefined, tries: 3 }),
  ];
  await world.look((zk) => zk.ensurePath('/counters/a'));
  const accountants = services.map((service) => new Accountant(world, service, way));
  const running = accountants.map((one) => world.begin(one.service, () => one.run()));
  tormentAll(world, accountants, TORMENT_MS);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  world.relieve();
  const before = accountants.map(({ changes }) => changes);
  const total = (pick: (one: Accountant) => bigint) =>
    accountants.reduce((sum, one) => sum + pick(one), 0n);
  const counts = () =>
    accountants.every(({ changes }, at) => changes > before[at]! + 2) &&
    total(({ changes }) => BigInt(changes)) > CHANGES_MIN;
  await world.world.reach(counts, { virtualMsMax: 300_000 });
  for (const accountant of accountants) accountant.stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  await world.pass(2 * SESSION_TIMEOUT_MS);

  const violations = accountants.flatMap((one) => one.violations);
  const acknowledged = total((one) => one.acknowledged);
  const ambiguous = total((one) => one.ambiguous);
  const [onlooker] = services;
  const value = await world.in(onlooker!, () => onlooker!.counters.int64('a').get());
  if (value < acknowledged || value > acknowledged + ambiguous) {
    violations.push(`${value} is not from ${acknowledged} to ${acknowledged + ambiguous}`);
  }
  violations.push(...(await leftovers(world, accountants)), ...booksOf(accountants, value));
  // The directory may stay: a container in which nothing ever was is not removed by the servers.
  const lock = await world.look((zk) => zk.exists('/counters/a-lock'));
  if ((lock?.numChildren ?? 0) > 0) violations.push('somebody is left in the queue for the lock');
  return { violations: [...violations, ...world.failures], ambiguous };
}

function booksOf(accountants: readonly Accountant[], value: bigint): string[] {
  const violations: string[] = [];
  const ids = accountants.flatMap((one) => one.ids);
  if (new Set(ids).size < ids.length) violations.push('an id was given twice');
  for (const { seen, service } of accountants) {
    const isRising = seen.every((one, at) => at === 0 || one > seen[at - 1]!);
    if (!isRising) violations.push(`${service.name} saw the value go back: ${seen.join()}`);
    if (seen.some((one) => one > value)) violations.push(`${service.name} saw more than there is`);
  }
  return violations;
}

async function leftovers(
  world: CounterWorld,
  accountants: readonly Accountant[],
): Promise<string[]> {
  const services = accountants.map(({ service }) => service);
  const violations = watchesLeft(world, services);
  const isThere = world.port.tree.findText('/counters/_receipts') !== -1;
  const left = isThere ? await world.children('/counters/_receipts') : [];
  if (left.length > 0) violations.push(`receipts are left: ${left.join()}`);
  return violations;
}

describe('counters under faults', () => {
  it.each(recipeSeeds(5))(
    'have what was acknowledged, and no more than what is ambiguous, SEED=%i',
    async (seed) => {
      expect((await run(seed, 'right')).violations).toEqual([]);
    },
  );

  it('convict callers that repeat what is ambiguous, within 40 seeds', async () => {
    expect(await firstConviction((seed) => run(seed, 'repeats what is ambiguous'))).toMatch(
      /is not from/,
    );
  });

  it('convict callers that write without comparing, within 40 seeds', async () => {
    expect(await firstConviction((seed) => run(seed, 'writes without comparing'))).toMatch(
      /is not from/,
    );
  });
});
