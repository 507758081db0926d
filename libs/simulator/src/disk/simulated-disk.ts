import { DiskError, type Disk, type DiskFile } from '@aviary/foundation';
import type { Trace } from '../trace.js';
import type { EventOwner } from '../time/event-owner.js';
import type { Timeline } from '../time/timeline.js';
import type { CrashAction, DiskOperation, DiskOperationKind } from './disk-model.js';
import type { Drive, Verdict } from './drive.js';
import type { FileImage, Unsynced } from './file-image.js';
import { directoryOf, normalizedPath } from './names.js';
import { SimulatedFile } from './simulated-file.js';

/** What an operation does to the drive, in two parts: an interrupted one may do only the first. */
export interface Effect<T> {
  /** What the running system sees. @returns The result, or the name of an error. */
  readonly run: () => T | DiskError;
  /** What makes it durable, where the operation promises that. */
  readonly settle?: () => void;
  /** What the platter gets of it when the power goes in the middle; default: `run` alone. */
  readonly tear?: () => void;
  /** What is left behind when it fails with an injected error. */
  readonly spoil?: () => void;
}

/** What a disk needs from its world. */
export interface DiskSurroundings {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly owner: EventOwner;
  readonly drive: Drive;
  /** Cuts the power of the machine. */
  readonly cutPower: (unsynced: Unsynced) => void;
}

/** The {@link Disk} of one process. */
export class SimulatedDisk implements Disk {
  readonly drive: Drive;
  private readonly world: DiskSurroundings;
  /** Asked for and not done: the power may go while they are half done. */
  private readonly inFlight = new Set<Effect<unknown>>();

  constructor(world: DiskSurroundings) {
    this.world = world;
    this.drive = world.drive;
  }

  list(directory: string): Promise<string[]> {
    const path = normalizedPath(directory);
    const { names } = this.drive.image;
    return this.ask('list', path, {
      run: () =>
        names.get(path) === 'directory' ? names.list(path) : this.missing('list', path, 'ENOTDIR'),
    });
  }

  makeDirectory(directory: string): Promise<void> {
    const path = normalizedPath(directory);
    const { image } = this.drive;
    return this.ask('makeDirectory', path, {
      run: () => {
        const missing: string[] = [];
        let at = path;
        for (; image.names.get(at) === undefined; at = directoryOf(at)) missing.unshift(at);
        if (!image.isDirectory(at)) {
          return new DiskError(at === path ? 'EEXIST' : 'ENOTDIR', path, 'mkdir');
        }
        for (const each of missing) image.names.add(each, 'directory');
        return undefined;
      },
    });
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const where = normalizedPath(path);
    return this.ask<DiskFile>('open', where, {
      run: () => {
        const file = this.fileFor(where, mode);
        if (file instanceof DiskError) return file;
        return new SimulatedFile(this, path, file, mode !== 'read');
      },
    });
  }

  rename(from: string, to: string): Promise<void> {
    const source = normalizedPath(from);
    const target = normalizedPath(to);
    const { image } = this.drive;
    return this.ask('rename', source, {
      run: () => {
        if (image.file(source) === null) return this.missing('rename', source, 'EISDIR');
        if (image.isDirectory(target)) return new DiskError('EISDIR', from, 'rename');
        if (!image.isDirectory(directoryOf(target))) return new DiskError('ENOENT', from, 'rename');
        image.names.rename(source, target);
        return undefined;
      },
    });
  }

  remove(path: string): Promise<void> {
    const where = normalizedPath(path);
    const { image } = this.drive;
    return this.ask('remove', where, {
      run: () => {
        if (image.file(where) === null) return this.missing('remove', where, 'EISDIR');
        image.names.remove(where);
        return undefined;
      },
    });
  }

  syncDirectory(directory: string): Promise<void> {
    const path = normalizedPath(directory);
    const { image, random } = this.drive;
    const covered = image.names.lastChange;
    const settle = () => image.names.sync(path, covered);
    return this.ask('syncDirectory', path, {
      run: () =>
        image.isDirectory(path) ? undefined : this.missing('fsync of directory', path, 'ENOTDIR'),
      settle,
      tear: () => {
        if (random.chance(0.5)) settle();
      },
    });
  }

