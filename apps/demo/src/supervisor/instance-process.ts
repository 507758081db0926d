import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { InstanceReady, InstanceSettings } from '../instance/settings.js';

const MAIN = fileURLToPath(new URL('../instance.main.js', import.meta.url));
/** How long an instance may take to end before it is killed. */
const STOP_MS = 8_000;

/** One instance of the service, in a process of its own. */
export class InstanceProcess {
  readonly name: string;
  /** How it ended; null: it has not. */
  end: string | null = null;
  /** Visits that it has brought to an end. */
  visits = 0;
  private readonly child: ChildProcess;
  /** Resolves with how it ended. Never rejects. */
  private readonly ended: Promise<string>;
  private readonly ready: Promise<InstanceReady>;
  private url = '';

  constructor(settings: InstanceSettings) {
    this.name = settings.name;
    this.child = fork(MAIN, [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.ended = new Promise((done) => {
      const endAs = (how: string) => {
        this.end = how;
        done(how);
      };
      this.child.once('exit', (code, signal) => endAs(signal ?? `status ${code}`));
      this.child.once('error', (error) => endAs(error.message));
    });
    this.ready = new Promise((done) => {
      this.child.once('message', (message) => done(message as InstanceReady));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Where it listens. @throws {Error} It ended first. */
  async listening(): Promise<string> {
    const end = this.ended.then((how) => {
      throw new Error(`instance ${this.name} ended before it listened: ${how}`);
    });
    const { port } = await Promise.race([this.ready, end]);
    this.url = `http://127.0.0.1:${port}/visits`;
    return this.url;
  }

  /**
   * Asks it to work at the till once.
   *
   * @returns null, or why it could not.
   * @throws {Error} It cannot be reached.
   */
  async visit(): Promise<string | null> {
    const response = await fetch(this.url, { method: 'POST' });
    if (response.ok) {
      this.visits++;
      return null;
    }
    const { message } = (await response.json()) as { message?: string };
    return message ?? `status ${response.status}`;
  }

  /** Lets it end cleanly, also if somebody has stopped it; kills it if that takes too long. */
  async stop(): Promise<void> {
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }
}
