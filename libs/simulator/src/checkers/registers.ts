import { assert } from '@aviary/foundation';
import type {
  RegisterOperation,
  RegisterRead,
  RegisterRefusal,
  RegisterWrite,
} from './register-history.js';
import type { Violation } from './violation.js';

const RULE = 'every register is linearizable';

/** What a register is before the first operation. */
export interface InitialRegister {
  readonly version: number;
  readonly value: string;
}

/** One version of a register: the write that made it and the reads that saw it. */
interface Reign {
  readonly version: number;
  readonly value: string | null;
  /** null: the initial one. */
  write: RegisterWrite | null;
  /** Whether another write without an answer may have made it instead. */
  readonly isGuess: boolean;
  readonly reads: RegisterRead[];
}

/**
 * Checks that the operations on each register can be put in one order that respects real time.
 *
 * In general that is a search through all orders. Here every write that was answered knows its
 * version, so the order of the writes is given, and only the moments are to be found: taking each
 * as early as it can be is best, for it leaves the most room to those that follow. Versions that
 * nobody was told of are given to writes without an answer, by their value where a read saw it, else
 * to any that began in time. The cost is that of sorting, and of gaps times unanswered writes.
 *
 * A violation is always one. All are found, except that a refused conditional write is convicted
 * only if its version was there all the time in every order.
 *
 * @param initial The state of each key before the first operation.
 * @throws {AssertionError} Two writes of one key have one value: then the check would guess.
 */
export function checkRegisters(
  operations: readonly RegisterOperation[],
  initial: (key: string) => InitialRegister,
): Violation[] {
  const violations: Violation[] = [];
  const groups = new Map<string, RegisterOperation[]>();
  for (const operation of operations) {
    const group = groups.get(operation.key);
    if (group === undefined) groups.set(operation.key, [operation]);
    else group.push(operation);
  }
  for (const [key, group] of groups) {
    const problem = new RegisterCheck(key, group, initial(key)).problem();
    if (problem !== null) violations.push({ rule: RULE, message: `${key}: ${problem}` });
  }
  return violations;
}

class RegisterCheck {
  private readonly key: string;
  private readonly initial: InitialRegister;
  private readonly reigns = new Map<number, Reign>();
  private readonly unanswered: RegisterWrite[] = [];
  private readonly reads: RegisterRead[] = [];
  private readonly refusals: RegisterRefusal[] = [];
  private readonly answered: RegisterWrite[] = [];

  constructor(key: string, operations: readonly RegisterOperation[], initial: InitialRegister) {
    this.key = key;
    this.initial = initial;
    for (const operation of operations) {
      if (operation.kind === 'read') this.reads.push(operation);
      else if (operation.kind === 'refusal') this.refusals.push(operation);
      else if (operation.version === null) this.unanswered.push(operation);
      else this.answered.push(operation);
    }
    const writes = [...this.answered, ...this.unanswered];
    const values = new Set(writes.map((write) => write.value)).add(initial.value);
    assert(values.size === writes.length + 1, `two writes of ${this.key} have the same value`);
    this.unanswered.sort((a, b) => a.began - b.began);
  }

  /** What is wrong, in words; null: nothing. */
  problem(): string | null {
    return (
      this.problemOfWrites() ??
      this.problemOfReads() ??
      this.problemOfGaps() ??
      this.problemOfTime()
    );
  }

  private problemOfWrites(): string | null {
    const { version, value } = this.initial;
    this.reigns.set(version, { version, value, write: null, isGuess: false, reads: [] });
    for (const write of this.answered) {
      const made = write.version ?? 0;
      const other = this.reigns.get(made);
      if (made <= version) return `a write made version ${made}, not above the first, ${version}`;
      if (other !== undefined) {
        return `"${other.value}" and "${write.value}" were both told that they made version ${made}`;
      }
      if (write.expectedVersion !== null && write.expectedVersion !== made - 1) {
        return `"${write.value}" was to replace version ${write.expectedVersion} and made ${made}`;
      }
      this.reigns.set(made, {
        version: made,
        value: write.value,
        write,
        isGuess: false,
        reads: [],
      });
    }
    return null;
  }

  private problemOfReads(): string | null {
    for (const read of this.reads) {
      const reign = this.reigns.get(read.version);
      if (reign === undefined) {
        if (read.version < this.initial.version) return `a read saw version ${read.version}`;
        const { version, value } = read;
        this.reigns.set(version, { version, value, write: null, isGuess: false, reads: [read] });
      } else if (reign.value !== read.value) {
        return `version ${read.version} is "${reign.value}", but a read saw "${read.value}"`;
      } else {
        reign.reads.push(read);
      }
    }
    return null;
  }

