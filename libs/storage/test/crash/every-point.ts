import { DiskError, type Disk } from '@aviary/foundation';
import {
  SeededRandom,
  World,
  killNine,
  powerCut,
  worstPowerCut,
  type DiskRule,
  type KillOptions,
  type SimulatedHost,
  type SimulatedProcess,
} from '@aviary/simulator';
import { deaths, type Death } from './crash-scenario.js';
import { ReusingDisk } from './passing-disk.js';

/** What a process does with a disk. */
export type Work = (disk: Disk, process: SimulatedProcess) => Promise<void>;

/** Something that is done to a disk and may be cut short at any of its operations. */
export interface CrashTest {
  /** What was there before; durable when it ends. */
  readonly prepare: Work;
  /** What is cut short. */
  readonly work: Work;
  /**
   * What the next process does. Throws whatever is wrong; `isDone`: the work had come to its end
   * before the process died.
   */
  readonly next: (disk: Disk, process: SimulatedProcess, isDone: boolean) => Promise<void>;
  /** Puts a disk that breaks a rule before the code under test. */
  readonly wrap?: (disk: Disk) => Disk;
}

/** How the work is cut short. */
interface Cut {
  /** The operation of the work, counted from 1. */
  readonly at: number;
  readonly how: Death | Failure;
}

/** An error, and how the process ends that met with it. */
interface Failure {
  readonly fails: string;
  readonly end: KillOptions;
}

const failures: readonly Failure[] = [
  { fails: 'EIO', end: killNine },
  { fails: 'EIO', end: powerCut },
  { fails: 'ENOSPC', end: worstPowerCut },
];

const VIRTUAL_MS_MAX = 60_000;

/** Everyday tests cut at some operations; CI, with CRASH_STRIDE=1, at each. */
const EVERYDAY_STRIDE = Number(process.env.CRASH_STRIDE ?? 64);

/** Writes a file and its name so that no power cut takes them. */
export async function putDurable(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await disk.open(`${directory}/${name}`, 'create');
  await file.write(bytes, 0);
  await file.sync();
  await file.close();
  await disk.syncDirectory(directory);
}

/** How many operations the work takes, and what is wrong when nothing cuts it short. */
export async function playWhole(test: CrashTest): Promise<{
  readonly operations: number;
  readonly violations: string[];
}> {
  const run = new Run(test, 1);
  await run.prepare();
  const before = run.operationCount;
  await run.work();
  const operations = run.operationCount - before;
  await run.next(killNine);
  return { operations, violations: run.violations };
}

/** What goes wrong in {@link playAll}. */
export async function violationsOf(test: CrashTest, stride = 1): Promise<string[]> {
  const all: string[] = [];
  for await (const violation of playAll(test, stride * EVERYDAY_STRIDE)) all.push(violation);
  return all;
}

/** Whether anything goes wrong in {@link playAll}, which ends there. */
export async function isConvicted(test: CrashTest): Promise<boolean> {
  for await (const violation of playAll(test)) return violation !== '';
  return false;
}

/**
 * Cuts the work short by every kind of death, and by errors, at each of its operations; with a
 * `stride`, only at each so manieth.
 */
async function* playAll(test: CrashTest, stride = 1): AsyncGenerator<string> {
  const { operations, violations } = await playWhole(test);
  yield* violations;
  for (let at = 1; at <= operations; at += stride) {
    for (const how of [...deaths, ...failures]) yield* await playCut(test, { at, how });
  }
}

async function playCut(test: CrashTest, cut: Cut): Promise<string[]> {
  const run = new Run(test, cut.at);
  await run.prepare();
  run.plan(cut);
  const end = typeof cut.how === 'string' ? killNine : cut.how.end;
  await run.work();
  // The process after that is cut short, too, somewhere; the one behind it is not.
  await run.nextCutShort(end);
  await run.next(killNine);
  const how = typeof cut.how === 'string' ? cut.how : `${cut.how.fails}, ${String(end.unsynced)}`;
  return run.violations.map((what) => `${how} at operation ${cut.at}: ${what}`);
}

class Run {
  readonly violations: string[] = [];
  private readonly world: World;
  private readonly host: SimulatedHost;
  private readonly draws: SeededRandom;
  private isDone = false;
  private isLast = false;

  constructor(
    private readonly test: CrashTest,
    seed: number,
  ) {
    this.world = new World({ seed });
    this.host = this.world.addHost('one');
    this.draws = new SeededRandom(seed).fork('second cut');
  }

  get operationCount(): number {
    return this.host.drive.operationCount;
  }

  async prepare(): Promise<void> {
    await this.live(this.test.prepare, false);
    this.host.process?.kill(worstPowerCut);
  }

  plan({ at, how }: Cut): void {
    const number = this.operationCount + at;
    if (typeof how === 'string') this.dieAt(number, how);
    else this.failAt(number, how.fails);
  }

  async work(): Promise<void> {
    const work: Work = async (disk, process) => {
      await this.test.work(this.test.wrap?.(disk) ?? disk, process);
      this.isDone = true;
    };
    await this.live(work, true);
  }

  /** The next process, which dies somewhere at its beginning. */
  async nextCutShort(end: KillOptions): Promise<void> {
    this.host.process?.kill(end);
    this.dieAt(this.operationCount + this.draws.between(1, 40), this.draws.pick<Death>(deaths));
    await this.live((disk, process) => this.test.next(disk, process, this.isDone), true);
  }

  async next(end: KillOptions): Promise<void> {
    this.host.process?.kill(end);
    this.host.drive.clearRules();
    this.isLast = true;
    await this.live((disk, process) => this.test.next(disk, process, this.isDone), false);
    if (this.host.process?.isAlive !== true) this.violations.push('the last process died');
  }

  private dieAt(number: number, death: Death): void {
    const { drive } = this.host;
    if (death !== 'kill') {
      drive.crashAt(number, death);
      return;
    }
    const { process } = this.host;
    let isDone = false;
    this.world.check(() => {
      if (isDone || this.isLast || this.host.process === process) return;
      if (drive.operationCount < number) return;
      isDone = true;
      this.host.process?.kill(killNine);
    });
  }

  private failAt(number: number, code: string): void {
    const rule: DiskRule = {
      on: (operation) => operation.number === number,
      action: { kind: 'fail', code },
    };
    this.host.drive.plan(rule);
  }

  private async live(work: Work, mayFail: boolean): Promise<void> {
    const process = this.host.boot();
    let isOver = false;
    work(new ReusingDisk(process.disk), process)
      .catch((error: unknown) => {
        if (!(mayFail && error instanceof DiskError)) this.violations.push(String(error));
      })
      .finally(() => (isOver = true));
    await this.world.reach(() => isOver || !process.isAlive, { virtualMsMax: VIRTUAL_MS_MAX });
  }
}
