import type { InstanceReady, InstanceSettings } from '../instance/settings.js';
import { DemoProcess } from './demo-process.js';

/** One instance of the service, in a process of its own. */
export class InstanceProcess {
  readonly name: string;
  private readonly process: DemoProcess<InstanceReady>;
  private readonly ready: Promise<InstanceReady>;
  private address = '';

  /** @param visits That have been brought to an end, by earlier processes of this instance, too. */
  constructor(
    readonly settings: InstanceSettings,
    public visits = 0,
  ) {
    this.name = settings.name;
    let isReady: (message: InstanceReady) => void = () => undefined;
    this.ready = new Promise((done) => (isReady = done));
    this.process = new DemoProcess('instance.main.js', settings, (message) => isReady(message));
  }

  get pid(): number {
    return this.process.pid;
  }

  /** How it ended; null: it has not. */
  get end(): string | null {
    return this.process.end;
  }

  /** Where it listens; empty: nowhere yet. */
  get url(): string {
    return this.address;
  }

  /** Resolves when it listens. @throws {Error} It ended first. */
  async listening(): Promise<void> {
    const end = this.process.ended.then((how) => {
      throw new Error(`instance ${this.name} ended before it listened: ${how}`);
    });
    const { port } = await Promise.race([this.ready, end]);
    this.address = `http://127.0.0.1:${port}`;
  }

  /** Resolves with how it ended. Never rejects. */
  get ended(): Promise<string> {
    return this.process.ended;
  }

  /**
   * Asks it to work at the till once.
   *
   * @param url Where it was found.
   * @returns null, or why it could not.
   * @throws {Error} It cannot be reached.
   */
  async visit(url: string): Promise<string | null> {
    const response = await fetch(new URL('visits', url), { method: 'POST' });
    if (response.ok) {
      this.visits++;
      return null;
    }
    const { message } = (await response.json()) as { message?: string };
    return message ?? `status ${response.status}`;
  }

  /** Lets it end cleanly. */
  stop(): Promise<void> {
    return this.process.stop();
  }
}
