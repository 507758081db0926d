import { spawn } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import type { ContenderNews, ContenderOrder, ContenderSettings } from './contender-messages.js';
import { RunningProgram } from '../e2e/member-process.js';

const root = resolve(import.meta.dirname, '../..');

/** A process that takes the lock over and over. */
export class Contender {
  /** The states of its session, in order. */
  readonly states: string[] = [];
  /** Entries of the ledger that the ensemble said it has. */
  readonly committed: string[] = [];
  /** The tokens of the writes that the ensemble refused. */
  readonly refused: bigint[] = [];
  isStopping = false;

  constructor(readonly program: RunningProgram) {}

  get pid(): number {
    return this.program.child.pid!;
  }

  answer(order: ContenderOrder): void {
    this.program.child.send(order);
  }
}

/** A contender that holds the lock and was stopped, until `resume`. */
export interface StoppedHolder {
  readonly contender: Contender;
  readonly token: bigint;
  resume(): void;
}

interface Write {
  readonly contender: Contender;
  readonly token: bigint;
}

/**
 * What the lock guards: a room for one, with a store in it that refuses the writes of whoever has a
 * lower fencing token than one that it has seen. The contenders are processes, which ask it.
 */
export class LockRoom {
  readonly contenders: Contender[] = [];
  readonly accepted: Write[] = [];
  readonly refused: Write[] = [];
  /** Holders that found another one inside, though nothing has ended the lease of that one. */
  readonly meetings: string[] = [];

  private readonly main: string;
  private readonly inside = new Map<bigint, Contender>();
  /** Those whom a later one met; it is seen when they leave whether they had lost their lease. */
  private readonly met = new Set<bigint>();
  private newestToken = 0n;
  private readonly lookers = new Set<() => void>();
  private onEntry: ((contender: Contender, token: bigint) => boolean) | null = null;

  /** @param directory Where the program of the contenders is put. */
  constructor(
    directory: string,
    private readonly settings: Omit<ContenderSettings, 'servers' | 'sessionTimeoutMs'>,
  ) {
    this.main = join(directory, 'lock-contender.mjs');
    const source = readFileSync(join(import.meta.dirname, 'lock-contender.ts'), 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    writeFileSync(this.main, outputText);
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  }

  /** Starts a contender; resolves when it has written for the first time. */
  async join(servers: readonly string[], sessionTimeoutMs: number): Promise<Contender> {
    const settings: ContenderSettings = { ...this.settings, servers, sessionTimeoutMs };
    const child = spawn(process.execPath, [this.main, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const contender = new Contender(new RunningProgram(child));
    this.contenders.push(contender);
    child.on('message', (news) => this.hear(contender, news as ContenderNews));
    void contender.program.exited.then(() => this.look());
    await this.until(() => contender.committed.length > 0);
    return contender;
  }

  /**
   * Resolves when each of these has held the lock from entry to exit, with its write in the ensemble,
   * in a visit that began after this call.
   */
  async progress(contenders: readonly Contender[] = this.contenders): Promise<void> {
    // The first may belong to a visit that is going on now.
    const wanted = contenders.map(({ committed }) => committed.length + 2);
    await this.until(() =>
      contenders.every(({ committed }, index) => committed.length >= wanted[index]!),
    );
  }

  /** Stops a contender (SIGSTOP) when it holds the lock next, before it writes. */
  stopAtEntry(contender: Contender): Promise<StoppedHolder> {
    return new Promise((stopped) => {
      this.onEntry = (entering, token) => {
        if (entering !== contender) return false;
        this.onEntry = null;
        process.kill(contender.pid, 'SIGSTOP');
        const resume = () => {
          process.kill(contender.pid, 'SIGCONT');
          contender.answer('yes');
        };
        stopped({ contender, token, resume });
        return true;
      };
    });
  }

  /** Lets all contenders leave; resolves with the status of each process. */
  async close(): Promise<(number | null)[]> {
    for (const contender of this.contenders) {
      contender.isStopping = true;
      contender.answer('stop');
    }
    const exits = await Promise.all(this.contenders.map(({ program }) => program.exited));
    return exits.map(({ code }) => code);
  }

  /** Ends all processes, also those that were stopped. */
  async kill(): Promise<void> {
    for (const contender of this.contenders) {
      contender.isStopping = true;
      contender.program.child.kill('SIGKILL');
      await contender.program.exited;
    }
  }

  /** Resolves when the condition holds; rejects when a contender ends before its time. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((reached, failed) => {
      const look = () => {
        const dead = this.contenders.find(
          ({ isStopping, program: { child } }) =>
            !isStopping && (child.exitCode !== null || child.signalCode !== null),
        );
        if (dead === undefined && !condition()) return;
        this.lookers.delete(look);
        if (dead === undefined) reached();
        else failed(new Error(`a contender ended:\n${dead.program.output}`));
      };
      this.lookers.add(look);
      look();
    });
  }

  private look(): void {
    for (const look of [...this.lookers]) look();
  }

  private hear(contender: Contender, news: ContenderNews): void {
    switch (news.kind) {
      case 'enter':
        this.enter(contender, BigInt(news.token));
        break;
      case 'write':
        contender.answer(this.write(contender, BigInt(news.token)) ? 'yes' : 'no');
        break;
      case 'leave':
        this.leave(BigInt(news.token), news.lost);
        contender.answer('yes');
        break;
      case 'committed':
        contender.committed.push(news.path);
        break;
      case 'refused':
        contender.refused.push(BigInt(news.token));
        break;
      case 'state':
        contender.states.push(news.state);
    }
    this.look();
  }

  private enter(contender: Contender, token: bigint): void {
    for (const other of this.inside.keys()) {
      if (token <= other) this.meetings.push(`${token} entered after ${other}`);
      this.met.add(other);
    }
    this.inside.set(token, contender);
    if (this.onEntry?.(contender, token) !== true) contender.answer('yes');
  }

  private leave(token: bigint, lost: string | null): void {
    if (this.met.has(token) && lost === null) this.meetings.push(`${token} was met, and held`);
    this.inside.delete(token);
  }

  private write(contender: Contender, token: bigint): boolean {
    const isStale = token < this.newestToken;
    (isStale ? this.refused : this.accepted).push({ contender, token });
    if (!isStale) this.newestToken = token;
    return !isStale;
  }
}
