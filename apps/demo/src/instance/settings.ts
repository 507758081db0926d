/** What the supervisor tells an instance when it starts it; travels as JSON. */
export interface InstanceSettings {
  /** As it is called in the output. */
  readonly name: string;
  /** The ensemble's connection string. */
  readonly servers: string;
  readonly sessionTimeoutMs: number;
  /** Where the till is. */
  readonly tillUrl: string;
  /** How long a visit takes. */
  readonly holdMs: number;
  /** The most orders at one visit that this instance accepts in its configuration. */
  readonly ordersPerVisitMax: number;
  /** Whether it writes without looking first whether it still holds the lock. */
  readonly isCareless: boolean;
}

/** Injects the settings of this instance. */
export const INSTANCE_SETTINGS = Symbol('demo:settings');

/** What an instance tells the supervisor once it listens. */
export interface InstanceReady {
  readonly port: number;
}
