import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const START_LIMIT_MS = 30_000;
const POLL_MS = 50;

/** Where Debian's package and others put the jars; `ZK_CLASSPATH` names them otherwise. */
const JARS = ['/usr/share/java/zookeeper.jar', '/usr/share/java/slf4j-simple.jar'];

/** The class path of Apache ZooKeeper on this machine; null if it is not installed. */
export function zookeeperClassPath(): string | null {
  const given = process.env.ZK_CLASSPATH;
  if (given !== undefined) return given;
  return JARS.every((jar) => existsSync(jar)) ? JARS.join(':') : null;
}

/** A server under test in a process of its own, on fresh data. */
export class BenchedServer {
  private constructor(
    readonly name: string,
    readonly port: number,
    private readonly process: ChildProcess,
    private readonly directory: string,
  ) {}

  /** Starts Aviary as it is built. */
  static aviary(): Promise<BenchedServer> {
    return BenchedServer.start('aviary', (config) =>
      spawn(process.execPath, [join(root, 'apps/ensemble/dist/main.js'), config], {
        stdio: 'ignore',
      }),
    );
  }

  /** Starts Apache ZooKeeper, as its own script would. */
  static zookeeper(classPath: string): Promise<BenchedServer> {
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    return BenchedServer.start('zookeeper', (config) =>
      spawn(
        'java',
        ['-Xmx1g', '-Dzookeeper.admin.enableServer=false', '-cp', classPath, main, config],
        {
          stdio: 'ignore',
        },
      ),
    );
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.process.once('close', done));
    this.process.kill('SIGKILL');
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }

  private static async start(
    name: string,
    launch: (config: string) => ChildProcess,
  ): Promise<BenchedServer> {
    const directory = mkdtempSync(join(tmpdir(), `aviary-bench-${name}-`));
    const dataDir = join(directory, 'data');
    mkdirSync(dataDir);
    const port = await freePort();
    const config = join(directory, 'zoo.cfg');
    const lines = [
      'tickTime=2000',
      `dataDir=${dataDir}`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
      'maxClientCnxns=0',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const server = new BenchedServer(name, port, launch(config), directory);
    await server.untilItAnswers();
    return server;
  }

  private async untilItAnswers(): Promise<void> {
    const limitMs = performance.now() + START_LIMIT_MS;
    while (!(await answers(this.port))) {
      if (performance.now() > limitMs) throw new Error(`${this.name} does not answer`);
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Whether the server prints a mode for the four-letter word srvr. */
function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => done(false));
    socket.on('close', () => done(text.includes('Mode:')));
  });
}
