import { placeArgument, type FoundMark } from '@aviary/nest';
import type { Log } from '@aviary/foundation';
import type { LossReason } from '@aviary/coordination';
import type { LeaderRole } from '../core/leader-role.js';
import type { LeaderTerm } from '../core/leader-term.js';
import { runInTerm } from './term-scope.js';

/** A method that is told of terms. */
export interface Listener {
  readonly object: object;
  readonly key: FoundMark<unknown>['key'];
  /** As `Class.method`. */
  readonly label: string;
  /** The indices of its parameters under `@Term()`. */
  readonly terms: readonly number[];
}

/** The methods that are told of the terms of one role. */
export interface RoleListeners {
  readonly gained: readonly Listener[];
  readonly lost: readonly Listener[];
}

/** Tells methods of the terms of a role, until the role is closed. */
export function tellListeners(
  role: LeaderRole,
  { gained, lost }: RoleListeners,
  log: Log,
): { unsubscribe(): void } {
  return role.term$.subscribe((term) => {
    if (term === null) return;
    for (const listener of gained) void tellGained(term, listener, log);
    const onEnd = (): void => {
      const reason = term.ended ?? 'released';
      for (const listener of lost) void tellLost(term, reason, listener, log);
    };
    if (term.signal.aborted) onEnd();
    else term.signal.addEventListener('abort', onEnd, { once: true });
  });
}

async function tellGained(term: LeaderTerm, listener: Listener, log: Log): Promise<void> {
  try {
    await term.run(() => runInTerm(term, () => call(listener, [term], term)));
  } catch (error) {
    log.error(`${listener.label}, told that this process leads "${term.role}", failed`, { error });
  }
}

async function tellLost(
  term: LeaderTerm,
  reason: LossReason,
  listener: Listener,
  log: Log,
): Promise<void> {
  const leave = term.track();
  try {
    await call(listener, [reason, term], term);
  } catch (error) {
    log.error(`${listener.label}, told that "${term.role}" is lost, failed`, { error });
  } finally {
    leave();
  }
}

function call(
  { object, key, terms }: Listener,
  args: readonly unknown[],
  term: LeaderTerm,
): unknown {
  const methods = object as Readonly<Record<string | symbol, (...args: unknown[]) => unknown>>;
  return methods[key]?.(...placeArgument(args, terms, term));
}
