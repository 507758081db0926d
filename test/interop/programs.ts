import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a program ended. */
export interface Ending {
  /** Exit status; null if a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>;
}

const WAIT_MS = 30_000;
const POLL_MS = 10;
const SHOWN_CHARACTERS = 4_000;

const running = new Set<Program>();

/** A program in a process of its own, whose output is read as it comes. */
export class Program {
  readonly name: string;
  /** All that it has written so far, to its standard output and its standard error. */
  output = '';
  /** All that it has written to its standard output. */
  stdout = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<Ending>;
  private ending: Ending | null = null;

  private constructor(file: string, args: readonly string[], options: ProgramOptions) {
    this.name = `${file} ${args.join(' ')}`;
    this.child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
    });
    this.child.stdin?.on('error', () => undefined);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => {
      const end = (status: number | null, signal: NodeJS.Signals | null) => {
        this.ending = { status, signal };
        running.delete(this);
        resolve(this.ending);
      };
      this.child.once('close', end);
      this.child.once('error', (error) => {
        this.output += String(error);
        end(null, null);
      });
    });
    running.add(this);
  }

  /** Starts a program, and sees to it that {@link endAllPrograms} ends it. */
  static start(file: string, args: readonly string[], options: ProgramOptions = {}): Program {
    return new Program(file, args, options);
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} did not start: ${this.output}`);
    return pid;
  }

  get isRunning(): boolean {
    return this.ending === null;
  }

  send(text: string): void {
    this.child.stdin?.write(text);
  }

  closeInput(): void {
    this.child.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /**
   * Waits until what it has written since `from` matches; returns the match.
   *
   * @throws {Error} It ended without, or `waitMs` went by.
   */
  async waitFor(pattern: RegExp, from = 0, waitMs = WAIT_MS): Promise<RegExpExecArray> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const hasEnded = !this.isRunning;
      const match = pattern.exec(this.output.slice(from));
      if (match !== null) return match;
      if (hasEnded) throw new Error(`${this.name} ended without ${String(pattern)}: ${this.tail}`);
      if (performance.now() > deadline) {
        throw new Error(`${this.name} did not write ${String(pattern)}: ${this.tail}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Waits for its end; after `waitMs` it is killed, and that is an error. */
  async end(waitMs = WAIT_MS): Promise<Ending> {
    const patience = new AbortController();
    const tooLong = sleep(waitMs, null, { signal: patience.signal }).catch(() => null);
    const ending = await Promise.race([this.ended, tooLong]);
    patience.abort();
    if (ending !== null) return ending;
    await this.kill();
    throw new Error(`${this.name} did not end: ${this.tail}`);
  }

  async kill(): Promise<void> {
    if (this.isRunning) {
      // A stopped process is killed too, but its pipes stay open for a moment.
      this.child.kill('SIGCONT');
      this.child.kill('SIGKILL');
    }
    await this.ended;
  }

  private get tail(): string {
    return `its output ends with:\n${this.output.slice(-SHOWN_CHARACTERS)}`;
  }
}

/** Ends what tests have started and not ended. For `afterAll` of every file that starts something. */
export async function endAllPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.kill()));
}

/**
 * Runs a program to its end and returns it.
 *
 * @throws {Error} It ended otherwise than with status 0; the message has its output.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: ProgramOptions & { readonly input?: string; readonly waitMs?: number } = {},
): Promise<Program> {
  const program = Program.start(file, args, options);
  if (options.input !== undefined) program.send(options.input);
  program.closeInput();
  const { status, signal } = await program.end(options.waitMs);
  if (status !== 0) {
    throw new Error(`${program.name} ended with ${status ?? signal}:\n${program.output}`);
  }
  return program;
}
