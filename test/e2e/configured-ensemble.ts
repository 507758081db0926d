import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { freePorts } from '../free-port.js';
import { readmeIn } from '../readme-examples.js';
import { fourLetterWord } from './four-letter-word.js';
import { runMain, type Exit, type RunningProgram } from './member-process.js';

const { text: readme } = readmeIn(resolve(import.meta.dirname, '../..'));
const [, exampleConfig = ''] = /```properties\n([^]*?)```/.exec(readme) ?? [];

const QUESTION_PAUSE_MS = 20;

/** One of three servers, with a `zoo.cfg` of its own. */
export interface Member {
  readonly id: number;
  readonly config: string;
  readonly dataDir: string;
  readonly address: string;
}

/** Three servers as processes, configured as ZooKeeper is. */
export class Ensemble {
  readonly members: Member[] = [];
  private readonly running = new Map<number, RunningProgram>();

  /** As the README shows it, on this machine, but for what `settings` say. */
  static async configure(
    directory: string,
    settings: Readonly<Record<string, number>> = {},
  ): Promise<Ensemble> {
    const ensemble = new Ensemble();
    let everywhere = exampleConfig;
    for (const [name, value] of Object.entries(settings)) {
      everywhere = everywhere.replace(new RegExp(`^${name}=.*$`, 'm'), `${name}=${value}`);
    }
    const ports = await freePorts(9);
    for (const id of [1, 2, 3]) {
      const [quorumPort, electionPort, clientPort] = ports.splice(0, 3);
      const address = `127.0.0.1:${clientPort}`;
      const line = `127.0.0.1:${quorumPort}:${electionPort};${address}`;
      everywhere = everywhere.replace(`zk${id}:2888:3888;2181`, line);
      const dataDir = join(directory, String(id));
      ensemble.members.push({ id, address, config: join(directory, `${id}.cfg`), dataDir });
    }
    for (const { id, config, dataDir } of ensemble.members) {
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
  async start({ id, config }: Member): Promise<RunningProgram> {
    const program = runMain([config]);
    this.running.set(id, program);
    await program.printed(/listens for ZooKeeper clients at (\S+)\n/);
    return program;
  }

  /** Resolves when the member serves clients, with what it is. */
  async mode({ address }: Member): Promise<string> {
    for (;;) {
      const [, mode] = /^Mode: (\w+)$/m.exec(await fourLetterWord('srvr', address)) ?? [];
      if (mode !== undefined) return mode;
      await pause(QUESTION_PAUSE_MS);
    }
  }

  /** Resolves when exactly one of these members leads, and the others follow it. */
  async settled(members: readonly Member[] = this.members): Promise<Member> {
    for (;;) {
      const modes = await Promise.all(members.map((member) => this.mode(member)));
      const leaders = members.filter((_, index) => modes[index] === 'leader');
      if (leaders.length === 1) return leaders[0]!;
      await pause(QUESTION_PAUSE_MS);
    }
  }

  leader(): Promise<Member> {
    return this.settled();
  }

  /** Stops a member where it is, or lets it go on. */
  signal({ id }: Member, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.running.get(id)!.child.kill(signal);
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

/** All that stands below a node, as one server has it. */
export async function contentsAt(member: Member, path: string): Promise<Map<string, string>> {
  await using zk = new ZooKeeper({ servers: member.address });
  await zk.sync(path);
  const { children } = await zk.children(path);
  const contents = await Promise.all(
    [...children].sort().map(async (name) => {
      const { data, stat } = await zk.get(`${path}/${name}`);
      return [name, `${String(data)} ${stat.czxid}`] as const;
    }),
  );
  await zk.close();
  return new Map(contents);
}
