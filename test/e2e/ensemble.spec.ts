import { ZooKeeper, type SessionState } from '@aviary/client';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Ensemble, contentsAt } from './configured-ensemble.js';
import { temporaryDirectory } from './member-process.js';

const WRITERS = 4;
/** Writes that must be acknowledged before and after the leader is killed. */
const WRITES = 300;

/** Makes numbered nodes without pause, and remembers those that were acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  private wanted = 0;
  private reached: () => void = () => undefined;
  private isStopping = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly zk: ZooKeeper,
    private readonly name: string,
  ) {
    this.done = this.run();
  }

  /** Resolves when so many more writes are acknowledged. */
  more(count: number): Promise<void> {
    this.wanted = this.acknowledged.length + count;
    return new Promise((done) => (this.reached = done));
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.done;
  }

  private async run(): Promise<void> {
    for (let number = 0; !this.isStopping; number++) {
      const path = `/durable/${this.name}-${number}`;
      try {
        await this.zk.create(path, path);
        this.acknowledged.push(path);
      } catch {
        // Whatever the outcome was: what is not acknowledged is not promised.
      }
      if (this.acknowledged.length >= this.wanted) this.reached();
    }
  }
}

describe('three servers of an ensemble', () => {
  const directory = temporaryDirectory();
  let ensemble: Ensemble;

  afterEach(async () => {
    await ensemble.killAll();
    directory.remove();
  });

  it('lose no session and no acknowledged write with their leader, who catches up later', async () => {
    ensemble = await Ensemble.configure(directory.path);
    await Promise.all(ensemble.members.map((member) => ensemble.start(member)));
    const { servers } = ensemble;
    const leader = await ensemble.leader();

    await using zk = new ZooKeeper({ servers });
    const states: SessionState['kind'][] = [];
    zk.state$.subscribe(({ kind }) => states.push(kind));
    await zk.create('/durable');
    await zk.create('/mine', '', { mode: 'ephemeral' });
    const clients = Array.from({ length: WRITERS }, () => new ZooKeeper({ servers }));
    const writers = clients.map((client, index) => new Writer(client, `w${index}`));
    await Promise.all(writers.map((writer) => writer.more(WRITES / WRITERS)));

    await ensemble.end(leader, 'SIGKILL');
    await Promise.all(writers.map((writer) => writer.more(WRITES / WRITERS)));
    await ensemble.start(leader);
    expect(await ensemble.mode(leader)).toBe('follower');
    await Promise.all(writers.map((writer) => writer.more(WRITES / WRITERS)));
    for (const writer of writers) await writer.stop();

    const [first, ...others] = await Promise.all(
      ensemble.members.map((member) => contentsAt(member, '/durable')),
    );
    for (const other of others) expect(other).toEqual(first);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    expect(acknowledged.length).toBeGreaterThanOrEqual(3 * WRITES);
    expect(acknowledged.filter((path) => !first!.has(path.replace('/durable/', '')))).toEqual([]);
    expect(await zk.exists('/mine')).not.toBeNull();
    expect(states).not.toContain('lost');
    expect(states.filter((kind) => kind === 'connected')).toHaveLength(1);
    for (const client of [zk, ...clients]) await client.close();

    for (const member of ensemble.members) {
      expect(await ensemble.end(member, 'SIGTERM')).toEqual({ code: 0, signal: null });
    }
  }, 180_000);
});
