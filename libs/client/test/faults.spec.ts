import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CoordinationError, type Outcome, type ZooKeeper } from '../src/index.js';
import { Fixture } from './fixture.js';
import type { Treatment } from './fake-ensemble.js';

interface Ended {
  readonly path: string;
  readonly outcome: Outcome;
}

/** What can happen between two calls. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('call' as const), count: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.nat(20_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), ms: fc.nat(15_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('treat' as const),
      as: fc.constantFrom<Treatment>('closeBefore', 'closeAfter', 'silent'),
      after: fc.nat(4),
    }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly ended: Ended[] = [];
  readonly watchEnds: string[] = [];
  /** Sessions that were ended by order, not because their time was up. */
  readonly ordered = new Set<bigint>();
  calls = 0;
  watches = 0;
  private readonly fixture: Fixture;
  private readonly zk: ZooKeeper;

  constructor(fixture: Fixture, zk: ZooKeeper) {
    this.fixture = fixture;
    this.zk = zk;
  }

  async take(step: Event): Promise<void> {
    const { clock, network, ensemble } = this.fixture;
    switch (step.do) {
      case 'call':
        for (let n = 0; n <= step.count; n++) this.call();
        return clock.settle();
      case 'watch':
        return this.watch();
      case 'wait':
        return clock.advance(step.ms);
      case 'pause':
        clock.pause(step.ms);
        return clock.settle();
      case 'break':
        ensemble.closeConnections();
        return;
      case 'cut':
        network.cutAll();
        return;
      case 'expire':
        if (this.zk.sessionId !== null) {
          this.ordered.add(this.zk.sessionId);
          ensemble.expire(this.zk.sessionId);
        }
        return;
      case 'stop':
        await ensemble.stop();
        await clock.advance(step.ms);
        return this.fixture.listen();
      case 'treat': {
        let left = step.after;
        ensemble.treat = () => {
          if (left-- > 0) return 'serve';
          ensemble.treat = () => 'serve';
          return step.as;
        };
      }
    }
  }

  private call(): void {
    const path = `/n${this.calls++}`;
    // Each comes back once, and says whether it was applied.
    this.zk.create(path, '', { mode: this.calls % 3 === 0 ? 'ephemeral' : 'persistent' }).then(
      () => this.ended.push({ path, outcome: 'applied' }),
      (error: unknown) => {
        if (!(error instanceof CoordinationError)) throw error;
        this.ended.push({ path, outcome: error.outcome });
      },
    );
  }

  private async watch(): Promise<void> {
    this.watches++;
    const set = this.zk.existsAndWatch('/nobody').then(
      async ({ watch }) => this.watchEnds.push((await watch.fired).kind),
      () => this.watchEnds.push('never set'),
    );
    void set;
    await this.fixture.clock.settle();
  }
}

async function run(steps: readonly Event[]): Promise<void> {
  const fixture = await Fixture.start();
  const zk = fixture.client({ requestDeadlineMs: 10_000, inFlightRequestsMax: 3 });
  const run = new Run(fixture, zk);
  const lives: string[] = [];
  zk.state$.subscribe(({ kind }) => lives.push(kind));
  const { applied } = fixture.ensemble.operations;
  const certain: string[] = [];
  const lease = () => {
    const { sessionId } = zk;
    if (sessionId === null || !zk.isSessionCertain(sessionId)) return;
    // What the lease promises: the ensemble cannot have ended the session yet.
    if (run.ordered.has(sessionId)) return;
    const session = fixture.ensemble.sessions.get(sessionId);
    const endsMs = session === undefined ? 0 : session.touchedMs + session.timeoutMs;
    if (fixture.clock.nowMs >= endsMs) certain.push(`${sessionId}`);
  };
  for (const step of steps) {
    await run.take(step);
    lease();
  }
  // Heal, and everything comes to an end.
  fixture.ensemble.treat = () => 'serve';
  await fixture.clock.advance(60_000);
  expect(run.ended.length).toBe(run.calls);
  for (const { path, outcome } of run.ended) {
    const wasApplied = applied.includes(`create ${path}`);
    if (outcome === 'applied') expect([path, wasApplied]).toEqual([path, true]);
    if (outcome === 'notApplied') expect([path, wasApplied]).toEqual([path, false]);
  }
  // Applied once at most, in the order of the calls.
  const order = applied
    .filter((line) => line.startsWith('create /n'))
    .map((l) => Number(l.slice(9)));
  expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
  if (steps.length > 0 && run.calls + run.watches > 0) {
    expect(['connected', 'reconnected']).toContain(lives.at(-1));
  }
  expect(certain).toEqual([]);
  await fixture.stop();
  expect(run.watchEnds.length).toBe(run.watches);
  await fixture.clock.advance(120_000);
  expect(fixture.clock.timerCount).toBe(0);
  expect(fixture.network.openCount).toBe(0);
  expect(zk.watchCount).toBe(0);
}

describe('a client under faults', () => {
  it('settles every call once and tells the truth about it, and leaves nothing behind', async () => {
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 25 }), run), {
      seed: Number(process.env.CLIENT_FAULT_SEED ?? 20_260_922),
      numRuns: Number(process.env.CLIENT_FAULT_RUNS ?? 150),
    });
  });
});
