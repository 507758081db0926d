import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program, what it has printed so far, and its end. */
export class RunningProgram {
  output = '';
  readonly exited: Promise<Exit>;
  /** Whether it has ended and everything that it printed is in {@link output}. */
  isOver = false;
  private readonly listeners = new Set<() => void>();

  constructor(readonly child: ChildProcess) {
    const collect = (chunk: Buffer) => {
      this.output += chunk.toString();
      for (const listener of this.listeners) listener();
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exited = new Promise((done) => {
      child.once('close', (code, signal) => {
        this.isOver = true;
        done({ code, signal });
        for (const listener of this.listeners) listener();
      });
    });
  }

  /** Resolves with the first match in what the program prints; rejects when it ends without. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((found, failed) => {
      const look = () => {
        const match = pattern.exec(this.output);
        if (match === null && !this.isOver) return;
        this.listeners.delete(look);
        if (match !== null) found(match);
        else failed(new Error(`ended without printing ${String(pattern)}:\n${this.output}`));
      };
      this.listeners.add(look);
      look();
    });
  }
}

/** A member as `npm start` runs it: the starter, and the process that is the server. */
export interface StartedMember {
  readonly program: RunningProgram;
  readonly address: string;
  readonly pid: number;
}

/** Starts `npm start`, with its data in `dataDir`, and with its arguments. */
export function npmStart(
  dataDir: string,
  port: number,
  args: readonly string[] = [],
): RunningProgram {
  const environment = {
    ...process.env,
    AVIARY_DATA_DIR: dataDir,
    AVIARY_CLIENT_PORT: String(port),
    NO_COLOR: '1',
    NODE_OPTIONS: '',
  };
  const command = ['start', ...(args.length > 0 ? ['--', ...args] : [])];
  // A group of its own: whatever becomes of npm, what it started can be ended with it.
  return new RunningProgram(spawn('npm', command, { cwd: root, env: environment, detached: true }));
}

/** Starts one member that stands alone by `npm start`; resolves when it serves. */
export async function npmStartAlone(dataDir: string, port: number): Promise<StartedMember> {
  const program = npmStart(dataDir, port, ['--members', '1']);
  const [, address = ''] = await program.printed(/serves ZooKeeper clients at (\S+)\n/);
  const [, pid = ''] = await program.printed(/process +(\d+)\n/);
  return { program, address, pid: Number(pid) };
}

/** Runs the built server as a user would, with arguments. */
export function runMain(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningProgram {
  return runProgram('main.js', args, environment);
}

/** Runs a built program of `apps/ensemble`. */
export function runProgram(
  name: 'main.js' | 'start.main.js',
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningProgram {
  const main = join(root, 'apps/ensemble/dist', name);
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', ...environment },
  });
  return new RunningProgram(child);
}

/** Ends a program and everything in its group. */
export async function endGroup({ child, exited }: RunningProgram): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      // It ended in the meantime: nothing is left to end.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  await exited;
}

/** A directory that is removed again by `remove`. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'aviary-e2e-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
