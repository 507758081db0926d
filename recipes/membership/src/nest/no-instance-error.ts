import { CoordinationError } from '@aviary/client';

/** Nobody was found who takes a request. It was sent to nobody. */
export class NoInstanceError extends CoordinationError {
  readonly service: string;

  /** @param failures Why instances that are listed could not be reached. */
  constructor(service: string, problem: string, failures: readonly unknown[] = []) {
    super(`no instance of the service "${service}": ${problem}`, {
      outcome: 'notApplied',
      operation: 'send',
      cause: failures.length === 0 ? undefined : new AggregateError(failures),
    });
    this.service = service;
  }
}
