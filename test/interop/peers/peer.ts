import { fileURLToPath } from 'node:url';
import { compileJava, curatorClasspath, pythonWithKazoo } from '../installed.js';
import { Program } from '../programs.js';
import { temporaryDirectory } from '../servers.js';

/** Longer than any order here takes that does not wait for others for ever. */
const PATIENCE_MS = 30_000;

let javaClasses: Promise<string> | null = null;

async function compiledJava(): Promise<string> {
  const directory = temporaryDirectory();
  const source = fileURLToPath(new URL('CuratorPeer.java', import.meta.url));
  await compileJava(source, directory);
  return directory;
}

/** An object of a foreign recipe, in a peer. */
export interface ForeignPart {
  /**
   * Has it do something; resolves with what that returned, as text.
   *
   * Orders to one part are carried out one after the other. @throws {Error} What it threw.
   */
  tell(verb: string, ...args: readonly (string | number)[]): Promise<string>;
}

/** A process with a foreign client, that does what it is told with its recipes. */
export class Peer {
  private readonly program: Program;
  private readonly name: string;
  private parts = 0;

  private constructor(name: string, program: Program) {
    this.name = name;
    this.program = program;
  }

  /** Java with Curator's recipes; what its parts do stands in `CuratorPeer.java`. */
  static async curator(hosts: string): Promise<Peer> {
    javaClasses ??= compiledJava();
    const classpath = `${curatorClasspath()}:${await javaClasses}`;
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=off';
    const args = ['-XX:TieredStopAtLevel=1', quiet, '-cp', classpath, 'CuratorPeer', hosts];
    return Peer.connected('Curator', Program.start('java', args));
  }

  /** Python with kazoo's recipes; what its parts do stands in `kazoo_peer.py`. */
  static async kazoo(hosts: string): Promise<Peer> {
    const script = fileURLToPath(new URL('kazoo_peer.py', import.meta.url));
    return Peer.connected('kazoo', Program.start(pythonWithKazoo(), [script, hosts]));
  }

  private static async connected(name: string, program: Program): Promise<Peer> {
    await program.waitFor(/^ready$/m);
    return new Peer(name, program);
  }

  /** Makes an object of a recipe. */
  async make(
    kind: string,
    path: string,
    ...args: readonly (string | number)[]
  ): Promise<ForeignPart> {
    const name = `p${++this.parts}`;
    let told = Promise.resolve('');
    const tell: ForeignPart['tell'] = (verb, ...words) => {
      const order = () => this.order(name, verb, words);
      told = told.then(order, order);
      return told;
    };
    await tell('new', kind, path, ...args);
    return { tell };
  }

  /** Makes it stand still, its sessions included. */
  pause(): void {
    this.program.signal('SIGSTOP');
  }

  resume(): void {
    this.program.signal('SIGCONT');
  }

  /** kill -9: its ephemeral nodes stay until its session expires. */
  kill(): Promise<void> {
    return this.program.kill();
  }

  /** Lets it close its session and end. */
  async close(): Promise<void> {
    this.program.closeInput();
    await this.program.end();
  }

  private async order(
    name: string,
    verb: string,
    words: readonly (string | number)[],
  ): Promise<string> {
    const from = this.program.output.length;
    this.program.send(`${[name, verb, ...words].join(' ')}\n`);
    const answer = new RegExp(`^${name} (ok|error) ?(.*)\n`, 'm');
    const [, outcome, result = ''] = await this.program.waitFor(answer, from, PATIENCE_MS);
    if (outcome === 'ok') return result;
    throw new Error(`${this.name}: ${verb} ${words.join(' ')}: ${result}`);
  }
}
