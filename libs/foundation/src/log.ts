/**
 * Where a room reports what an operator should know. Messages are whole sentences; facts that a
 * machine may want travel in `facts`.
 */
export interface Log {
  info(message: string, facts?: Readonly<Record<string, unknown>>): void;
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void;
  error(message: string, facts?: Readonly<Record<string, unknown>>): void;
}

/** A log that keeps nothing, for tests and for embedding without a logger. */
export const silentLog: Log = {
  info() {},
  warn() {},
  error() {},
};
