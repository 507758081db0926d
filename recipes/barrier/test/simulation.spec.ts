import { describe, expect, it } from '@jest/globals';
import {
  Tormented,
  recipeSeeds,
  tormentAll,
  watchesLeft,
} from '../../../test/recipes/tormented.js';
import { BarrierWorld, SESSION_TIMEOUT_MS, type Service } from './barrier-world.js';
import { NaiveDoubleBarrier } from './naive-double-barrier.js';
import { ServerRecord } from './server-record.js';

const TORMENT_MS = 12_000;
/** Fewer would say nothing. */
const OPENINGS_MIN = 3;
const QUANTITY = 3;
const DIRECTORY = '/barriers/m';

/** One service that meets the others again and again, and gives up in every way there is. */
class Member extends Tormented<Service, BarrierWorld> {
  rounds = 0;
  readonly tokens: bigint[] = [];
  readonly errors: Record<string, number> = {};

  constructor(
    world: BarrierWorld,
    service: Service,
    private readonly record: ServerRecord,
    private readonly isNaive: boolean,
  ) {
    super(world, service);
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await (this.isNaive ? this.meetNaively() : this.meet());
        this.rounds++;
      } catch (error) {
        const { name, outcome } = error as { name: string; outcome: string };
        this.errors[name] = (this.errors[name] ?? 0) + 1;
        const isLoss = name === 'LeaseLostError';
        if (outcome !== 'notApplied' && !isLoss && !this.isNaive) {
          this.violations.push(`${name} has outcome ${outcome}: ${String(error)}`);
        }
        await this.sleep(20);
      }
    }
  }

  private async meet(): Promise<void> {
    const { clock } = this.service.process;
    const barrier = this.service.barriers.double('m', QUANTITY);
    const kind = this.below(4);
    const waitMs = 500 + this.below(4_000);
    const controller = new AbortController();
    if (kind === 0) clock.setTimer(waitMs / 2, () => controller.abort());
    const limitMs = kind === 0 ? waitMs / 2 : waitMs;
    const { signal } = controller;
    const round = await this.timed(limitMs, 'enter', () => barrier.enter({ waitMs, signal }));
    this.passed(round.token);
    await this.sleep(this.below(200));
    if (this.below(6) === 0) {
      await round.abandon();
      return;
    }
    await this.timed(waitMs, 'leave', () => round.leave({ waitMs }));
    // Our own node goes in the background where its deletion was lost with a connection.
    const inside = this.record.members(this.service.zk.lastZxid, round.nodePath);
    if (inside.some((czxid) => czxid < round.token)) {
      this.violations.push(`${this.service.name} left ${round.token} before the others`);
    }
  }

  private async meetNaively(): Promise<void> {
    const { zk } = this.service;
    const round = await new NaiveDoubleBarrier(zk, DIRECTORY, QUANTITY).enter();
    this.passed(round.token);
    await this.sleep(this.below(200));
    await round.leave();
  }

  /** The round must be one that the server has seen open, and not one from before. */
  private passed(token: bigint): void {
    const { name } = this.service;
    if (this.record.openings.every((opening) => opening.token !== token)) {
      this.violations.push(`${name} passed with ${token}, at which nothing opened`);
    }
    const last = this.tokens.at(-1) ?? 0n;
    if (token <= last) this.violations.push(`${name} passed with ${token} after ${last}`);
    this.tokens.push(token);
  }
}

/** Never fewer than the quantity, and nobody of an earlier round. */
function openingsInOrder({ openings }: ServerRecord): string[] {
  return openings.flatMap(({ token, members }, at) => {
    const before = openings[at - 1]?.token ?? 0n;
    const violations: string[] = [];
    if (members.length < QUANTITY) {
      violations.push(`the round ${token} opened with ${members.length} members`);
    }
    if (members.some((czxid) => czxid < before)) {
      violations.push(`the round ${token} opened with members of the round ${before}`);
    }
    return violations;
  });
}

/** Services under faults; then everything heals, and nothing may be left of them. */
async function run(seed: number, isNaive: boolean): Promise<string[]> {
  const world = await BarrierWorld.drawn(seed);
  const record = new ServerRecord(world, DIRECTORY);
  const names = ['ann', 'bob', 'cas', 'dan'].slice(0, QUANTITY + (seed % 2));
  const members = names.map((name) => new Member(world, world.service(name), record, isNaive));
  const running = members.map((one) => world.begin(one.service, () => one.run()));
  tormentAll(world, members, TORMENT_MS);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);

  // Liveness: once all is well, everybody meets.
  world.relieve();
  const before = members.map(({ rounds }) => rounds);
  const hasMet = () =>
    record.openings.length > OPENINGS_MIN &&
    members.every(({ rounds }, at) => rounds > before[at]! + 2);
  if (!isNaive) await world.world.reach(hasMet, { virtualMsMax: 300_000 });

  for (const member of members) member.stopped = true;
  if (isNaive) return found(record, members, world);
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  await world.pass(2 * SESSION_TIMEOUT_MS);
  const violations = found(record, members, world);
  const services = members.map(({ service }) => service);
  for (const { name, barriers } of services) {
    if (barriers.rounds.length > 0) violations.push(`${name} is still inside`);
  }
  const left = record.members();
  if (left.length > 0) violations.push(`nobody stands behind ${left.join()}`);
  violations.push(...watchesLeft(world, services));
  const inside = await world.inside(DIRECTORY);
  if (inside.length > 0) violations.push(`in the directory is left ${inside.join()}`);
  return violations;
}

function found(record: ServerRecord, members: readonly Member[], world: BarrierWorld): string[] {
  const own = members.flatMap(({ violations }) => violations);
  return [...openingsInOrder(record), ...own, ...world.failures];
}

describe('the double barrier under faults', () => {
  it.each(recipeSeeds(5))(
    'opens with enough members of one round, lets all out together, and leaves nothing, SEED=%i',
    async (seed) => {
      expect(await run(seed, false)).toEqual([]);
    },
  );

  it('convicts who passes whenever there is a `ready`, within 20 seeds', async () => {
    const convicted = new Set<string>();
    for (let seed = 1; seed <= 20 && convicted.size < 2; seed++) {
      for (const violation of await run(seed, true)) {
        convicted.add(/opened with \d|of the round|passed/.exec(violation)?.[0] ?? violation);
      }
    }
    expect([...convicted].join()).toMatch(/opened with|of the round|passed/);
  });
});