  allocate(length: number): Uint8Array {
    return new Uint8Array(length);
  }

  /** Asks the drive for an operation and promises its result. */
  ask<T>(kind: DiskOperationKind, path: string, effect: Effect<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.submit(kind, path, effect, (outcome) => {
        if (outcome instanceof DiskError) reject(outcome);
        else resolve(outcome);
      });
    });
  }

  /** Asks the drive for an operation. `done` is called in a later turn, or never: see `powerOff`. */
  submit<T>(
    kind: DiskOperationKind,
    path: string,
    effect: Effect<T>,
    done: (outcome: T | DiskError) => void,
  ): void {
    const { owner, timeline, trace } = this.world;
    if (!owner.isAlive) return;
    const verdict = this.drive.judge(kind, path);
    trace.note(timeline.nowUs, kind, path, verdict.operation.number);
    this.inFlight.add(effect);
    owner.post(verdict.delayUs, () => {
      this.inFlight.delete(effect);
      if (verdict.crash === null) done(this.carryOut(effect, verdict));
      else this.crash(effect, verdict.operation, verdict.crash);
    });
  }

  /** Makes what is written part of the trace's hash. */
  noteContents(hash: number): void {
    this.world.trace.mix(hash);
  }

  /** Reports that the code under test broke a rule of the port. */
  misuse(message: string): void {
    if (this.drive.isStrict) this.world.timeline.misuse(message);
  }

  /**
   * The process ends. Each operation under way has happened or not; if the power goes with the
   * process, it may also have happened in part.
   */
  interruptAll(hasPower: boolean): void {
    const { random } = this.drive;
    const extents = hasPower
      ? (['nothing', 'all'] as const)
      : (['nothing', 'part', 'all'] as const);
    for (const effect of this.inFlight) {
      const extent = random.pick<'nothing' | 'part' | 'all'>(extents);
      if (extent !== 'nothing') this.interrupt(effect, extent);
    }
    this.inFlight.clear();
  }

  private carryOut<T>(effect: Effect<T>, verdict: Verdict): T | DiskError {
    const { operation, errorCode } = verdict;
    const { timeline, trace } = this.world;
    if (errorCode !== null) {
      trace.note(timeline.nowUs, errorCode, operation.path, operation.number);
      effect.spoil?.();
      return new DiskError(errorCode, operation.path, operation.kind);
    }
    const outcome = effect.run();
    if (!(outcome instanceof DiskError)) effect.settle?.();
    trace.note(timeline.nowUs, 'done', operation.path, operation.number);
    return outcome;
  }

  private crash(effect: Effect<unknown>, operation: DiskOperation, crash: CrashAction): void {
    const { timeline, trace, cutPower } = this.world;
    const { moment, unsynced } = crash;
    trace.note(timeline.nowUs, 'crash', operation.path, operation.number);
    if (moment !== 'before') this.interrupt(effect, moment === 'after' ? 'all' : 'part');
    cutPower(unsynced ?? 'drawn');
  }

  private interrupt(effect: Effect<unknown>, extent: 'part' | 'all'): void {
    if (extent === 'part') {
      if (effect.tear === undefined) effect.run();
      else effect.tear();
    } else if (!(effect.run() instanceof DiskError)) {
      effect.settle?.();
    }
  }

  private fileFor(path: string, mode: 'read' | 'write' | 'create'): FileImage | DiskError {
    const { image } = this.drive;
    const existing = image.file(path);
    if (existing !== null) {
      if (mode === 'create') existing.truncate(0);
      return existing;
    }
    const mayBeMade = mode === 'create' && image.names.get(path) === undefined;
    if (!mayBeMade || !image.isDirectory(directoryOf(path))) {
      return this.missing('open', path, 'EISDIR');
    }
    return image.createFile(path);
  }

  /** ENOENT where there is nothing, `otherwise` where there is something else. */
  private missing(operation: string, path: string, otherwise: string): DiskError {
    const exists = this.drive.image.names.get(path) !== undefined;
    return new DiskError(exists ? otherwise : 'ENOENT', path, operation);
  }
}
