import { DiskError, type Clock, type Disk } from '@aviary/foundation';
import {
  SeededRandom,
  World,
  killNine,
  powerCut,
  type CrashMoment,
  type DiskRule,
  type KillOptions,
  type SimulatedHost,
} from '@aviary/simulator';
import { History } from './history.js';
import { LedgerServer, type LedgerServerOptions } from './ledger-server.js';
import { ReusingDisk } from './passing-disk.js';

/** How a life ends at some operation: the power goes around it, or the process at once (`kill`). */
export type Death = CrashMoment | 'kill';

export const deaths = ['before', 'middle', 'after', 'kill'] as const satisfies readonly Death[];

/** What goes wrong in a run. */
export interface CrashPlan {
  readonly seed: number;
  readonly crash?: { readonly at: number; readonly death: Death };
  /** Crashes once more, so many operations after the first crash. */
  readonly crashAgainAfter?: number;
  /** Faults of the disk. */
  readonly rules?: readonly DiskRule[];
  readonly capacityBytes?: number;
}

/** How the scenario is played. */
export interface Scenario {
  readonly options: LedgerServerOptions;
  /** Puts a disk that breaks a rule before the code under test. */
  readonly wrap?: (disk: Disk) => Disk;
  /** The lives of the server, one after the other. */
  readonly lives: readonly Life[];
}

/** One life: what the server does, and how it ends when nothing ends it before. */
export interface Life {
  readonly work: (server: LedgerServer, clock: Clock, random: SeededRandom) => Promise<void>;
  readonly end: KillOptions;
}

/** What a run showed. */
export interface RunReport {
  /** Rules that were broken; none: all is well. */
  readonly violations: readonly string[];
  /** Operations of the disk in the lives of the scenario. */
  readonly operations: number;
  readonly acknowledged: number;
  readonly tornTails: number;
}

/** Plays `scenario` under `plan`, and then two lives without faults. */
export function play(scenario: Scenario, plan: CrashPlan): Promise<RunReport> {
  return new Run(scenario, plan).play();
}

class Run {
  private readonly world: World;
  private readonly host: SimulatedHost;
  private readonly history = new History();
  private readonly random: SeededRandom;
  private tornTails = 0;
  private hasCrashed = false;
  private expectsErrors: boolean;

  constructor(
    private readonly scenario: Scenario,
    private readonly plan: CrashPlan,
  ) {
    const { seed, crash, rules = [], capacityBytes = Infinity } = plan;
    this.world = new World({ seed });
    this.random = new SeededRandom(seed).fork('workload');
    this.host = this.world.addHost('one', { disk: { capacityBytes } });
    this.expectsErrors = rules.length > 0 || capacityBytes < Infinity;
    if (crash !== undefined) this.dieAt(crash.at, crash.death);
    for (const rule of rules) this.host.drive.plan(rule);
  }

  async play(): Promise<RunReport> {
    const { drive } = this.host;
    for (const life of this.scenario.lives) await this.live(life);
    const operations = drive.operationCount;
    drive.clearRules();
    drive.model = { ...drive.model, capacityBytes: Infinity };
    this.expectsErrors = false;
    this.hasCrashed = true;
    await this.live({ work: (server) => server.append(100, 700), end: powerCut });
    await this.live({ work: (server) => server.close(), end: killNine });
    return {
      violations: this.history.violations,
      operations,
      acknowledged: this.history.acknowledgedCount,
      tornTails: this.tornTails,
    };
  }

  private async live(life: Life): Promise<void> {
    const process = this.host.boot();
    const disk = new ReusingDisk(this.scenario.wrap?.(process.disk) ?? process.disk);
    const random = this.random.fork('life');
    let isOver = false;
    const main = async () => {
      const drawTag = () => random.uint32() | 0;
      const { options } = this.scenario;
      const server = await LedgerServer.start(disk, process.clock, this.history, drawTag, options);
      if (server.recovered !== null && server.recovered.tornTail !== null) this.tornTails++;
      await life.work(server, process.clock, random);
    };
    main()
      .catch((error: unknown) => {
        if (!(error instanceof DiskError && this.expectsErrors)) this.history.refused(error);
      })
      .finally(() => (isOver = true));
    await this.world.reach(() => isOver || !process.isAlive, { virtualMsMax: 60_000 });
    if (!process.isAlive && !this.hasCrashed) this.crashed();
    // A process whose disk failed exits; its machine goes on.
    process.kill(life.end);
  }

  private crashed(): void {
    this.hasCrashed = true;
    const { crashAgainAfter } = this.plan;
    if (crashAgainAfter === undefined) return;
    this.dieAt(this.host.drive.operationCount + crashAgainAfter, this.random.pick<Death>(deaths));
  }

  private dieAt(at: number, death: Death): void {
    const { drive } = this.host;
    if (death !== 'kill') {
      drive.crashAt(at, death);
      return;
    }
    let isDone = false;
    this.world.check(() => {
      if (isDone || drive.operationCount < at) return;
      isDone = true;
      this.host.process?.kill(killNine);
    });
  }
}
