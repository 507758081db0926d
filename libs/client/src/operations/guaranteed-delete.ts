import { ClosedError, ConnectionLossError, SessionExpiredError } from '../errors.js';
import { NoNodeError, ThrottledError } from '../server-errors.js';

/** What a deletion that does not give up needs. */
export interface DeleteAttempts {
  /** One attempt, without a deadline of its own. */
  attempt(): Promise<void>;
  /** Waits a moment. */
  pause(): Promise<void>;
  /** Whether the node goes with the session, so that nothing is left to do when that is over. */
  readonly endsWithSession: boolean;
}

/**
 * Deletes a node, however often the connection breaks. A path that is deleted this way must belong
 * to one owner: the second attempt would delete what another one has put there since.
 */
export async function deleteGuaranteed(attempts: DeleteAttempts): Promise<void> {
  for (;;) {
    try {
      await attempts.attempt();
      return;
    } catch (error) {
      if (error instanceof NoNodeError) return;
      const sessionOver = error instanceof SessionExpiredError || error instanceof ClosedError;
      if (sessionOver && attempts.endsWithSession) return;
      if (error instanceof ThrottledError) await attempts.pause();
      else if (!(error instanceof ConnectionLossError || error instanceof SessionExpiredError)) {
        throw error;
      }
    }
  }
}
