import { CoordinationError } from '@aviary/client';

/** What a promise is rejected with: one of the client's own errors. */
export async function rejection(promise: Promise<unknown>): Promise<CoordinationError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CoordinationError) return error;
    throw error;
  }
  throw new Error('the promise was not rejected');
}
