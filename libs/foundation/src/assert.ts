/** An invariant of our own code does not hold. Never thrown for what a client, a peer or a disk did. */
export class AssertionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/**
 * Stops at a broken invariant of our own code. Stays on in production: a process that stops is
 * better than one that goes on with a state it cannot explain.
 *
 * @throws {AssertionError} `condition` is false.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks the branch that the type checker has proved unreachable. */
export function assertNever(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
