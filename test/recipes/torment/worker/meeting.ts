import { setTimeout as sleep } from 'node:timers/promises';
import { Barriers, type Round } from '@aviary/barrier';
import type { Stage } from './stage.js';

const PAUSE_MS = 80;
const ROUND_MS = 20;

/** Meets others, round after round. */
export function meet(stage: Stage): () => Promise<void> {
  const { zk, settings } = stage;
  const barriers = new Barriers(zk, { root: stage.path('barriers'), identity: settings.worker });
  const barrier = barriers.double('meeting', settings.quorum);
  let last = 0;

  stage.repeat('barrier', PAUSE_MS, async () => {
    const attempt = ++last;
    stage.tell({ kind: 'arriving', attempt });
    try {
      const round = await stage.within('enter', (waitMs) => barrier.enter({ waitMs }));
      await beInside(stage, attempt, round);
    } catch (error) {
      stage.tell({ kind: 'gone', attempt, error: String(error) });
      throw error;
    }
    stage.did('barrier');
  });
  return () => barriers.close();
}

async function beInside(stage: Stage, attempt: number, round: Round): Promise<void> {
  const facts = { attempt, round: Number(round.token) };
  stage.tell({ kind: 'entered', ...facts });
  try {
    await stage.enterInto('barrier', round, { what: String(attempt) });
    await sleep(ROUND_MS);
    stage.tell({ kind: 'leaving', ...facts });
    await stage.within('leave', (waitMs) => round.leave({ waitMs }));
    stage.tell({ kind: 'left', ...facts });
  } finally {
    await round.abandon();
  }
}
