import { DiskError, type Disk, type DiskFile } from '@aviary/foundation';
import { MemoryDisk } from './memory-disk.js';

/** An operation that was asked for and waits to be let go. */
interface HeldOperation {
  readonly label: string;
  readonly run: () => Promise<void>;
  readonly fail: (error: DiskError) => void;
}

/**
 * A disk whose operations happen when the test says so. By default each happens at once; those
 * whose label matches {@link holds} wait for {@link release} or {@link fail}.
 *
 * Labels: the operation, the last part of the path, and where it has them `position+length`.
 */
export class ScriptedDisk implements Disk {
  readonly memory = new MemoryDisk();
  /** Every operation that was asked for, in order. */
  readonly asked: string[] = [];
  /** Which operations wait. */
  holds: RegExp | null = null;
  /** The operations that wait, in the order in which they were asked for. */
  held: HeldOperation[] = [];
  private failing: { readonly label: RegExp; readonly code: string } | null = null;

  /** Labels of what waits. */
  get waiting(): string[] {
    return this.held.map(({ label }) => label);
  }

  /** Forgets what was asked for so far, and returns it. */
  takeAsked(): string[] {
    return this.asked.splice(0);
  }

  /** Lets the first operation happen that waits and whose label matches. */
  async release(label = /./): Promise<void> {
    await this.takeHeld(label).run();
  }

  /** Lets it fail instead. */
  fail(label = /./, code = 'EIO'): void {
    const { label: name, fail } = this.takeHeld(label);
    fail(new DiskError(code, name, 'scripted'));
  }

  /** Lets the next operation fail whose label matches. */
  failNext(label: RegExp, code = 'EIO'): void {
    this.failing = { label, code };
  }

  list(directory: string): Promise<string[]> {
    return this.ask(`list ${nameOf(directory)}`, () => this.memory.list(directory));
  }

  makeDirectory(directory: string): Promise<void> {
    return this.ask(`makeDirectory ${nameOf(directory)}`, () => this.memory.makeDirectory());
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await this.ask(`open ${nameOf(path)} ${mode}`, () => this.memory.open(path, mode));
    return new ScriptedFile(this, file);
  }

  rename(from: string, to: string): Promise<void> {
    const label = `rename ${nameOf(from)} ${nameOf(to)}`;
    return this.ask(label, () => this.memory.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.ask(`remove ${nameOf(path)}`, () => this.memory.remove(path));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.ask(`syncDirectory ${nameOf(directory)}`, () => this.memory.syncDirectory());
  }

  allocate(length: number): Uint8Array {
    return this.memory.allocate(length);
  }

  /** Does `action` now or when it is let go. */
  ask<T>(label: string, action: () => Promise<T>): Promise<T> {
    this.asked.push(label);
    if (this.failing?.label.test(label) === true) {
      const { code } = this.failing;
      this.failing = null;
      return Promise.reject(new DiskError(code, label, 'scripted'));
    }
    if (this.holds?.test(label) !== true) return action();
    return new Promise((resolve, reject) => {
      const run = () => action().then(resolve, reject);
      this.held.push({ label, run, fail: reject });
    });
  }

  private takeHeld(label: RegExp): HeldOperation {
    const index = this.held.findIndex((each) => label.test(each.label));
    const [operation] = index < 0 ? [] : this.held.splice(index, 1);
    if (operation === undefined) {
      throw new Error(`nothing that matches ${String(label)} waits: ${this.waiting.join(', ')}`);
    }
    return operation;
  }
}

class ScriptedFile implements DiskFile {
  readonly path: string;
  private readonly name: string;
  private isCommitting = false;

  constructor(
    private readonly disk: ScriptedDisk,
    private readonly file: DiskFile,
  ) {
    this.path = file.path;
    this.name = nameOf(file.path);
  }

  size(): Promise<number> {
    return this.disk.ask(`size ${this.name}`, () => this.file.size());
  }

  read(into: Uint8Array, position: number): Promise<number> {
    const label = `read ${this.name} ${position}+${into.length}`;
    return this.disk.ask(label, () => this.file.read(into, position));
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.sendBytes('write', bytes, position);
  }

  truncate(length: number): Promise<void> {
    return this.disk.ask(`truncate ${this.name} ${length}`, () => this.file.truncate(length));
  }

  sync(): Promise<void> {
    return this.disk.ask(`sync ${this.name}`, () => this.file.sync());
  }

  commit(bytes: Uint8Array, position: number, done: (error: DiskError | null) => void): void {
    if (this.isCommitting) throw new Error(`two commits at once on ${this.path}`);
    this.isCommitting = true;
    const answer = (error: DiskError | null) => {
      this.isCommitting = false;
      done(error);
    };
    this.sendBytes('commit', bytes, position).then(
      () => answer(null),
      (error: unknown) => answer(error as DiskError),
    );
  }

  close(): Promise<void> {
    if (this.isCommitting) throw new Error(`${this.path} was closed during a commit`);
    return this.disk.ask(`close ${this.name}`, () => this.file.close());
  }

  private sendBytes(operation: string, bytes: Uint8Array, position: number): Promise<void> {
    const before = bytes.slice();
    return this.disk.ask(`${operation} ${this.name} ${position}+${bytes.length}`, () => {
      if (Buffer.compare(before, bytes) !== 0) {
        throw new Error(`a buffer was changed while it was written to ${this.path}`);
      }
      return this.file.write(bytes, position);
    });
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
