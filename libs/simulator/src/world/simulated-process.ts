import type { Unsynced } from '../disk/file-image.js';
import { SimulatedDisk } from '../disk/simulated-disk.js';
import { SimulatedNetwork } from '../network/simulated-network.js';
import type { SeededRandom } from '../seeded-random.js';
import { EventOwner } from '../time/event-owner.js';
import { SimulatedClock } from '../time/simulated-clock.js';
import type { SimulatedHost } from './simulated-host.js';

/** How a process ends. What is not given is drawn. */
export interface KillOptions {
  /**
   * `reset`: the operating system closes the connections, as after kill -9. `vanish`: the machine
   * is off and the peers learn nothing.
   */
  readonly streams?: 'reset' | 'vanish';
  /**
   * What becomes of bytes and names that were not synced. `running`: the machine goes on, its page
   * cache with it, as after kill -9; the others are power cuts.
   */
  readonly unsynced?: Unsynced | 'running';
}

/** What kill -9 does: the machine goes on. */
export const killNine: KillOptions = { streams: 'reset', unsynced: 'running' };

/** What a power cut does. */
export const powerCut: KillOptions = { streams: 'vanish', unsynced: 'drawn' };

/** A power cut that finds nothing written back that was not synced. */
export const worstPowerCut: KillOptions = { streams: 'vanish', unsynced: 'lost' };

/**
 * One process on a simulated host, from its start to its death. Hand its ports to the code under
 * test; after the death nothing that the code does has an effect, and no port calls back.
 */
export class SimulatedProcess {
  readonly host: SimulatedHost;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly disk: SimulatedDisk;
  readonly network: SimulatedNetwork;
  private readonly owner: EventOwner;

  /** Use {@link SimulatedHost.boot}. */
  constructor(host: SimulatedHost, incarnation: number, turnUs: number) {
    const { world, drive } = host;
    const { timeline, trace } = world;
    const random = host.random.fork(`process ${incarnation}`);
    this.host = host;
    this.random = random.fork('port');
    this.owner = new EventOwner(timeline, {
      name: host.name,
      turnUs,
      random: random.fork('event loop'),
    });
    this.clock = new SimulatedClock(timeline, this.owner, host.time);
    this.disk = new SimulatedDisk({
      timeline,
      trace,
      owner: this.owner,
      drive,
      cutPower: (unsynced) => this.kill({ streams: 'vanish', unsynced }),
    });
    this.network = new SimulatedNetwork(world.fabric, host.machine, this.owner);
  }

  get isAlive(): boolean {
    return this.owner.isAlive;
  }

  get isPaused(): boolean {
    return this.owner.isPaused;
  }

  /**
   * Runs `main` in a turn of the process: how its code starts, and how a test tells it something.
   * Not at all if the process is dead by then.
   */
  run(main: () => void): void {
    this.owner.post(0, main);
  }

  /**
   * Stops the process (SIGSTOP). Its kernel goes on: connections are accepted, bytes arrive, until
   * buffers are full. Time goes on, too.
   */
  pause(): void {
    if (!this.isAlive || this.isPaused) return;
    this.host.note('pause');
    this.owner.pause();
  }

  /** Lets it go on (SIGCONT): late timers and input come now. */
  resume(): void {
    if (!this.isPaused) return;
    this.host.note('resume');
    this.owner.resume();
  }

  /** Ends the process at once, wherever it is. Does nothing if it is dead. */
  kill(options: KillOptions = {}): void {
    if (!this.isAlive) return;
    const draws = this.host.random;
    const streams = options.streams ?? draws.pick(['reset', 'vanish']);
    const unsynced = options.unsynced ?? draws.pick(['drawn', 'lost', 'kept', 'running']);
    this.host.note('kill');
    this.owner.kill();
    if (streams === 'vanish') this.host.machine.isUp = false;
    this.network.shutDown(streams);
    if (unsynced !== 'lost') this.disk.interruptAll(unsynced === 'running');
    if (unsynced !== 'running') this.host.drive.losePower(unsynced);
  }
}
