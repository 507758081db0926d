import type { Clock } from '@aviary/foundation';
import { AbortedError, InvalidArgumentError } from '@aviary/client';
import { LeaseLostError, type Lease } from '@aviary/coordination';
import { LockTimeoutError, LockUnavailableError } from './lock-errors.js';
import type { LockMode } from './lock-layout.js';

const MODES: readonly LockMode[] = ['mutex', 'read', 'write'];

/** One of several locks that are wanted together. */
export interface LockRequest {
  readonly path: string;
  /** Default: `mutex`. */
  readonly mode?: LockMode | undefined;
}

/** How long all of them together may take, and whose they are. */
export interface MultiTerms {
  readonly clock: Clock;
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly acquire: (
    request: LockRequest,
    limits: { readonly waitMs: number | undefined; readonly signal: AbortSignal },
  ) => Promise<Lease>;
}

/**
 * Takes locks one after the other in the order of their paths, so that two who want the same ones
 * never wait for each other. One deadline for all. If one cannot be had, or another is lost
 * meanwhile, all are released.
 *
 * @param requests With absolute paths.
 * @returns Leases in the order of `requests`.
 * @throws The error of the one that could not be had; AggregateError if there was more than one.
 * @throws {InvalidArgumentError} One is asked for twice, or in no mode that there is.
 */
export async function acquireInOrder(
  requests: readonly LockRequest[],
  terms: MultiTerms,
): Promise<readonly Lease[]> {
  const sorted = [...requests].sort((one, other) => (one.path < other.path ? -1 : 1));
  refuseTwice(sorted);
  sorted.forEach(checkMode);
  const { clock, waitMs } = terms;
  const endsMs = clock.monotonicMs() + (waitMs ?? Infinity);
  const held = new Map<string, Lease>();
  try {
    for (const request of sorted) {
      const leftMs = waitMs === undefined ? undefined : Math.max(0, endsMs - clock.monotonicMs());
      held.set(request.path, await acquireNext(request, terms, leftMs, [...held.values()]));
    }
    for (const lease of held.values()) lease.assertHeld();
  } catch (error) {
    for (const lease of held.values()) void lease.release();
    throw whatWentWrong(requests, [...held.values()], error);
  }
  return requests.flatMap(({ path }) => held.get(path) ?? []);
}

/** The next one, unless one of those that are held is lost meanwhile. */
async function acquireNext(
  request: LockRequest,
  { acquire, waitMs, signal }: MultiTerms,
  leftMs: number | undefined,
  held: readonly Lease[],
): Promise<Lease> {
  const lock = { noun: 'lock', path: request.path };
  // Nothing is left of the time, which is not the wish for one attempt.
  if (leftMs === 0 && waitMs !== undefined && waitMs > 0) {
    throw new LockUnavailableError(lock, waitMs, 'the locks before it took all of the time');
  }
  const signals = held.map((lease) => lease.signal);
  const either = AbortSignal.any(signal === undefined ? signals : [signal, ...signals]);
  try {
    return await acquire(request, { waitMs: leftMs, signal: either });
  } catch (error) {
    if (!(error instanceof LockTimeoutError) || waitMs === undefined) throw error;
    const { ahead, behind } = error;
    throw new LockTimeoutError(lock, { waitMs, ahead, behind });
  }
}

function whatWentWrong(
  requests: readonly LockRequest[],
  held: readonly Lease[],
  error: unknown,
): unknown {
  const losses = held.flatMap(({ lost, signal }) =>
    lost === null ? [] : [signal.reason as Error],
  );
  const isLoss =
    error instanceof LeaseLostError ||
    (error instanceof AbortedError && losses.some((loss) => loss === error.cause));
  const errors = isLoss ? losses : [...losses, error];
  if (errors.length === 1) return errors[0];
  const paths = requests.map(({ path }) => path).join(', ');
  return new AggregateError(errors, `not all of the locks ${paths} could be had and kept`);
}

function refuseTwice(sorted: readonly LockRequest[]): void {
  const twice = sorted.find(({ path }, at) => sorted[at + 1]?.path === path);
  if (twice === undefined) return;
  throw new InvalidArgumentError(
    `acquireAll: the lock ${twice.path} is asked for twice, and would wait for itself: name it once`,
  );
}

/** What a caller without types may have written otherwise. */
function checkMode({ path, mode }: LockRequest): void {
  if (mode === undefined || MODES.includes(mode)) return;
  throw new InvalidArgumentError(
    `acquireAll: the mode of ${path} must be "mutex", "read" or "write", not "${mode as string}"`,
  );
}
