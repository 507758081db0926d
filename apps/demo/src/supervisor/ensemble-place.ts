import { ZooKeeper } from '@aviary/client';
import type { DemoOptions } from '../command-line.js';
import { OwnEnsemble } from './own-ensemble.js';

/** The ensemble that the demo uses: somebody's, or one of its own. */
export interface EnsemblePlace {
  /** As a connection string. */
  readonly servers: string;
  /** null: it is somebody's. */
  readonly own: OwnEnsemble | null;
}

const USUAL_SERVER = 'localhost:2181';
const USUAL_SERVER_MS = 1_000;
/** A session may ask for no less than two ticks, and members miss each other after five. */
const TICKS_PER_SESSION = 4;

/** Finds an ensemble, or starts one. One that was asked for is taken as it is. */
export async function findEnsemble({
  connect,
  isOwn,
  sessionTimeoutMs,
}: DemoOptions): Promise<EnsemblePlace> {
  if (!isOwn) {
    if (connect !== null) return { servers: connect, own: null };
    if (await isReachable(USUAL_SERVER)) return { servers: USUAL_SERVER, own: null };
  }
  const own = await OwnEnsemble.start(Math.ceil(sessionTimeoutMs / TICKS_PER_SESSION));
  return { servers: own.servers, own };
}

async function isReachable(servers: string): Promise<boolean> {
  const zk = new ZooKeeper({ servers });
  try {
    await zk.connect({ deadlineMs: USUAL_SERVER_MS });
    return true;
  } catch {
    return false;
  } finally {
    await zk.close();
  }
}
