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
