import type { Clock, Disk, Network, Random } from '@aviary/foundation';

/** How a contract case waits: virtual time in the simulator, the real one under Node. */
export interface PortHarness {
  /** Waits for a promise of the port. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Waits until `condition` holds; fails if it never does. */
  until(condition: () => boolean): Promise<void>;
  dispose(): Promise<void>;
}

export interface ClockHarness extends PortHarness {
  readonly clock: Clock;
  /** By how much a timer may come before its time: Node rounds to whole milliseconds. */
  readonly earlyMs: number;
}

export interface RandomHarness extends PortHarness {
  readonly random: Random;
}

export interface DiskHarness extends PortHarness {
  readonly disk: Disk;
  /** An empty directory. */
  readonly root: string;
}

export interface NetworkHarness extends PortHarness {
  /** Where listeners live. */
  readonly server: Network;
  /** Where connections are made. */
  readonly client: Network;
  /** An address of the server that the client can reach. */
  readonly address: string;
}
