import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionLossError, SessionExpiredError, type Transaction } from '@aviary/client';
import { LockClient, type Lease } from '@aviary/lock';
import type { Stage } from './stage.js';

const VISIT_MS = 5;
const PAUSE_MS = 60;
/** Time enough for the test to stop this process there. */
const LINGER_MS = 500;

/** Takes a mutex, a read-write lock and permits of a semaphore, over and over. */
export function lock(stage: Stage): () => Promise<void> {
  const { zk, settings } = stage;
  const locks = new LockClient(zk, { root: stage.path('locks'), identity: settings.worker });

  stage.repeat('mutex', PAUSE_MS, async () => {
    const lease = await stage.within('acquire', (waitMs) => locks.acquire('mutex', { waitMs }));
    await visit(stage, lease, () =>
      stage.isToLinger ? countVisitLate(stage, lease) : countVisit(stage, lease),
    );
    stage.did('mutex');
  });

  stage.repeat('readWrite', PAUSE_MS, async () => {
    if (Math.random() < 0.6) {
      const lease = await stage.within('acquireRead', (waitMs) =>
        locks.acquireRead('rw', { waitMs }),
      );
      await visit(stage, lease, () => readUnder(stage, lease), 'read');
    } else {
      const lease = await stage.within('acquireWrite', (waitMs) =>
        locks.acquireWrite('rw', { waitMs }),
      );
      const isKept = Math.random() < 0.5;
      const reading = await visit(
        stage,
        lease,
        () => writeUnder(stage, lease),
        'write',
        () => (isKept ? lease.downgrade() : null),
      );
      if (reading !== null) await visit(stage, reading, () => readUnder(stage, reading), 'read');
    }
    stage.did('readWrite');
  });

  stage.repeat('semaphore', PAUSE_MS, async () => {
    const limit = settings.permits;
    const permit = await stage.within('acquirePermit', (waitMs) =>
      locks.acquirePermit('permits', { limit, waitMs }),
    );
    await visit(stage, permit, () => stage.enterInto('semaphore', permit), 'permit');
    stage.did('semaphore');
  });

  return () => locks.close();
}

/** Acts at the beginning and at the end of a hold. @returns What `last` makes of it. */
async function visit(
  stage: Stage,
  lease: Lease,
  act: () => Promise<void>,
  hold: 'mutex' | 'read' | 'write' | 'permit' = 'mutex',
  last: () => Promise<Lease> | null = () => null,
): Promise<Lease | null> {
  const end = stage.held(hold, '', lease);
  try {
    await act();
    await sleep(VISIT_MS);
    await act();
    end();
    return await last();
  } finally {
    end();
    await lease.release();
  }
}

/** Reads a number and writes one more: who did so beside another would write the same. */
async function countVisit(stage: Stage, lease: Lease): Promise<void> {
  await writeVisit(stage, lease, lease.transaction());
}

/**
 * Does so after a while, in which the test may stop this process, and without a look at the clock: what
 * keeps a late write out is not this process. It goes on until the servers have said yes or no.
 */
async function countVisitLate(stage: Stage, lease: Lease): Promise<void> {
  stage.isToLinger = false;
  stage.tell({ kind: 'lingering' });
  await sleep(LINGER_MS);
  for (;;) {
    try {
      const guarded = stage.zk.transaction().check(lease.nodePath, { version: 0 });
      await writeVisit(stage, lease, guarded);
      return;
    } catch (error) {
      const isUnknown = error instanceof ConnectionLossError;
      if (!isUnknown && !(error instanceof SessionExpiredError)) throw error;
    }
  }
}

async function writeVisit(
  stage: Stage,
  lease: Lease,
  guarded: Transaction<[undefined]>,
): Promise<void> {
  const { data } = await stage.zk.get(stage.path('visits'));
  const seen = Number(data) + 1;
  const entry = stage.entry('mutex', lease.token, { seen });
  await guarded
    .set(stage.path('visits'), String(seen))
    .create(entry.path, entry.text, { mode: 'persistentSequential' })
    .commit();
}

async function writeUnder(stage: Stage, lease: Lease): Promise<void> {
  const { data } = await stage.zk.get(stage.path('tariff'));
  const seen = Number(data) + 1;
  const entry = stage.entry('readWrite', lease.token, { what: 'write', seen });
  await lease
    .transaction()
    .set(stage.path('tariff'), String(seen))
    .create(entry.path, entry.text, { mode: 'persistentSequential' })
    .commit();
}

async function readUnder(stage: Stage, lease: Lease): Promise<void> {
  const { data } = await stage.zk.get(stage.path('tariff'));
  await stage.enterInto('readWrite', lease, { what: 'read', seen: Number(data) });
}
