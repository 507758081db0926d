import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { endGroup, runMain, RunningProgram, temporaryDirectory } from './member-process.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

interface Holder {
  readonly name: string;
  readonly token: bigint;
}

interface LedgerEntry {
  readonly instance: string;
  readonly token: string;
  readonly balance: number;
}

/** The demo as processes: the supervisor, and its instances in the same group. */
class Demo {
  readonly program: RunningProgram;

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [join(root, 'apps/demo/dist/main.js'), ...args], {
      env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' },
      detached: true,
    });
    this.program = new RunningProgram(child);
  }

  /** The process ids of the instances by their names. */
  async instances(): Promise<Map<string, number>> {
    await this.program.printed(/Stop with Ctrl-C/);
    const rows = this.program.output.matchAll(/^ +(#\d+) +process (\d+) /gm);
    return new Map(Array.from(rows, ([, name = '', pid]) => [name, Number(pid)]));
  }

  /** The newest holder, once there is one after `token` who is not `except`. */
  async holderAfter(token: bigint, except?: string): Promise<Holder> {
    for (;;) {
      const [, name = '', newest = '0'] =
        Array.from(this.program.output.matchAll(/(#\d+) holds \(token (\d+)\)/g)).at(-1) ?? [];
      if (BigInt(newest) > token && name !== except) return { name, token: BigInt(newest) };
      const isOver = this.program.child.exitCode ?? this.program.child.signalCode;
      if (isOver !== null) throw new Error(`the demo ended:\n${this.program.output}`);
      await Promise.race([once(this.program.child.stdout!, 'data'), this.program.exited]);
    }
  }

  /** Resolves when a write of this holder was accepted, or a later holder is there. */
  async hasWritten({ token }: Holder): Promise<void> {
    for (;;) {
      const tokens = (await this.ledger()).map((entry) => BigInt(entry.token));
      if (tokens.some((written) => written >= token)) return;
    }
  }

  async ledger(): Promise<LedgerEntry[]> {
    const [, url = ''] = await this.program.printed(/ledger +(\S+)\n/);
    return (await (await fetch(url)).json()) as LedgerEntry[];
  }

  /** Whether a process of the group is left. */
  get isAnybodyLeft(): boolean {
    try {
      process.kill(-this.program.child.pid!, 0);
      return true;
    } catch {
      return false;
    }
  }
}

describe('the demo', () => {
  const directory = temporaryDirectory();
  const programs: RunningProgram[] = [];

  afterEach(async () => {
    for (const program of programs.splice(0)) {
      if (program.child.spawnargs.some((arg) => arg.endsWith('.cfg'))) {
        program.child.kill('SIGKILL');
        await program.exited;
      } else await endGroup(program);
    }
  });

  afterAll(() => directory.remove());

  async function member(): Promise<string> {
    const config = join(directory.path, 'zoo.cfg');
    const dataDir = join(directory.path, 'data');
    writeFileSync(
      config,
      `dataDir=${dataDir}\nclientPort=0\nclientPortAddress=127.0.0.1\ntickTime=500\npreAllocSize=1024\n`,
    );
    const program = runMain([config]);
    programs.push(program);
    const [, address = ''] = await program.printed(/serves ZooKeeper clients at (\S+)\n/);
    return address;
  }

  function demo(...args: string[]): Demo {
    const started = new Demo(args);
    programs.push(started.program);
    return started;
  }

  /**
   * Stops an instance in the middle of its visit: it holds the lock and does not know that time
   * passes. Resolves with its last lease when another has taken over.
   */
  async function stopHolder(running: Demo, pids: Map<string, number>): Promise<Holder> {
    let token = 0n;
    for (;;) {
      const holder = await running.holderAfter(token);
      await running.hasWritten(holder);
      process.kill(pids.get(holder.name)!, 'SIGSTOP');
      // When the one after the next holds, the visit of the next is over, and what it met is told.
      const next = await running.holderAfter(holder.token, holder.name);
      const later = await running.holderAfter(next.token, holder.name);
      const isTakenOver = running.program.output.includes(
        `from ${holder.name}, whose lease is over: token ${holder.token} is void`,
      );
      if (isTakenOver) return holder;
      // It had left the till before the signal came.
      process.kill(pids.get(holder.name)!, 'SIGCONT');
      token = later.token;
    }
  }

  /** Every write by the newest holder of its time, and none lost. */
  function expectOrder(ledger: readonly LedgerEntry[]): void {
    const tokens = ledger.map(({ token }) => BigInt(token));
    const isOrdered = tokens.every((token, at) => at === 0 || token >= tokens[at - 1]!);
    expect(isOrdered).toBe(true);
    expect(ledger.map(({ balance }) => balance)).toEqual(ledger.map((_, at) => at + 1));
  }

  it.each([
    ['SIGTERM', [], 'NAME gave up: LeaseLostError: \\S+ lock \\S+ \\(token TOKEN\\)'],
    ['SIGINT', ['--careless'], 'the till refused NAME: token TOKEN, but'],
  ] as const)(
    'never takes a write of a holder that was stopped (%s, %j)',
    async (signal, flags, turnedAway) => {
      const connect = await member();
      const running = demo(
        '--connect',
        connect,
        '--session-ms',
        '2000',
        '--hold-ms',
        '300',
        ...flags,
      );
      const pids = await running.instances();
      expect([...pids.keys()]).toEqual(['#1', '#2', '#3']);

      const stopped = await stopHolder(running, pids);
      process.kill(pids.get(stopped.name)!, 'SIGCONT');
      const { name: ofStopped, token } = stopped;
      const told = turnedAway.replace('NAME', ofStopped).replace('TOKEN', String(token));
      await running.program.printed(new RegExp(told));

      // Everybody goes on, the one that was stopped with a session of its own again.
      const { token: newest } = await running.holderAfter(stopped.token, stopped.name);
      for (const name of pids.keys()) {
        let holder = await running.holderAfter(newest);
        while (holder.name !== name) holder = await running.holderAfter(holder.token);
      }
      const ledger = await running.ledger();
      expectOrder(ledger);
      const own = ledger.filter(({ token }) => BigInt(token) === stopped.token);
      const firstLater = ledger.findIndex(({ token }) => BigInt(token) > stopped.token);
      expect(own.every((entry) => ledger.indexOf(entry) < firstLater)).toBe(true);

      // A terminal sends Ctrl-C to the whole group.
      const { pid } = running.program.child;
      process.kill(signal === 'SIGINT' ? -pid! : pid!, signal);
      expect(await running.program.exited).toEqual({ code: 0, signal: null });
      expect(running.program.output).toMatch(/two holders met +never\n/);
      expect(running.program.output).toMatch(/lost updates +none\n/);
      expect(running.isAnybodyLeft).toBe(false);
    },
    120_000,
  );
});
