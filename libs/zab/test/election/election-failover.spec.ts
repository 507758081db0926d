import { describe, expect, it } from '@jest/globals';
import { SeededRandom } from '@aviary/simulator';
import { failover, type FailoverOptions } from './failover.js';

const SEEDS = 200;
const DELAY_MS = 10;
const RTT_MS = 2 * DELAY_MS;
const APACHE_WAIT_MS = 200;

type Servers = FailoverOptions['servers'];

const ours = (count: number): Servers => Array.from({ length: count }, () => 'ours' as const);

/** With delays of up to 15 ms, drawn for each message, the slowest round trip takes 30 ms. */
function randomFailovers(servers: Servers, noticeMaxMs: number): number[] {
  return Array.from({ length: SEEDS }, (_, seed) => {
    const random = new SeededRandom(seed);
    const { tookMs, leaders } = failover({
      servers,
      delayMs: () => 5 + random.fraction() * 10,
      noticeMs: () => random.fraction() * noticeMaxMs,
    });
    expect([...leaders]).toEqual([servers.length - 1]);
    return Math.max(...tookMs.values());
  });
}

describe('when the process of a leader dies', () => {
  it.each([3, 4, 5, 7])('the others of %i servers have a new one a round trip later', (count) => {
    const { tookMs, leaders } = failover({
      servers: ours(count),
      delayMs: () => DELAY_MS,
      noticeMs: () => 0,
    });
    expect([...leaders]).toEqual([count - 1]);
    expect(Math.max(...tookMs.values())).toBeLessThanOrEqual(RTT_MS);
  });

  it.each([3, 5, 7])('nor do uneven delays keep %i servers for longer', (count) => {
    expect(Math.max(...randomFailovers(ours(count), 0))).toBeLessThanOrEqual(30);
  });

  it.each([3, 5, 7])('%i servers count from when the last one has noticed', (count) => {
    expect(Math.max(...randomFailovers(ours(count), 15))).toBeLessThanOrEqual(30);
  });

  it.each<Servers>([
    ['ours', 'ours', 'apache'],
    ['ours', 'apache', 'ours'],
    ['apache', 'ours', 'ours'],
    ['apache', 'apache', 'apache'],
    ['apache', 'apache', 'ours', 'ours', 'ours'],
    ['ours', 'apache', 'ours', 'apache', 'ours'],
    ['ours', 'ours', 'ours', 'apache', 'apache'],
  ])("among %s %s %s, ours are as fast, and ZooKeeper's not slower than alone", (...servers) => {
    const random = new SeededRandom(servers.join());
    const { tookMs, leaders } = failover({
      servers,
      delayMs: () => DELAY_MS,
      noticeMs: () => random.fraction() * 15,
    });
    expect([...leaders]).toEqual([servers.length - 1]);
    for (const [id, ms] of tookMs) {
      const waitMs = servers[id - 1] === 'ours' ? 0 : APACHE_WAIT_MS;
      expect(ms).toBeLessThanOrEqual(waitMs + RTT_MS);
    }
  });
});
