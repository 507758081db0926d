import { describe, expect, it } from '@jest/globals';
import { torment } from '../../../test/recipes/torment.js';
import { shareOut, type Partition, type Share } from '../src/index.js';
import {
  GROUP,
  OWNERS,
  PartitionWorld,
  SESSION_TIMEOUT_MS,
  type Service,
} from './partition-world.js';

const SEEDS = Number(process.env.RECIPE_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 12_000;
/** Fewer would say nothing. */
const WRITES_MIN = 100;
const GRACE_MS = 1_000;
const ITEMS = ['0', '1', '2', '3', '4', '5'];
const NAMES = ['ann', 'bob', 'cas', 'dan'];

/** What the items stand for: it sees each write with its token, and forgets nothing. */
class GuardedItems {
  readonly violations: string[] = [];
  writes = 0;
  private readonly owners = new Map<string, { readonly token: bigint; readonly name: string }>();

  write(name: string, { item, token }: Partition): void {
    this.writes++;
    const owner = this.owners.get(item) ?? { token: 0n, name };
    if (token < owner.token) {
      this.violations.push(`${name} wrote ${item} with ${token} after ${owner.token}`);
    }
    if (token === owner.token && name !== owner.name) {
      this.violations.push(`${name} and ${owner.name} have the same token ${token} for ${item}`);
    }
    this.owners.set(item, { token, name });
  }
}

/** One service that works on its items, leaves now and then, and does not always end in time. */
class Worker {
  readonly items = new Map<string, Partition>();
  readonly generations = new Map<string, bigint>();
  readonly violations: string[] = [];
  share: Share | null = null;
  stays = false;
  /** With much of it who comes back soon finds the agreement as it was. */
  settleMs = 200;

  constructor(
    readonly service: Service,
    private readonly resource: GuardedItems,
    private readonly asserts: boolean,
  ) {}

  join(): void {
    const { partitions } = this.service;
    const { settleMs } = this;
    const options = { items: ITEMS.length, graceMs: GRACE_MS, settleMs };
    this.share = partitions.join('g', options, (partition, signal) => this.own(partition, signal));
  }

  /** Comes and goes until it is told to stay; in half of the runs everybody stays from the beginning. */
  async run(): Promise<void> {
    const { random } = this.service.process;
    this.join();
    for (;;) {
      await this.sleep(1_000 + (random.uint32() % 6_000));
      if (this.stays) return;
      await this.share?.leave();
      this.share = null;
      await this.sleep(random.uint32() % 3_000);
      this.join();
    }
  }

  private async own(partition: Partition, signal: AbortSignal): Promise<void> {
    const { process, name } = this.service;
    const { item, generation } = partition;
    const before = this.generations.get(item) ?? 0n;
    if (generation < before) this.violations.push(`${name} went back to ${generation}`);
    this.generations.set(item, generation);
    this.items.set(item, partition);
    const lateMs = process.random.uint32() % (2 * GRACE_MS);
    let left = Infinity;
    while (left > 0) {
      const sleptMs = process.random.uint32() % 150;
      await this.sleep(sleptMs);
      if (signal.aborted) left = Math.min(left, lateMs) - sleptMs - 1;
      if (this.asserts && !partition.isHeld) break;
      this.resource.write(name, partition);
    }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (this.items.get(item) === partition) this.items.delete(item);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

interface Run {
  readonly violations: readonly string[];
}

/** Services under faults; then everything heals, and each item must be where it belongs. */
async function run(seed: number, asserts: boolean): Promise<Run> {
  const world = await PartitionWorld.drawn(seed);
  const resource = new GuardedItems();
  const workers = NAMES.slice(0, 2 + (seed % 3)).map(
    (name) => new Worker(world.service(name), resource, asserts),
  );
  for (const worker of workers) {
    worker.stays = seed % 4 < 2;
    worker.settleMs = seed % 8 < 4 ? 1_500 : 200;
  }
  const running = workers.map((one) => world.begin(one.service, () => one.run()));
  const services = workers.map(({ service }) => service);
  torment(world, services, TORMENT_MS);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  // Liveness: once all is well, and all stay, each has what it is due.
  world.relieve();
  for (const worker of workers) worker.stays = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  const owners = shareOut(
    ITEMS,
    services.map(({ name }) => name),
  );
  const isShared = () =>
    resource.writes > WRITES_MIN &&
    workers.every(({ items, service }) =>
      ITEMS.every(
        (item) => (items.get(item)?.isHeld ?? false) === (owners.get(item) === service.name),
      ),
    );
  await world.world.reach(isShared, { virtualMsMax: 120_000 });
  const violations = [...resource.violations, ...workers.flatMap((one) => one.violations)];
  const leaving = workers.map((one) => world.begin(one.service, () => one.share!.leave()));
  await world.world.settle(Promise.all(leaving), { virtualMsMax: 60_000 });
  await world.pass(2 * SESSION_TIMEOUT_MS);
  violations.push(...(await leftOf(world, services)), ...world.failures);
  return { violations };
}

async function leftOf(world: PartitionWorld, services: readonly Service[]): Promise<string[]> {
  const left: string[] = [];
  for (const path of [OWNERS, `${GROUP}/members`]) {
    const names = await world.inside(path);
    if (names.length > 0) left.push(`nobody stands behind ${names.join()} in ${path}`);
  }
  for (const { zk, name, partitions } of services) {
    if (zk.watchCount > 0) left.push(`${name} still watches`);
    if (partitions.shares.length > 0) left.push(`${name} is still in a group`);
  }
  if (world.watchCount > 0) left.push(`${world.watchCount} watches are left at the server`);
  return left;
}

const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

describe('shared items under faults', () => {
  it.each(seeds)(
    'have one owner each, come to where they belong, and leave nothing behind, SEED=%i',
    async (seed) => {
      expect((await run(seed, true)).violations).toEqual([]);
    },
  );

  it('convicts owners that do not assert before they write, within 20 seeds', async () => {
    let found: readonly string[] = [];
    for (let seed = 1; seed <= 20 && found.length === 0; seed++) {
      found = (await run(seed, false)).violations;
    }
    expect(found.join()).toMatch(/wrote \d with/);
  });
});
