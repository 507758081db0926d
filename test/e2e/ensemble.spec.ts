import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ZooKeeper, type SessionState } from '@aviary/client';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePorts } from '../free-port.js';
import { readmeIn } from '../readme-examples.js';
import { fourLetterWord } from './four-letter-word.js';
import { runMain, temporaryDirectory, type Exit, type RunningProgram } from './member-process.js';

const { text: readme } = readmeIn(resolve(import.meta.dirname, '../..'));
const [, exampleConfig = ''] = /```properties\n([^]*?)```/.exec(readme) ?? [];

const WRITERS = 4;
/** Writes that must be acknowledged before and after the leader is killed. */
const WRITES = 300;

/** One of three servers, with a `zoo.cfg` of its own. */
interface Member {
  readonly id: number;
  readonly config: string;
  readonly address: string;
}

/** Three servers as processes, configured as ZooKeeper is. */
class Ensemble {
  readonly members: Member[] = [];
  private readonly running = new Map<number, RunningProgram>();

  /** As the README shows it, on this machine. */
  static async configure(directory: string): Promise<Ensemble> {
    const ensemble = new Ensemble();
    let everywhere = exampleConfig;
    for (const id of [1, 2, 3]) {
      const [quorumPort, electionPort, clientPort] = await freePorts(3);
      const address = `127.0.0.1:${clientPort}`;
      const line = `127.0.0.1:${quorumPort}:${electionPort};${address}`;
      everywhere = everywhere.replace(`zk${id}:2888:3888;2181`, line);
      ensemble.members.push({ id, address, config: join(directory, `${id}.cfg`) });
    }
    for (const { id, config } of ensemble.members) {
      const dataDir = join(directory, String(id));
      mkdirSync(dataDir);
      writeFileSync(join(dataDir, 'myid'), `${id}\n`);
      const text = everywhere.replace('/var/lib/aviary', dataDir);
      writeFileSync(config, `${text}preAllocSize=64\n`);
    }
    return ensemble;
  }

  get servers(): string {
    return this.members.map(({ address }) => address).join(',');
  }

  /** Starts a member; resolves when it listens. */
  async start({ id, config }: Member): Promise<void> {
    const program = runMain([config]);
    this.running.set(id, program);
    await program.printed(/listens for ZooKeeper clients at (\S+)\n/);
  }

  /** Resolves when the member serves clients, with what it is. */
  async mode({ address }: Member): Promise<string> {
    for (;;) {
      // Who has no leader lets the question wait for a while, and answers it once it can.
      const [, mode] = /^Mode: (\w+)$/m.exec(await fourLetterWord('srvr', address)) ?? [];
      if (mode !== undefined) return mode;
    }
  }

  async leader(): Promise<Member> {
    const modes = await Promise.all(this.members.map((member) => this.mode(member)));
    expect(modes.filter((mode) => mode === 'leader')).toHaveLength(1);
    return this.members[modes.indexOf('leader')]!;
  }

  /** Resolves with how the member ended. */
  async end({ id }: Member, signal: NodeJS.Signals): Promise<Exit> {
    const { child, exited } = this.running.get(id)!;
    child.kill(signal);
    const exit = await exited;
    this.running.delete(id);
    return exit;
  }

  async killAll(): Promise<void> {
    for (const member of this.members) {
      if (this.running.has(member.id)) await this.end(member, 'SIGKILL');
    }
  }
}

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

/** All that stands below a node, as one server has it. */
async function contentsAt(member: Member): Promise<Map<string, string>> {
  await using zk = new ZooKeeper({ servers: member.address });
  await zk.sync('/durable');
  const { children } = await zk.children('/durable');
  const contents = await Promise.all(
    [...children].sort().map(async (name) => {
      const { data, stat } = await zk.get(`/durable/${name}`);
      return [name, `${String(data)} ${stat.czxid}`] as const;
    }),
  );
  await zk.close();
  return new Map(contents);
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

    const [first, ...others] = await Promise.all(ensemble.members.map(contentsAt));
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
