import { exclusive, type Discipline } from '@aviary/coordination';

/**
 * The names of a role's contenders: `latch` as Curator's `LeaderLatch` makes them, `selector` as its
 * `LeaderSelector`. All who contend for one role must use the same.
 */
export type LeaderLayout = 'latch' | 'selector';

export const DISCIPLINES: Readonly<Record<LeaderLayout, Discipline>> = {
  latch: exclusive('latch-'),
  selector: exclusive('lock-'),
};
