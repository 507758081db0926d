import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileJava, curatorClasspath, pythonWithKazoo } from '../installed.js';
import { Program } from '../programs.js';

/** Longer than any order here takes that does not wait for others for ever. */
const PATIENCE_MS = 30_000;

/** Where compiled classes are kept from one test file to the next. */
const COMPILED = fileURLToPath(
  new URL('../../../node_modules/.cache/aviary-interop', import.meta.url),
);

/** The classes of `CuratorPeer.java`, compiled if its text is new. */
async function compiledJava(): Promise<string> {
  const source = fileURLToPath(new URL('CuratorPeer.java', import.meta.url));
  const text = createHash('sha256').update(readFileSync(source)).digest('hex');
  const classes = join(COMPILED, `curator-peer-${text.slice(0, 16)}`);
  if (existsSync(classes)) return classes;
  mkdirSync(COMPILED, { recursive: true });
  const unfinished = mkdtempSync(join(COMPILED, 'unfinished-'));
  await compileJava(source, unfinished);
  if (existsSync(classes)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, classes);
  return classes;
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
    const classpath = `${curatorClasspath()}:${await compiledJava()}`;
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
