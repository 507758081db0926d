import { assert } from '@aviary/foundation';
import { Fabric } from '../network/fabric.js';
import {
  defaultNetworkModel,
  type LinkModel,
  type NetworkModel,
} from '../network/network-model.js';
import { SeededRandom } from '../seeded-random.js';
import { EventOwner } from '../time/event-owner.js';
import { Timeline } from '../time/timeline.js';
import { Trace } from '../trace.js';
import { finishPromiseReactions } from './event-loop-turn.js';
import { SimulatedHost, type HostOptions } from './simulated-host.js';

/** Options of a {@link World}. */
export interface WorldOptions {
  /** Everything follows from it. */
  readonly seed: number;
  /** What differs from {@link defaultNetworkModel}. */
  readonly network?: Partial<NetworkModel>;
  /** Gets a line for each thing that happens: what to read when a seed fails. */
  readonly trace?: (line: string) => void;
}

/** Where a run ends, whichever comes first. */
export interface RunLimits {
  readonly until?: () => boolean;
  readonly eventsMax?: number;
  /** Virtual time from the start of this run; it passes even when nothing is left to happen. */
  readonly virtualMsMax?: number;
}

/** Why a run ended: what its limits call it, or `idle`: nothing is left that could happen. */
export type RunEnd = 'until' | 'eventsMax' | 'virtualMsMax' | 'idle';

/** A run ended before the condition that it was for. The message has the seed. */
export class NotReachedError extends Error {
  constructor(seed: number, end: RunEnd, virtualMs: number, events: number) {
    super(
      `not reached with SEED=${seed}: the run ended by ${end} ` +
        `after ${virtualMs.toFixed(3)} virtual ms and ${events} events`,
    );
    this.name = new.target.name;
  }
}

/** What {@link World.reach} and {@link World.settle} allow when nothing is said. */
const REACH_LIMITS = { eventsMax: 5_000_000, virtualMsMax: 3_600_000 } as const;

/**
 * Hosts, a network between them and one virtual time, all from one seed.
 *
 * Each step handles one event and lets every promise reaction that follows from it finish, so code
 * with promises runs as it would under Node, and always in the same order.
 */
export class World {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly trace: Trace;
  /** The network: links, names, resets. */
  readonly fabric: Fabric;
  private readonly hosts = new Map<string, SimulatedHost>();
  private readonly checks: (() => void)[] = [];
  private readonly test: EventOwner;
  private isRunning = false;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.random = new SeededRandom(options.seed);
    this.timeline = new Timeline();
    this.trace = new Trace(options.trace ?? null);
    this.fabric = new Fabric({
      timeline: this.timeline,
      trace: this.trace,
      random: this.random.fork('network'),
      model: { ...defaultNetworkModel, ...options.network },
    });
    const random = this.random.fork('test');
    this.test = new EventOwner(this.timeline, { name: 'test', turnUs: 1, random });
  }

  /** Milliseconds since the world began. */
  get virtualMs(): number {
    return this.timeline.nowUs / 1000;
  }

  /** Events handled since the world began. */
  get eventsDone(): number {
    return this.timeline.eventsDone;
  }

  /** Of everything that happened: equal for two runs of one seed, or something is not determined. */
  get traceHash(): string {
    return this.trace.hash;
  }

  /** Adds a machine, without a process yet. Its name resolves to its addresses. */
  addHost(name: string, options: HostOptions = {}): SimulatedHost {
    assert(!this.hosts.has(name), `there is already a host ${name}`);
    const addresses = options.addresses ?? [`10.0.0.${this.hosts.size + 1}`];
    const host = new SimulatedHost(this, name, this.fabric.addHost(name, addresses), options);
    this.hosts.set(name, host);
    return host;
  }

  /** Runs `action` after `delayMs`: how a test plans what it does to its hosts. */
  after(delayMs: number, action: () => void): void {
    this.test.post(Math.round(delayMs * 1000), action);
  }

  /** Runs `check` after every event of a process; it throws when an invariant is broken. */
  check(check: () => void): void {
    this.checks.push(check);
  }

  /** Cuts both directions between every host of `some` and every host of `others`. */
  partition(some: readonly string[], others: readonly string[]): void {
    for (const one of some) {
      for (const other of others) {
        this.fabric.links.cut(one, other);
        this.fabric.links.cut(other, one);
      }
    }
  }

  /** Cuts one direction: `to` hears nothing from `from` any more. */
  cutOneWay(from: string, to: string): void {
    this.fabric.links.cut(from, to);
  }

  /** Restores every link that was cut. */
  heal(): void {
    this.fabric.links.restoreAll();
  }

  /** Changes both directions between two hosts; null: as all others. */
  setLink(one: string, other: string, model: Partial<LinkModel> | null): void {
    this.fabric.links.setModel(one, other, model);
    this.fabric.links.setModel(other, one, model);
  }

  /**
   * Handles the next event and all promise reactions that follow.
   *
   * @returns false: nothing is left to happen.
   */
  async step(): Promise<boolean> {
    return (await this.run({ eventsMax: 1 })) !== 'idle';
  }

  /**
   * Handles event after event until a limit is reached.
   *
   * @returns Why it ended.
   * @throws What an event or a check threw: as in a real process, an exception that leaves the
   * event loop is the end.
   */
  async run(limits: RunLimits = {}): Promise<RunEnd> {
    assert(!this.isRunning, 'the world already runs');
    this.isRunning = true;
    try {
      await finishPromiseReactions();
      return await this.runEvents(limits);
    } finally {
      this.isRunning = false;
    }
  }

  /**
   * Runs until `condition` holds.
   *
   * @throws {NotReachedError} It does not within the limits; default one virtual hour.
   */
  async reach(condition: () => boolean, limits: Omit<RunLimits, 'until'> = {}): Promise<void> {
    const startMs = this.virtualMs;
    const startEvents = this.eventsDone;
    const end = await this.run({ ...REACH_LIMITS, ...limits, until: condition });
    if (end === 'until') return;
    const events = this.eventsDone - startEvents;
    throw new NotReachedError(this.seed, end, this.virtualMs - startMs, events);
  }

  /**
   * Runs until `promise` is settled and gives its result.
   *
   * @throws {NotReachedError} It is not settled within the limits; default one virtual hour.
   * @throws What the promise was rejected with.
   */
  async settle<T>(promise: Promise<T>, limits: Omit<RunLimits, 'until'> = {}): Promise<T> {
    let isSettled = false;
    const settled = () => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.reach(() => isSettled, limits);
    return promise;
  }

  private async runEvents(limits: RunLimits): Promise<RunEnd> {
    const { timeline } = this;
    const { until, eventsMax = Infinity, virtualMsMax } = limits;
    const endUs = virtualMsMax === undefined ? null : timeline.nowUs + virtualMsMax * 1000;
    const lastEvent = timeline.eventsDone + eventsMax;
    this.throwMisuse();
    for (;;) {
      if (until?.() === true) return 'until';
      if (timeline.eventsDone >= lastEvent) return 'eventsMax';
      const nextUs = timeline.nextAtUs;
      if (nextUs === null && until !== undefined) return 'idle';
      if (endUs !== null && (nextUs === null || nextUs > endUs)) {
        timeline.advanceTo(endUs);
        return 'virtualMsMax';
      }
      const kind = timeline.step();
      if (kind === 'nothing') return 'idle';
      if (kind === 'world') continue;
      await finishPromiseReactions();
      this.throwMisuse();
      for (const check of this.checks) check();
    }
  }

  private throwMisuse(): void {
    const failure = this.timeline.takeFailure();
    if (failure !== null) throw failure;
  }
}
