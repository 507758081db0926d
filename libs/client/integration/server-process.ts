import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const debianJars = '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar';

/**
 * What starts a server from a zoo.cfg: `ZK_SERVER_COMMAND` with the file's name behind it, or
 * Apache ZooKeeper as Debian packages it.
 */
function serverCommand(configuration: string): { file: string; args: string[] } {
  const command = process.env.ZK_SERVER_COMMAND;
  if (command !== undefined) {
    const [file = '', ...args] = command.split(' ');
    return { file, args: [...args, configuration] };
  }
  const switches = [
    'zookeeper.4lw.commands.whitelist=*',
    'zookeeper.extendedTypesEnabled=true',
    'zookeeper.admin.enableServer=false',
    'org.slf4j.simpleLogger.defaultLogLevel=warn',
  ];
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  const jars = process.env.ZK_CLASSPATH ?? debianJars;
  return {
    file: 'java',
    args: ['-Xmx256m', ...switches.map((s) => `-D${s}`), '-cp', jars, main, configuration],
  };
}

async function freePort(address: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A four-letter word and its answer; null if nobody listens. */
export function ask(address: string, port: number, word: string): Promise<string | null> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, address, () => socket.write(word));
    socket.setTimeout(2_000, () => socket.destroy());
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    socket.on('error', () => resolve(null));
    socket.on('close', () => resolve(answer === '' ? null : answer));
  });
}

/** A standalone server in a process of its own, which a test may kill, stop and start again. */
export class ServerProcess {
  readonly address: string;
  readonly port: number;
  private readonly directory: string;
  private readonly configuration: string;
  private child: ChildProcess | null = null;
  private output = '';

  private constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
    this.directory = mkdtempSync(join(tmpdir(), 'aviary-client-'));
    this.configuration = join(this.directory, 'zoo.cfg');
    const lines = [
      'tickTime=500',
      'minSessionTimeout=1000',
      'maxSessionTimeout=60000',
      `dataDir=${join(this.directory, 'data')}`,
      `clientPort=${port}`,
      `clientPortAddress=${address}`,
    ];
    writeFileSync(this.configuration, `${lines.join('\n')}\n`);
  }

  static async start(address = '127.0.0.1'): Promise<ServerProcess> {
    const server = new ServerProcess(address, await freePort(address));
    await server.start();
    return server;
  }

  /** As it stands in a connection string. */
  get hosts(): string {
    return this.address.includes(':') ? `[${this.address}]:${this.port}` : this.hostAndPort;
  }

  private get hostAndPort(): string {
    return `${this.address}:${this.port}`;
  }

  async start(): Promise<void> {
    const { file, args } = serverCommand(this.configuration);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        this.output = (this.output + bytes.toString()).slice(-10_000);
      });
    }
    for (let attempt = 0; attempt < 300; attempt++) {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${this.output}`);
      const answer = await ask(this.address, this.port, 'srvr');
      if (answer?.includes('Mode:') === true) return;
      await sleep(100);
    }
    throw new Error(`the server does not answer:\n${this.output}`);
  }

  /** Watches that the server holds, over all connections. */
  async watchCount(): Promise<number> {
    const answer = await ask(this.address, this.port, 'wchs');
    return Number(/Total watches:(\d+)/.exec(answer ?? '')?.[1] ?? Number.NaN);
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(name);
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
