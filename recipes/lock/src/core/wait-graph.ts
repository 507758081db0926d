import type { ContenderView } from '@aviary/coordination';

/** One contender that waits, and for whom. */
export interface Wait {
  /** The lock, or the semaphore. */
  readonly path: string;
  readonly waiter: ContenderView;
  /** Those right in its way; they may wait themselves. */
  readonly blockers: readonly ContenderView[];
  /** `any`: it waits for a permit, and one of those that are out will do. */
  readonly needs: 'all' | 'any';
}

/** A step of a {@link Deadlock}: `waiter` waits for `blocker`, whose session waits at the next step. */
export interface DeadlockStep {
  readonly path: string;
  readonly waiter: ContenderView;
  readonly blocker: ContenderView;
}

/** Sessions that wait for each other in a circle. */
export interface Deadlock {
  /** The last one's blocker belongs to the session of the first one's waiter. */
  readonly steps: readonly DeadlockStep[];
  /** Who waits for whom, in one line. */
  readonly text: string;
}

/** Who waits for whom at one moment. */
export interface WaitGraph {
  readonly waits: readonly Wait[];
  readonly deadlocks: readonly Deadlock[];
  /** Directories that may not be read, or not all of their contenders: what stands there is left out. */
  readonly unread: readonly string[];
}

/**
 * The circles among waits, at least one for each group of sessions that can never go on.
 *
 * Sessions are what is compared, since nobody can see which part of a process holds what: who has
 * several waits is taken to go on only when all of them have ended. A session that waits behind itself
 * is left out, and so are nodes of no session (kazoo's locks that are not ephemeral): several processes
 * may have made them.
 */
export function deadlocksAmong(waits: readonly Wait[]): readonly Deadlock[] {
  const bySession = new Map<bigint, Wait[]>();
  for (const wait of waits) {
    const { sessionId } = wait.waiter;
    if (sessionId === 0n) continue;
    bySession.set(sessionId, [...(bySession.get(sessionId) ?? []), wait]);
  }
  const stuck = stuckSessions(bySession);
  const done = new Set<bigint>();
  const deadlocks: Deadlock[] = [];
  for (const start of stuck) {
    const walk: DeadlockStep[] = [];
    const at = new Map<bigint, number>();
    let session = start;
    while (!done.has(session)) {
      done.add(session);
      at.set(session, walk.length);
      const step = stuckStep(bySession.get(session) ?? [], stuck);
      if (step === null) break;
      walk.push(step);
      session = step.blocker.sessionId;
    }
    const first = at.get(session);
    if (first !== undefined && first < walk.length) deadlocks.push(deadlockOf(walk.slice(first)));
  }
  return deadlocks;
}

/** The sessions that are left when all that can go on have gone on, and let go of what they hold. */
function stuckSessions(bySession: ReadonlyMap<bigint, readonly Wait[]>): ReadonlySet<bigint> {
  const stuck = new Set(bySession.keys());
  for (let before = -1; before !== stuck.size;) {
    before = stuck.size;
    for (const session of stuck) {
      const waits = bySession.get(session) ?? [];
      if (waits.every((wait) => stuckBlocker(wait, stuck) === null)) stuck.delete(session);
    }
  }
  return stuck;
}

/** One for whom this wait has to wait for ever; null: it ends some time. */
function stuckBlocker(
  { waiter, blockers, needs }: Wait,
  stuck: ReadonlySet<bigint>,
): ContenderView | null {
  const others = blockers.filter(({ sessionId }) => sessionId !== waiter.sessionId);
  const blocked = others.filter(({ sessionId }) => stuck.has(sessionId));
  if (needs === 'any' && blocked.length < others.length) return null;
  return blocked[0] ?? null;
}

function stuckStep(waits: readonly Wait[], stuck: ReadonlySet<bigint>): DeadlockStep | null {
  for (const wait of waits) {
    const blocker = stuckBlocker(wait, stuck);
    if (blocker !== null) return { path: wait.path, waiter: wait.waiter, blocker };
  }
  return null;
}

function deadlockOf(steps: readonly DeadlockStep[]): Deadlock {
  const parts = steps.map(({ path, waiter, blocker }) => {
    return `${nameOf(waiter)} waits at ${path} for ${nameOf(blocker)}`;
  });
  return { steps, text: parts.join(', ') };
}

/** Other clients write what they like into their nodes, and as much. */
const IDENTITY_CHARACTERS_MAX = 200;

function nameOf({ identity, sessionId }: ContenderView): string {
  const name = JSON.stringify(identity.slice(0, IDENTITY_CHARACTERS_MAX));
  return `${name} (session 0x${BigInt.asUintN(64, sessionId).toString(16)})`;
}
