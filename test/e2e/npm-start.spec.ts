import { ZooKeeper } from '@aviary/client';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../free-port.js';
import {
  endGroup,
  npmStartAlone,
  temporaryDirectory,
  type RunningProgram,
  type StartedMember,
} from './member-process.js';

const CLIENTS = 4;
/** Writes that must be acknowledged between two kills. */
const WRITES_PER_LIFE = 400;
const LIVES = 3;

/** Writes numbered nodes without pause, and remembers those that were acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  private isRunning = true;
  private readonly done: Promise<void>;

  constructor(
    private readonly zk: ZooKeeper,
    private readonly name: string,
    private readonly onAcknowledged: () => void,
  ) {
    this.done = this.run();
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.done;
  }

  private async run(): Promise<void> {
    for (let number = 0; this.isRunning; number++) {
      const path = `/durable/${this.name}-${number}`;
      try {
        await this.zk.create(path, path, { signal: AbortSignal.timeout(60_000) });
        this.acknowledged.push(path);
        this.onAcknowledged();
      } catch {
        // Whatever the outcome was: what is not acknowledged is not promised.
      }
    }
  }
}

describe('npm start -- --members 1', () => {
  const programs: RunningProgram[] = [];
  const directory = temporaryDirectory();

  afterEach(async () => {
    for (const program of programs) await endGroup(program);
    directory.remove();
  });

  it('loses no acknowledged write when it is killed in the middle of writing', async () => {
    // A restarted server must come back where its clients look.
    const port = await freePort();
    const start = async (): Promise<StartedMember> => {
      const member = await npmStartAlone(directory.path, port);
      programs.push(member.program);
      return member;
    };
    let member = await start();
    expect(member.address).toBe(`127.0.0.1:${port}`);
    expect(member.program.output).toContain('npm run demo');

    const clients = Array.from(
      { length: CLIENTS },
      () => new ZooKeeper({ servers: member.address }),
    );
    await clients[0]!.create('/durable');
    let acknowledged = 0;
    let wanted = 0;
    let reached: () => void = () => undefined;
    const writers = clients.map(
      (zk, index) =>
        new Writer(zk, `w${index}`, () => {
          if (++acknowledged >= wanted) reached();
        }),
    );
    for (let life = 0; life < LIVES; life++) {
      wanted = acknowledged + WRITES_PER_LIFE;
      await new Promise<void>((done) => (reached = done));
      process.kill(member.pid, 'SIGKILL');
      await member.program.exited;
      member = await start();
    }
    wanted = acknowledged + WRITES_PER_LIFE;
    await new Promise<void>((done) => (reached = done));
    for (const writer of writers) await writer.stop();

    const { children } = await clients[0]!.children('/durable');
    const present = new Set(children.map((name) => `/durable/${name}`));
    const lost = writers
      .flatMap((writer) => writer.acknowledged)
      .filter((path) => !present.has(path));
    expect(lost).toEqual([]);
    expect(acknowledged).toBeGreaterThanOrEqual(WRITES_PER_LIFE * (LIVES + 1));
    for (const zk of clients) await zk.close();
  }, 180_000);
});