  /** Finds a write without an answer for every version that no answer was about. */
  private problemOfGaps(): string | null {
    const free = new Set(this.unanswered);
    const versionMax = Math.max(...this.reigns.keys());
    const seen = [...this.reigns.values()].filter(
      ({ write, version }) => write === null && version !== this.initial.version,
    );
    for (const reign of seen) {
      const { version, value } = reign;
      const writer = this.unanswered.find((write) => write.value === value && fits(write, version));
      if (writer === undefined) {
        return `a read saw "${value}" as version ${version}, which no write can have made`;
      }
      reign.write = writer;
      free.delete(writer);
    }
    const deadlines = latestBeginnings(this.inOrder());
    let deadline = Infinity;
    for (let version = versionMax; version > this.initial.version; version--) {
      deadline = deadlines.get(version) ?? deadline;
      deadlines.set(version, deadline);
    }
    for (let version = this.initial.version + 1; version < versionMax; version++) {
      if (this.reigns.has(version)) continue;
      const writer = firstFitting(free, version, deadlines.get(version) ?? Infinity);
      if (writer === null) return `no write can have made version ${version} in time`;
      free.delete(writer);
      const { value } = writer;
      this.reigns.set(version, { version, value, write: writer, isGuess: true, reads: [] });
    }
    return null;
  }

  private inOrder(): Reign[] {
    return [...this.reigns.values()].sort((a, b) => a.version - b.version);
  }

  private problemOfTime(): string | null {
    const inOrder = this.inOrder();
    const earliest = earliestBeginnings(inOrder, ({ write }) => write?.began ?? 0);
    for (const { version, write, reads } of inOrder) {
      const now = earliest.get(version) ?? 0;
      if (write !== null && now > write.ended) {
        return `the write of version ${version} ended before its time had come (${now})`;
      }
      const late = reads.find((read) => now > read.ended);
      if (late !== undefined) {
        return `a read that ended at ${late.ended} saw version ${version} of ${now}`;
      }
    }
    return this.problemOfRefusals(inOrder);
  }

  /** A refusal is wrong if the expected version was there all the time, whoever made the next. */
  private problemOfRefusals(inOrder: readonly Reign[]): string | null {
    const latest = latestBeginnings(inOrder);
    const earliest = earliestBeginnings(inOrder, (reign) => this.leastBegan(reign));
    for (const { expectedVersion, began, ended } of this.refusals) {
      const isThereBefore = (latest.get(expectedVersion) ?? Infinity) < began;
      const isThereAfter = (earliest.get(expectedVersion + 1) ?? Infinity) > ended;
      const isLast = !this.reigns.has(expectedVersion + 1);
      // Behind the last known version there may be writes that nobody heard of.
      if (isLast && this.unanswered.some((write) => write.began < ended)) continue;
      if (isThereBefore && isThereAfter) {
        return `version ${expectedVersion} was refused while it was the current one`;
      }
    }
    return null;
  }

  private leastBegan({ version, write, isGuess }: Reign): number {
    if (!isGuess) return write?.began ?? 0;
    return this.unanswered.find((candidate) => fits(candidate, version))?.began ?? 0;
  }
}

function fits(write: RegisterWrite, version: number): boolean {
  return write.expectedVersion === null || write.expectedVersion === version - 1;
}

/**
 * One of `writes` (in order of their beginnings) that can have made `version` by `deadline`. A
 * write that fits nowhere else goes first; of the others each fits all later versions as well.
 */
function firstFitting(
  writes: ReadonlySet<RegisterWrite>,
  version: number,
  deadline: number,
): RegisterWrite | null {
  let found: RegisterWrite | null = null;
  for (const write of writes) {
    if (write.began > deadline) break;
    if (write.expectedVersion === version - 1) return write;
    if (write.expectedVersion === null) found ??= write;
  }
  return found;
}

/** The earliest moment at which each version can have come, going on from the first. */
function earliestBeginnings(
  inOrder: readonly Reign[],
  began: (reign: Reign) => number,
): Map<number, number> {
  const earliest = new Map<number, number>();
  let now = 0;
  for (const reign of inOrder) {
    now = Math.max(now, began(reign));
    earliest.set(reign.version, now);
    // What a read saw was still there when the read began, so the next version is later.
    for (const read of reign.reads) now = Math.max(now, read.began);
  }
  return earliest;
}

/** The latest moment at which each version can have come, going back from the last. */
function latestBeginnings(inOrder: readonly Reign[]): Map<number, number> {
  const latest = new Map<number, number>();
  let limit = Infinity;
  for (const { version, write, reads } of [...inOrder].reverse()) {
    for (const read of reads) limit = Math.min(limit, read.ended);
    if (write !== null) limit = Math.min(limit, write.ended);
    latest.set(version, write === null ? 0 : limit);
  }
  return latest;
}
