import { setTimeout as sleep } from 'node:timers/promises';
import { Leaders } from '@aviary/leader';
import type { Stage } from './stage.js';

const TERM_MS = 100;

/** Leads for a moment, whenever it is this worker's turn. */
export function lead(stage: Stage): { rest(): Promise<void>; close(): Promise<void> } {
  const { zk, settings } = stage;
  const options = { root: stage.path('leaders'), identity: settings.worker, graceMs: 1_000 };
  const leaders = new Leaders(zk, options);
  const role = leaders.role('role');
  role.campaign(async (term) => {
    const end = stage.held('leader', '', term);
    try {
      await stage.enterInto('leader', term);
      await sleep(TERM_MS, undefined, { signal: term.signal }).catch(() => undefined);
      await stage.enterInto('leader', term);
      stage.did('leader');
    } catch (error) {
      stage.forgive('leader', error);
    } finally {
      end();
    }
  });
  return { rest: () => role.withdraw(), close: () => leaders.close() };
}
