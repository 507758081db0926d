import { setTimeout as pause } from 'node:timers/promises';
import { ZooKeeper } from '@aviary/client';
import { LockClient } from '@aviary/lock';

// lock-contenders HOSTS LOCK CONTENDERS WARM_UP_MS MEASURED_MS: sessions that take one lock in turn.
// Prints how often per second it changed hands in the measured time.

const [servers = '', lock = '', contenders = '', warmUpMs = '', measuredMs = ''] =
  process.argv.slice(2);

let count = 0;

async function contend(): Promise<never> {
  const locks = new LockClient(new ZooKeeper({ servers, sessionTimeoutMs: 30_000 }));
  for (;;) {
    const lease = await locks.acquire(lock);
    count++;
    await lease.release();
  }
}

async function main(): Promise<void> {
  for (let i = 0; i < Number(contenders); i++) contend().catch(fail);
  await pause(Number(warmUpMs));
  const before = count;
  const startedMs = performance.now();
  await pause(Number(measuredMs));
  const seconds = (performance.now() - startedMs) / 1_000;
  process.stdout.write(`${(count - before) / seconds}\n`);
  process.exit(0);
}

function fail(error: unknown): never {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
