import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.js';
import { zookeeperClasspath } from './installed.js';
import { Program, endAllPrograms, type Ending } from './programs.js';

/** Whose server: ours, or Apache's. */
export type ServerKind = 'aviary' | 'zookeeper';

export const SERVER_KINDS: readonly ServerKind[] = ['aviary', 'zookeeper'];

/** Settings by their names in zoo.cfg. */
export type Settings = Readonly<Record<string, string | number>>;

export const LOOPBACK = '127.0.0.1';

const START_MS = 60_000;
const POLL_MS = 20;
const WORD_MS = 10_000;

const DEFAULTS: Settings = {
  tickTime: 500,
  minSessionTimeout: 1_000,
  maxSessionTimeout: 60_000,
  maxClientCnxns: 0,
  '4lw.commands.whitelist': '*',
  extendedTypesEnabled: 'true',
};

/** Settings that ZooKeeper reads from system properties of exactly this name. */
const SYSTEM_PROPERTIES: readonly RegExp[] = [/^znode\.container\./, /^jute\.maxbuffer$/];

const ourMain = fileURLToPath(new URL('../../apps/ensemble/dist/main.js', import.meta.url));

function command(kind: ServerKind, configuration: string, settings: Settings): string[] {
  if (kind === 'aviary') {
    if (!existsSync(ourMain)) throw new Error(`${ourMain} is missing: run npm run build first.`);
    return [process.execPath, ourMain, configuration];
  }
  const properties = Object.entries(settings)
    .filter(([name]) => SYSTEM_PROPERTIES.some((pattern) => pattern.test(name)))
    .map(([name, value]) => `-D${name}=${value}`);
  return [
    'java',
    '-Xmx512m',
    '-XX:TieredStopAtLevel=1',
    '-Dzookeeper.admin.enableServer=false',
    ...properties,
    '-cp',
    zookeeperClasspath(),
    'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    configuration,
  ];
}

/** A four-letter word and its answer; null if nobody answers. */
export function askWord(
  port: number,
  word: string,
  address: string = LOOPBACK,
): Promise<string | null> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, address, () => socket.write(word));
    socket.setTimeout(WORD_MS, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer === '' ? null : answer));
  });
}

const directories = new Set<string>();

/** A new directory; {@link removeAll} removes it. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'aviary-interop-'));
  directories.add(directory);
  return directory;
}

/** Ends all processes and removes all directories: for `afterAll` of every file. */
export async function removeAll(): Promise<void> {
  await endAllPrograms();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}

/** Takes turns on one port and one data directory: a server, of either kind, in its own process. */
export class TestServer {
  kind: ServerKind;
  readonly address: string;
  readonly port: number;
  readonly dataDir: string;
  private readonly configuration: string;
  private readonly settings: Settings;
  private program: Program | null = null;

  private constructor(kind: ServerKind, port: number, settings: Settings) {
    this.kind = kind;
    this.port = port;
    const directory = temporaryDirectory();
    this.dataDir = join(directory, 'data');
    mkdirSync(this.dataDir);
    this.configuration = join(directory, 'zoo.cfg');
    this.address = String(settings.clientPortAddress ?? LOOPBACK);
    this.settings = {
      ...DEFAULTS,
      dataDir: this.dataDir,
      clientPort: port,
      clientPortAddress: LOOPBACK,
      ...settings,
    };
    const lines = Object.entries(this.settings).map(([name, value]) => `${name}=${value}`);
    writeFileSync(this.configuration, `${lines.join('\n')}\n`);
  }

  /** A server with an empty directory that does not run yet. */
  static prepare(kind: ServerKind, port: number, settings: Settings): TestServer {
    return new TestServer(kind, port, settings);
  }

  /** Starts a server with an empty directory and waits until it serves. */
  static async start(kind: ServerKind, settings: Settings = {}): Promise<TestServer> {
    const server = TestServer.prepare(kind, await freePort(), settings);
    await server.start();
    return server;
  }

  /** As it stands in a connection string. */
  get hosts(): string {
    const { address, port } = this;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  }

  get isRunning(): boolean {
    return this.program?.isRunning === true;
  }

  get pid(): number {
    return this.running.pid;
  }

  /** All that the process that runs, or the last one, has written. */
  get output(): string {
    return this.program?.output ?? '';
  }

  /** Starts again on what is in the directory, perhaps as the other kind; waits until it serves. */
  async start(kind: ServerKind = this.kind): Promise<void> {
    this.launch(kind);
    await this.untilServing();
  }

  /** As {@link start}, without waiting: it may need others to serve. */
  launch(kind: ServerKind = this.kind): void {
    this.kind = kind;
    const [file = '', ...args] = command(kind, this.configuration, this.settings);
    this.program = Program.start(file, args, { environment: { NO_COLOR: '1' } });
  }

  /** Asks it to end, as a service manager does. */
  async stop(): Promise<Ending> {
    this.running.signal('SIGTERM');
    return this.running.end();
  }

  /** kill -9: it gets no chance to write another byte. */
  async kill(): Promise<void> {
    await this.running.kill();
  }

  /** Makes it stand still; not one of its threads runs when this returns. */
  async pause(): Promise<void> {
    this.running.signal('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    const isStopped = (task: string) => {
      const status = readFileSync(join(tasks, task, 'status'), 'utf8');
      return /^State:\s+T/m.test(status);
    };
    while (!readdirSync(tasks).every(isStopped)) await sleep(1);
  }

  /** Lets it go on. */
  resume(): void {
    this.running.signal('SIGCONT');
  }

  /** The answer to a four-letter word. */
  async ask(word: string): Promise<string> {
    const answer = await askWord(this.port, word, this.address);
    if (answer === null) throw new Error(`${this.kind} does not answer ${word}:\n${this.output}`);
    return answer;
  }

  /** The value of a line of `mntr`. */
  async metric(name: string): Promise<number> {
    const answer = await this.ask('mntr');
    const line = answer.split('\n').find((l) => l.startsWith(`${name}\t`));
    if (line === undefined) throw new Error(`${this.kind} has no metric ${name}:\n${answer}`);
    return Number(line.split('\t')[1]);
  }

  /** Watches that the server holds, over all connections. */
  async watchCount(): Promise<number> {
    return Number(/Total watches:(\d+)/.exec(await this.ask('wchs'))?.[1] ?? Number.NaN);
  }

  /** Waits until what `look` finds pleases `isMet`; `what` is for the message if it never does. */
  async until<T>(what: string, look: () => Promise<T>, isMet: (seen: T) => boolean): Promise<T> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const seen = await look();
      if (isMet(seen)) return seen;
      if (performance.now() > deadline) {
        throw new Error(`${this.kind}: ${what} did not come; last seen: ${String(seen)}`);
      }
      await sleep(POLL_MS);
    }
  }

  private get running(): Program {
    if (this.program === null) throw new Error('the server was never started');
    return this.program;
  }

  /** @throws {Error} It has ended, or takes too long. */
  async untilServing(): Promise<void> {
    const program = this.running;
    const deadline = performance.now() + START_MS;
    while (program.isRunning && performance.now() < deadline) {
      const answer = await askWord(this.port, 'srvr', this.address);
      if (answer?.includes('Mode:') === true) return;
      await sleep(POLL_MS);
    }
    await program.kill();
    throw new Error(`${this.kind} does not serve:\n${program.output}`);
  }
}
