import { assert } from '@aviary/foundation';
import type { DiskModel } from '../disk/disk-model.js';
import { Drive } from '../disk/drive.js';
import type { NetworkHost } from '../network/fabric.js';
import type { SeededRandom } from '../seeded-random.js';
import type { MachineTime } from '../time/simulated-clock.js';
import { SimulatedProcess, type KillOptions } from './simulated-process.js';
import type { World } from './world.js';

/** What a machine is like. */
export interface HostOptions {
  /** Default: one address, 10.0.0.1 for the first host and so on. */
  readonly addresses?: readonly string[];
  /** Directories that are there, durably, from the beginning. Default: `/data`. */
  readonly directories?: readonly string[];
  readonly disk?: Partial<DiskModel>;
  /** Whether a broken rule of the disk port stops the run. Default true. */
  readonly strictDisk?: boolean;
  /** How far the wall clock is off, in milliseconds. Default: drawn, up to two seconds. */
  readonly wallOffsetMs?: number;
  /** How much too fast the clocks run, in millionths. Default: drawn, up to 100 either way. */
  readonly driftPpm?: number;
  /** Length of a turn of its processes' event loops, in microseconds. Default 50. */
  readonly turnUs?: number;
}

const TURN_US = 50;

/** A machine: what stays when its process dies. It runs one process at a time. */
export class SimulatedHost {
  readonly name: string;
  readonly world: World;
  readonly random: SeededRandom;
  readonly drive: Drive;
  readonly machine: NetworkHost;
  readonly time: MachineTime;
  private readonly turnUs: number;
  private current: SimulatedProcess | null = null;
  private boots = 0;

  /** Use {@link World.addHost}. */
  constructor(world: World, name: string, machine: NetworkHost, options: HostOptions) {
    const random = world.random.fork(`host ${name}`);
    this.name = name;
    this.world = world;
    this.random = random.fork('fate');
    this.machine = machine;
    this.turnUs = options.turnUs ?? TURN_US;
    this.drive = new Drive(random.fork('drive'), {
      model: options.disk ?? {},
      directories: options.directories ?? ['/data'],
      strict: options.strictDisk ?? true,
    });
    const clocks = random.fork('clocks');
    this.time = {
      monotonicOriginMs: clocks.between(1_000, 1_000_000_000),
      wallOffsetMs: options.wallOffsetMs ?? clocks.between(-2_000, 2_000),
      driftPpm: options.driftPpm ?? clocks.between(-100, 100),
    };
  }

  /** The first address. */
  get address(): string {
    return this.machine.addresses[0] ?? '';
  }

  /** The process that runs, or the last one that ran; null before the first. */
  get process(): SimulatedProcess | null {
    return this.current;
  }

  /** Starts a process. The one before must be dead. */
  boot(): SimulatedProcess {
    assert(this.current?.isAlive !== true, `${this.name} already runs a process`);
    this.machine.isUp = true;
    this.current = new SimulatedProcess(this, ++this.boots, this.turnUs);
    this.note('boot');
    return this.current;
  }

  /** Kills the process that runs, if one does, and starts the next. */
  restart(options: KillOptions = {}): SimulatedProcess {
    this.current?.kill(options);
    return this.boot();
  }

  /** Steps the wall clock, as an operator or NTP does; negative: back. */
  stepWallClock(byMs: number): void {
    this.time.wallOffsetMs += byMs;
  }

  /** Puts something about this host into the trace. */
  note(kind: string): void {
    this.world.trace.note(this.world.timeline.nowUs, kind, this.name, this.boots);
  }
}
