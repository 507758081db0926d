import type { Zxid } from '@aviary/foundation';
import type { MemberState } from './member-state.js';

/**
 * Shows in memory what is logged up to `through` and not shown yet.
 *
 * @throws {JuteError} A transaction cannot be applied: memory is of no use then.
 */
export function applyPending(state: MemberState, through: Zxid): void {
  const { applier, history } = state;
  while (history.pending > 0 && history.pendingZxid <= through) {
    history.selectPending();
    applier.apply(history.bytes, history.start, history.end, 'verify');
    state.lastApplied = history.pendingZxid;
    history.settle(Infinity);
  }
}
