import { randomBelow, type Random } from '@aviary/foundation';

/** How long the pauses between attempts are, in milliseconds. */
export interface BackoffTerms {
  /** The limit of the first pause; each later one has twice the limit of the one before. */
  readonly firstMs: number;
  /** No limit grows beyond this. */
  readonly maxMs: number;
  readonly random: Random;
}

/**
 * The pause before attempt number `attempt` (the first that is repeated is 1): a random part of a
 * limit that doubles, from half of it up, so that those who met once do not meet again.
 */
export function backoffMs(attempt: number, { firstMs, maxMs, random }: BackoffTerms): number {
  // 2^30 milliseconds are twelve days: whatever the attempt, the limit stays a number.
  const limitMs = Math.min(firstMs * 2 ** Math.min(attempt - 1, 30), maxMs);
  const halfMs = Math.floor(limitMs / 2);
  return halfMs + randomBelow(random, Math.floor(limitMs) - halfMs + 1);
}
