import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How long a process may take to end before it is killed. */
const STOP_MS = 8_000;

/** A process of the demo, which gets what it has to know as JSON. */
export class DemoProcess<Message> {
  /** How it ended; null: it has not. */
  end: string | null = null;
  /** Resolves with how it ended. Never rejects. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;

  /** @param program Its file, beside those of this directory's parent. */
  constructor(program: string, settings: unknown, onMessage: (message: Message) => void) {
    const file = fileURLToPath(new URL(`../${program}`, import.meta.url));
    this.child = fork(file, [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.child.on('message', (message) => onMessage(message as Message));
    this.ended = new Promise((done) => {
      const endAs = (how: string) => {
        this.end = how;
        done(how);
      };
      this.child.once('exit', (code, signal) => endAs(signal ?? `status ${code}`));
      this.child.once('error', (error) => endAs(error.message));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
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
