import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ZooKeeper } from '@aviary/client';
import type { DemoOptions } from '../command-line.js';

/** The ensemble that the demo uses: somebody's, or one member of its own with data in a directory. */
export type EnsemblePlace =
  { readonly servers: string; readonly dataDir: null } | { readonly dataDir: string };

const USUAL_SERVER = 'localhost:2181';
const USUAL_SERVER_MS = 1_000;

/** Finds an ensemble. One that was asked for is taken as it is. */
export async function findEnsemble({ connect }: DemoOptions): Promise<EnsemblePlace> {
  if (connect !== null) return { servers: connect, dataDir: null };
  if (await isReachable(USUAL_SERVER)) return { servers: USUAL_SERVER, dataDir: null };
  return { dataDir: mkdtempSync(join(tmpdir(), 'aviary-demo-')) };
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
