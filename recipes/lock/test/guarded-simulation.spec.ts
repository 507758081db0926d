import { Injectable } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { DistributedLock, currentLease } from '../src/index.js';
import { LockWorld, SESSION_TIMEOUT_MS, type Service } from './lock-world.js';
import { application } from './nest-world.js';

const SEEDS = Number(process.env.GUARD_SEEDS ?? 4);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const TORMENT_MS = 10_000;

/** What all of them write to, outside of the ensemble. */
class Resource {
  readonly violations: string[] = [];
  private token = 0n;

  write(token: bigint): void {
    if (token < this.token) this.violations.push(`${token} wrote after ${this.token}`);
    this.token = token;
  }
}

/** A service as its authors would write it; what it asserts is drawn or left out. */
@Injectable()
class Ledger {
  static resource: Resource;
  static asserts: boolean;
  static service: () => Service;

  readonly service = Ledger.service();
  entered = 0;
  /** Tokens in the order in which the server said that their transactions are applied. */
  readonly confirmed: bigint[] = [];

  @DistributedLock('ledger', { wait: '3s' })
  async book(depth: number): Promise<void> {
    const lease = currentLease();
    if (depth > 0) return this.book(depth - 1);
    this.entered++;
    for (let step = this.draw(4); step > 0; step--) {
      await this.sleep(this.draw(150));
      if (Ledger.asserts) lease.assertHeld();
      Ledger.resource.write(lease.token);
      const transaction = lease.transaction();
      transaction.create('/book/line-', `${lease.token}`, { mode: 'persistentSequential' });
      await transaction.commit({ deadlineMs: 1_000 });
      this.confirmed.push(lease.token);
    }
  }

  draw(below: number): number {
    return this.service.process.random.uint32() % below;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.service.process.clock.setTimer(ms, resolve));
  }
}

/** Processes that stop, links that break, sessions that expire, a server that dies. */
function torment(world: LockWorld, services: readonly Service[]): void {
  const fates = world.world.random.fork('fates');
  const names = services.map(({ name }) => name);
  world.servers.torment(TORMENT_MS, names);
  for (let at = 500; at < TORMENT_MS; at += fates.between(100, 1_200)) {
    const { name, process } = services[fates.below(services.length)]!;
    const forMs = fates.between(1, 2 * SESSION_TIMEOUT_MS);
    const during = (begin: () => void, end: () => void) => {
      world.world.after(at, begin);
      world.world.after(at + forMs, end);
    };
    switch (fates.below(5)) {
      case 0:
      case 1:
        during(
          () => process.pause(),
          () => process.resume(),
        );
        break;
      case 2:
        during(
          () => world.cutOff(name),
          () => world.world.heal(),
        );
        break;
      case 3:
        world.world.after(at, () => world.resetConnections(name));
        break;
      default:
        world.world.after(at, () => world.boot());
    }
  }
}

interface Run {
  readonly violations: readonly string[];
  /** Tokens in the order of the lines in the book, which is the server's. */
  readonly lines: readonly bigint[];
  readonly confirmed: readonly (readonly bigint[])[];
  readonly entered: number;
}

async function run(seed: number, asserts: boolean): Promise<Run> {
  const world = await LockWorld.drawn(seed);
  await world.look((zk) => zk.ensurePath('/book'));
  const services = ['ann', 'bob', 'cas'].map((name) => world.service(name));
  Ledger.resource = new Resource();
  Ledger.asserts = asserts;
  const ledgers: Ledger[] = [];
  for (const service of services) {
    Ledger.service = () => service;
    ledgers.push((await application(service, [Ledger])).get(Ledger));
  }
  let stopped = false;
  const running = ledgers.map((ledger) =>
    world.begin(ledger.service, async () => {
      while (!stopped) {
        await ledger.book(ledger.draw(3)).catch(() => undefined);
        await ledger.sleep(ledger.draw(50));
      }
    }),
  );
  torment(world, services);
  await world.pass(TORMENT_MS + 2 * SESSION_TIMEOUT_MS);
  for (const { process } of services) process.resume();
  world.relieve();
  // Once all is well everybody is served: no call hangs, and no contender is left behind.
  const before = ledgers.map(({ entered }) => entered);
  const isServed = () => ledgers.every(({ entered }, at) => entered > before[at]! + 1);
  await world.world.reach(isServed, { virtualMsMax: 300_000 });
  stopped = true;
  await world.world.settle(Promise.all(running), { virtualMsMax: 60_000 });
  const lines = await world.look(async (zk) => {
    const { children } = await zk.children('/book');
    const read = [...children].sort().map((name) => zk.get(`/book/${name}`));
    return (await Promise.all(read)).map(({ data }) => BigInt(String(data)));
  });
  return {
    violations: [...Ledger.resource.violations, ...world.failures],
    lines,
    confirmed: ledgers.map(({ confirmed }) => confirmed),
    entered: ledgers.reduce((sum, { entered }) => sum + entered, 0),
  };
}

/** One holder after the other: tokens never go back. And what was confirmed is there. */
function expectOneHolderAtATime({ lines, confirmed }: Run): void {
  expect(lines).toEqual([...lines].sort((one, other) => Number(one - other)));
  for (const tokens of confirmed) {
    for (const token of new Set(tokens)) {
      const countIn = (list: readonly bigint[]) => list.filter((each) => each === token).length;
      expect(countIn(lines)).toBeGreaterThanOrEqual(countIn(tokens));
    }
  }
}

describe('methods under @DistributedLock() that are paused, cut off and expired', () => {
  const seeds = Array.from({ length: SEEDS }, (_, at) => FIRST_SEED + at);

  it.each(seeds)('never meet where they assert or use transactions, SEED=%i', async (seed) => {
    const result = await run(seed, true);
    expect(result.violations).toEqual([]);
    expect(result.entered).toBeGreaterThan(6);
    expectOneHolderAtATime(result);
  });

  it('meet where they only hope, and even then not in transactions', async () => {
    const violations: string[] = [];
    for (let seed = 1; seed <= 40 && violations.length === 0; seed++) {
      const result = await run(seed, false);
      violations.push(...result.violations);
      expectOneHolderAtATime(result);
    }
    expect(violations.join()).toMatch(/wrote after/);
  });
});
