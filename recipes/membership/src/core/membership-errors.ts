import { CoordinationError } from '@aviary/client';

/** The application is shutting down: nothing joins or is registered any more. Nothing was done. */
export class MembershipsClosedError extends CoordinationError {
  constructor(operation: string, path: string) {
    super(`${operation} ${path}: the application is shutting down`, {
      outcome: 'notApplied',
      operation,
      path,
    });
  }
}

/** A payload cannot be written in the format of the groups, as its `cause` says. Nothing was done. */
export class PayloadError extends CoordinationError {
  constructor(path: string, cause: unknown) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    super(`the group ${path}: the payload cannot be written: ${problem}`, {
      outcome: 'notApplied',
      operation: 'join',
      path,
      cause,
    });
  }
}
