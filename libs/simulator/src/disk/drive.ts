import { drawDelayUs } from '../delay.js';
import type { SeededRandom } from '../seeded-random.js';
import {
  defaultDiskModel,
  type CrashAction,
  type CrashMoment,
  type DiskModel,
  type DiskOperation,
  type DiskOperationKind,
  type DiskRule,
  type DiskRuleAction,
} from './disk-model.js';
import { DiskImage } from './disk-image.js';
import type { Unsynced } from './file-image.js';
import { normalizedPath } from './names.js';

interface ArmedRule extends DiskRule {
  matched: number;
}

/** What is decided about an operation when it is asked for. */
export interface Verdict {
  readonly operation: DiskOperation;
  readonly delayUs: number;
  /** The error it will end with; null: it succeeds if the disk can. */
  readonly errorCode: string | null;
  readonly crash: CrashAction | null;
}

/**
 * The drive of a machine: what outlives its processes. Tests plan faults here and look at what is
 * on the platter.
 */
export class Drive {
  /** Replaceable at any time: operations asked for from then on follow the new model. */
  model: DiskModel;
  /** Whether a broken rule of the port (a write to a closed file, ...) stops the run. */
  readonly isStrict: boolean;
  readonly random: SeededRandom;
  private contents: DiskImage;
  private rules: ArmedRule[] = [];
  private count = 0;

  constructor(
    random: SeededRandom,
    options: { model?: Partial<DiskModel>; directories?: readonly string[]; strict?: boolean } = {},
  ) {
    this.random = random;
    this.model = { ...defaultDiskModel, ...options.model };
    this.isStrict = options.strict ?? true;
    this.contents = DiskImage.formatted(options.directories ?? []);
  }

  /** The files, as the running system sees them. */
  get image(): DiskImage {
    return this.contents;
  }

  /** Operations asked for so far. A run without faults tells how many crash points there are. */
  get operationCount(): number {
    return this.count;
  }

  /** Plans a fault. Rules are asked in the order of their planning; the first that picks wins. */
  plan(rule: DiskRule): void {
    this.rules.push({ ...rule, matched: 0 });
  }

  /** Forgets all planned faults. */
  clearRules(): void {
    this.rules = [];
  }

  /** Lets the next operation of `kind` fail, or the `nth`. */
  failNext(kind: DiskOperationKind, options: { code?: string; nth?: number } = {}): void {
    this.plan({
      on: (operation) => operation.kind === kind,
      nth: options.nth ?? 1,
      action: { kind: 'fail', code: options.code ?? 'EIO' },
    });
  }

  /** Cuts the power of the machine at operation `number` (see {@link operationCount}). */
  crashAt(number: number, moment: CrashMoment, unsynced: Unsynced = 'drawn'): void {
    this.plan({
      on: (operation) => operation.number === number,
      action: { kind: 'crash', moment, unsynced },
    });
  }

  /**
   * Rots one bit of a file on the platter.
   *
   * @throws {RangeError} There is no such file.
   */
  flipBit(path: string, position: number, bit = 0): void {
    const file = this.contents.file(normalizedPath(path));
    if (file === null) throw new RangeError(`no file ${path} to rot`);
    file.flipBit(position, bit);
  }

  /** All paths that the running system sees, directories included, sorted. */
  paths(): string[] {
    return this.contents.paths();
  }

  /** The contents of a file as the running system sees it; null: no such file. */
  contentsOf(path: string): Uint8Array | null {
    const file = this.contents.file(normalizedPath(path));
    if (file === null) return null;
    const bytes = new Uint8Array(file.size);
    file.read(bytes, 0);
    return bytes;
  }

  /** The power goes: what was not synced is gone, kept or mangled. */
  losePower(unsynced: Unsynced): void {
    this.contents = this.contents.afterPowerCut(this.random, unsynced);
  }

  /** Decides what becomes of an operation. */
  judge(kind: DiskOperationKind, path: string): Verdict {
    const operation: DiskOperation = { number: ++this.count, kind, path };
    const action = this.pick(operation);
    const { model, random } = this;
    let delayUs = this.delayUs(kind);
    if (action?.kind === 'delay') delayUs += Math.round(action.ms * 1000);
    let errorCode = action?.kind === 'fail' ? action.code : null;
    if (action === null && random.chance(model.errorProbability[kind] ?? 0)) errorCode = 'EIO';
    return {
      operation,
      delayUs,
      errorCode,
      crash: action?.kind === 'crash' ? action : null,
    };
  }

  private pick(operation: DiskOperation): DiskRuleAction | null {
    for (const rule of this.rules) {
      if (!rule.on(operation)) continue;
      rule.matched++;
      const nth = rule.nth ?? 1;
      if (nth === 'all' || nth === rule.matched) return rule.action;
    }
    return null;
  }

  private delayUs(kind: DiskOperationKind): number {
    const { model, random } = this;
    switch (kind) {
      case 'read':
        return drawDelayUs(random, model.readDelay);
      case 'write':
        return drawDelayUs(random, model.writeDelay);
      case 'commit':
        return drawDelayUs(random, model.writeDelay) + drawDelayUs(random, model.syncDelay);
      case 'sync':
      case 'syncDirectory':
        return drawDelayUs(random, model.syncDelay);
      default:
        return drawDelayUs(random, model.metadataDelay);
    }
  }
}
