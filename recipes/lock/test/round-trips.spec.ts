import { describe, expect, it } from '@jest/globals';
import { LockWorld, STEADY, type Service } from './lock-world.js';

const CONTENDERS = 100;
/** There and back on the links of these tests, with what server and disk take. */
const ROUND_TRIP_MS = { min: 20, max: 25 };

async function steadyWorld() {
  const world = await LockWorld.start({ network: STEADY });
  const ann = await world.connected('ann');
  await world.look((zk) => zk.ensurePath('/locks/a'));
  return { world, ann };
}

describe('what locks cost', () => {
  it.each([
    ['the mutex', 'acquire', 1, 4],
    ['to read', 'acquireRead', 1, 4],
    ['to write', 'acquireWrite', 1, 4],
    ['one permit', 'acquirePermit', 3, 8],
  ] as const)('%s (%s): %i round trips and one, %i requests', async (_, how, trips, requests) => {
    const { world, ann } = await steadyWorld();
    const path = how === 'acquire' ? 'a' : how;
    const visit = async () => {
      const startedMs = world.world.virtualMs;
      const lease = await world.in(ann, () => ann.locks[how](path, { limit: 1 }));
      const acquiredMs = world.world.virtualMs;
      await world.release(ann, lease);
      return [acquiredMs - startedMs, world.world.virtualMs - acquiredMs] as const;
    };
    // Directories are made at the first visit.
    await visit();
    await world.pass(100);
    const before = world.port.traffic.received;
    const [acquireMs, releaseMs] = await visit();
    expect(acquireMs).toBeGreaterThanOrEqual(trips * ROUND_TRIP_MS.min);
    expect(acquireMs).toBeLessThan(trips * ROUND_TRIP_MS.max);
    expect(releaseMs).toBeGreaterThanOrEqual(ROUND_TRIP_MS.min);
    expect(releaseMs).toBeLessThan(ROUND_TRIP_MS.max);
    await world.pass(100);
    expect(world.port.traffic.received - before).toBe(requests);
    expect(world.watchCount).toBe(0);
  });

  it(`${CONTENDERS} contenders hand a lock over with one notification for each release`, async () => {
    const { world, ann } = await steadyWorld();
    /** Events of watches: whatever left the server that answers nothing. */
    const notifications = () => world.port.traffic.sent - world.port.traffic.received;
    const order: number[] = [];
    const turns: Promise<void>[] = [];
    for (let at = 0; at < CONTENDERS; at++) {
      const service = at === 0 ? ann : await world.connected(`contender ${at}`);
      turns.push(
        world.begin(service, async () => {
          const lease = await service.locks.acquire('a');
          order.push(at);
          await sleep(service, at === 0 ? 60_000 : 1_000);
          await lease.release();
        }),
      );
      await world.pass(100);
    }
    expect(order).toEqual([0]);
    const before = notifications();
    await world.world.settle(Promise.all(turns), { virtualMsMax: 10 * 60_000 });
    await world.pass(50);
    expect(order).toEqual(Array.from({ length: CONTENDERS }, (_, at) => at));
    // The next in line; and who released it, for he watches his own node.
    expect(notifications() - before).toBe(CONTENDERS - 1 + CONTENDERS);
    expect(world.watchCount).toBe(0);
  });
});

function sleep({ process }: Service, ms: number): Promise<void> {
  return new Promise((resolve) => process.clock.setTimer(ms, resolve));
}
