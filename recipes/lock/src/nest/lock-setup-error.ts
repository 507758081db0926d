import { CoordinationError } from '@aviary/client';
import { RecipeSetupError } from '@aviary/nest';

/**
 * A mark or an option that cannot be honoured: the application does not start, or, where that shows
 * only at a call, the method is not run. A lock that is silently not taken would be worse.
 */
export class LockSetupError extends RecipeSetupError {}

/** The arguments of this call do not make a key. The method was not run, and no lock asked for. */
export class LockKeyError extends CoordinationError {
  constructor(method: string, template: string, problem: string) {
    super(`the key "${template}" of ${method} cannot be made from what was passed: ${problem}`, {
      outcome: 'notApplied',
      operation: 'acquire',
    });
  }
}
