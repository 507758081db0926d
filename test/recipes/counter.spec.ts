import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CounterClient, type CounterChange } from '@aviary/counter';
import { Cluster, SHORT_SESSION_MS, clusterName, membersAreOurs, until } from './cluster.js';

const TEST_MS = 60_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, TEST_MS);

afterAll(() => cluster.stop(), TEST_MS);

/** A service of its own, which counts below `base`. */
function service(base: string): CounterClient {
  const zk = cluster.client({ sessionTimeoutMs: 3 * SHORT_SESSION_MS });
  return new CounterClient(zk, { root: base });
}

/** Counts until it is told to stop; keeps what it was told. */
class Accountant {
  readonly changes: CounterChange<bigint>[] = [];
  /** Rejects when it cannot go on. */
  readonly running: Promise<void>;
  private stopped = false;

  constructor(readonly counters: CounterClient) {
    this.running = this.run();
    // A test that has failed awaits it no more, and its client is closed all the same.
    this.running.catch(() => undefined);
  }

  get certain(): number {
    return this.changes.filter(({ ambiguous }) => !ambiguous).length;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    const counter = this.counters.int64('a');
    while (!this.stopped) this.changes.push(await counter.add(1n));
  }
}

describe(`counters on ${clusterName}`, () => {
  it('count what several processes add, once each', async () => {
    const base = await cluster.freshBase();
    const services = [service(base), service(base), service(base)];
    const changes = await Promise.all(
      services.flatMap((counters) => Array.from({ length: 20 }, () => counters.int32('a').add(1))),
    );
    const values = changes.map(({ value }) => value).sort((one, other) => one - other);
    expect(values).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
    const given = await Promise.all(
      services.map(async (counters) => {
        const ids = counters.block('ids', 7);
        return [await ids.next(), ...(await Promise.all([ids.next(), ids.next()]))];
      }),
    );
    expect(new Set(given.flat()).size).toBe(9);
    await Promise.all(services.map((counters) => counters.close()));
    expect(await cluster.childrenOf(`${base}/_receipts`)).toEqual([]);
  });

  it('show a shared value to those who watch it', async () => {
    const base = await cluster.freshBase();
    const [writer, reader] = [service(base), service(base)];
    const texts: string[] = [];
    const subscription = reader.value('v').value$.subscribe(({ data }) => texts.push(String(data)));
    await until(() => texts.length === 1);
    const seen = await writer.value('v').get();
    expect(await writer.value('v').trySet(seen, 'one')).toMatchObject({ succeeded: true });
    expect(await writer.value('v').trySet(seen, 'two')).toMatchObject({ succeeded: false });
    await until(() => texts.at(-1) === 'one');
    expect(texts).toEqual(['', 'one']);
    subscription.unsubscribe();
  });

  if (membersAreOurs) {
    it(
      'have what was acknowledged after the leader was killed under them, and no more',
      async () => {
        const base = await cluster.freshBase();
        const accountants = [1, 2, 3].map(() => new Accountant(service(base)));
        const progress = async (): Promise<void> => {
          const before = accountants.map(({ certain }) => certain);
          const counts = until(() =>
            accountants.every(({ certain }, at) => certain > before[at]! + 10),
          );
          await Promise.race([counts, ...accountants.map(({ running }) => running)]);
        };
        await progress();
        const { restore } = await cluster.killLeader();
        await progress();
        await restore();
        await progress();
        await Promise.all(accountants.map((one) => one.stop()));
        const certain = accountants.reduce((sum, one) => sum + one.certain, 0);
        const all = accountants.reduce((sum, one) => sum + one.changes.length, 0);
        const value = Number(await service(base).int64('a').get());
        expect(value).toBeGreaterThanOrEqual(certain);
        expect(value).toBeLessThanOrEqual(all);
      },
      TEST_MS,
    );
  }
});
