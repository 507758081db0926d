import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { RunningProgram } from '../../e2e/member-process.js';
import type { Line, Sight } from './history.js';
import { nowUs } from './worker/clock.js';
import type { WorkerOrder, WorkerSettings } from './worker-orders.js';

const root = resolve(import.meta.dirname, '../../..');
const sources = join(import.meta.dirname, 'worker');

/** One process that uses all recipes. */
interface Worker {
  readonly name: string;
  readonly id: string;
  readonly program: RunningProgram;
}

/** What all workers are started with. */
export type CrewSettings = Omit<WorkerSettings, 'name' | 'worker' | 'isPublisher'>;

/** The workers, and all that they told. */
export class Crew {
  /** In the order in which they came here: of each worker its own. */
  readonly lines: Line[] = [];
  private readonly main: string;
  private readonly workers = new Map<string, Worker>();
  private readonly ended: RunningProgram[] = [];
  private readonly births = new Map<string, number>();
  private readonly lookers = new Set<() => void>();
  private isClosing = false;
  private failure: Error | null = null;

  /**
   * @param directory Where the program of the workers is put.
   * @param publisher The name of the one who publishes configurations.
   */
  constructor(
    directory: string,
    private readonly settings: CrewSettings,
    private readonly publisher: string,
  ) {
    const program = join(directory, 'worker');
    mkdirSync(program);
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    for (const file of readdirSync(sources)) {
      const { outputText } = ts.transpileModule(readFileSync(join(sources, file), 'utf8'), {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      writeFileSync(join(program, file.replace(/ts$/, 'js')), outputText);
    }
    this.main = join(program, 'main.js');
  }

  /** The workers that live, by name. */
  get survivors(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.workers.values(), ({ name, id }) => [name, id]));
  }

  get names(): readonly string[] {
    return [...this.workers.keys()];
  }

  /** Starts a worker: the first of its name, or one in the place of that which was killed. */
  start(name: string): void {
    const birth = this.births.get(name) ?? 0;
    this.births.set(name, birth + 1);
    const id = `${name}.${birth}`;
    const isPublisher = name === this.publisher;
    const settings: WorkerSettings = { ...this.settings, name, worker: id, isPublisher };
    const child: ChildProcess = spawn(process.execPath, [this.main, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const program = new RunningProgram(child);
    const worker = { name, id, program };
    this.workers.set(name, worker);
    child.on('message', (line) => {
      this.lines.push(line as Line);
      this.look();
    });
    void program.exited.then(({ code, signal }) => {
      if (this.workers.get(name) !== worker) return;
      // Who is done first may be gone before the last one has said that it is closed.
      if (this.isClosing && code === 0) return;
      this.failure ??= new Error(`${id} ended (${code ?? signal}):\n${program.output}`);
      this.look();
    });
  }

  /** Stops a worker (SIGSTOP), as soon as it holds the mutex. */
  async stopHolding(name: string): Promise<void> {
    const { id, program } = this.workers.get(name)!;
    const from = this.lines.length;
    program.child.send('linger');
    await this.until(() =>
      this.lines.slice(from).some(({ kind, worker }) => kind === 'lingering' && worker === id),
    );
    this.stop(name);
  }

  /** SIGSTOP. */
  stop(name: string): void {
    this.lines.push(this.noted(name, 'stopped'));
    this.workers.get(name)!.program.child.kill('SIGSTOP');
  }

  resume(name: string): void {
    this.workers.get(name)!.program.child.kill('SIGCONT');
  }

  /** Resolves when it is dead, and all that it told has come. */
  async kill(name: string): Promise<void> {
    const { program } = this.workers.get(name)!;
    const killed = this.noted(name, 'killed');
    this.workers.delete(name);
    this.ended.push(program);
    program.child.kill('SIGKILL');
    await program.exited;
    this.lines.push(killed);
  }

  /** Tells all workers; resolves when each has answered. */
  async order(order: Exclude<WorkerOrder, 'linger'>): Promise<void> {
    const answer = { rest: 'resting', look: 'sight', close: 'closed' }[order];
    const from = this.lines.length;
    for (const { program } of this.workers.values()) program.child.send(order);
    const wanted = [...this.survivors.values()];
    await this.until(() => {
      const answers = this.lines.slice(from).filter(({ kind }) => kind === answer);
      return wanted.every((id) => answers.some(({ worker }) => worker === id));
    });
  }

  /** What each worker sees now, by name. */
  async sights(): Promise<ReadonlyMap<string, Sight>> {
    await this.order('look');
    const sights = new Map<string, Sight>();
    for (const [name, id] of this.survivors) {
      const line = this.lines.findLast((one) => one.kind === 'sight' && one.worker === id);
      if (line?.kind === 'sight') sights.set(name, line.sight);
    }
    return sights;
  }

  /** Closes all; resolves with what kept any of them from ending by itself with status 0. */
  async close(): Promise<string[]> {
    this.isClosing = true;
    await this.order('close');
    const closing = [...this.workers.values()];
    this.workers.clear();
    const ends = closing.map(async ({ id, program }) => {
      this.ended.push(program);
      const { code, signal } = await program.exited;
      return code === 0 ? [] : [`${id} ended (${code ?? signal}): ${program.output}`];
    });
    return (await Promise.all(ends)).flat();
  }

  /** Ends whatever still runs. */
  async killAll(): Promise<void> {
    for (const name of this.names) {
      const { program } = this.workers.get(name)!;
      this.workers.delete(name);
      this.ended.push(program);
    }
    for (const { child, exited } of this.ended) {
      child.kill('SIGKILL');
      await exited;
    }
  }

  /** Resolves when the condition holds; rejects when a worker ends before its time. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((reached, failed) => {
      const look = (): void => {
        if (this.failure === null && !condition()) return;
        this.lookers.delete(look);
        if (this.failure === null) reached();
        else failed(this.failure);
      };
      this.lookers.add(look);
      look();
    });
  }

  private look(): void {
    for (const look of [...this.lookers]) look();
  }

  private noted(name: string, kind: 'stopped' | 'killed'): Line {
    return { kind, at: nowUs(), worker: this.workers.get(name)!.id };
  }
}
