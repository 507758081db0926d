import { InvalidArgumentError } from '@aviary/client';

/** @throws {InvalidArgumentError} */
export function checkMs(name: string, value: number): void {
  if (typeof value === 'number' && value >= 0) return;
  throw new InvalidArgumentError(
    `${name} must be a number of milliseconds from 0 up, not ${String(value)}`,
  );
}
