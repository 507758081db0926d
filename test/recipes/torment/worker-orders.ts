/** What a worker is started with. */
export interface WorkerSettings {
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  /** Its name in groups: that of the process that it replaces, if it does. */
  readonly name: string;
  /** Of this process alone. */
  readonly worker: string;
  /** Below it everything stands. */
  readonly base: string;
  readonly permits: number;
  readonly quorum: number;
  readonly items: number;
  /** Whether it is this one that publishes configurations. */
  readonly isPublisher: boolean;
}

/**
 * `linger`: stay a while where you are next, if only one can be there, and say so. `rest`: begin
 * nothing new. `look`: say what you see. `close`: go.
 */
export type WorkerOrder = 'linger' | 'rest' | 'look' | 'close';
