import { cShell, zkCli } from './installed.js';
import { Program } from './programs.js';

/** One of ZooKeeper's own shells, driven line by line. */
export class Shell {
  readonly program: Program;
  private readonly lastWord: (name: string) => { command: string; answer: RegExp };
  private questions = 0;
  /** Up to where of its output answers were read. */
  private answeredAt: number;
  /** Up to where of its output what came unasked was read. */
  private toldAt: number;

  private constructor(program: Program, lastWord: Shell['lastWord']) {
    this.program = program;
    this.lastWord = lastWord;
    this.answeredAt = program.output.length;
    this.toldAt = program.output.length;
  }

  /** ZooKeeper's Java shell, connected. */
  static async zkCli(hosts: string, timeoutMs = 30_000): Promise<Shell> {
    const program = Program.start(zkCli(), ['-timeout', String(timeoutMs), '-server', hosts]);
    await program.waitFor(/state:SyncConnected/);
    return new Shell(program, (name) => ({
      command: `stat ${name}`,
      answer: new RegExp(`Node does not exist: ${name}\n`),
    }));
  }

  /** The shell of ZooKeeper's C client, connected. */
  static async c(hosts: string): Promise<Shell> {
    const program = Program.start(cShell(), [hosts]);
    await program.waitFor(/Got a new session id/);
    return new Shell(program, (name) => ({
      command: `get ${name}`,
      answer: new RegExp(`${name}: rc = -101\\s+Stat:\nnull\n`),
    }));
  }

  /**
   * Gives a command; returns what the shell has written since the last one was answered.
   *
   * Shells show no end of an answer: they are asked for a node that nobody has, and answer in order.
   */
  async ask(command: string): Promise<string> {
    const { command: question, answer } = this.lastWord(`/no-such-node-${++this.questions}`);
    this.program.send(`${command}\n${question}\n`);
    const { index, 0: text } = await this.program.waitFor(answer, this.answeredAt);
    const said = this.program.output.slice(this.answeredAt, this.answeredAt + index);
    this.answeredAt += index + text.length;
    return withoutChatter(said);
  }

  /** Waits for the next that comes unasked and matches; it may have come during a question. */
  async untilTold(pattern: RegExp): Promise<void> {
    const match = await this.program.waitFor(pattern, this.toldAt);
    this.toldAt += match.index + match[0].length;
  }

  /** Leaves, as a person would; the session is closed with it. */
  async quit(): Promise<void> {
    this.program.send('quit\n');
    await this.program.end();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.program.kill();
  }
}

/** Log lines and events of the Java and the C client stand among the answers. */
function withoutChatter(said: string): string {
  const isChatter =
    /^(SLF4J:|WATCHER::|WatchedEvent |Watcher |time = |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d)/;
  const lines = said.split('\n').filter((line) => line !== '' && !isChatter.test(line));
  return lines.join('\n');
}

/** A field of the Stat that a shell shows, as `dataVersion = 3` or `version=3`. */
export function statField(answer: string, name: string): string {
  const match = new RegExp(`\\b${name} ?= ?(\\S+)`).exec(answer);
  if (match?.[1] === undefined) throw new Error(`no ${name} in:\n${answer}`);
  return match[1];
}
