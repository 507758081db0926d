import { setTimeout as pause } from 'node:timers/promises';
import {
  ConnectionLossError,
  SessionExpiredError,
  TransactionFailedError,
  ZooKeeper,
} from '@aviary/client';
import { SystemRandom } from '@aviary/host';
import { LockClient, type Lease } from '@aviary/lock';
import type {
  ContenderNews,
  ContenderOrder,
  ContenderQuestion,
  ContenderSettings,
  LedgerEntry,
} from './contender-messages.js';

// lock-contender SETTINGS: takes one lock over and over, and writes under it without looking whether
// it still holds. So whatever keeps stale writes out is not this process.

const settings = JSON.parse(process.argv[2] ?? '') as ContenderSettings;
const { servers, sessionTimeoutMs, lockPath, balancePath, ledgerPath } = settings;

/** How long a visit takes: time enough to be met, and for the members to do other things. */
const VISIT_MS = 10;

let isStopping = false;
let onAnswer: (isAllowed: boolean) => void = () => undefined;

process.on('message', (order: ContenderOrder) => {
  if (order === 'stop') isStopping = true;
  else onAnswer(order === 'yes');
});
// Without the test, however that ended, there is nothing to do.
process.once('disconnect', () => process.exit());

function tell(news: ContenderNews): void {
  process.send!(news);
}

function ask(question: ContenderQuestion): Promise<boolean> {
  return new Promise((answered) => {
    onAnswer = answered;
    tell(question);
  });
}

/**
 * A write that the ensemble applies only while the contender's node is there: what the transaction of
 * the lease does, but for its look at the clock, with which no stale one would ever be sent.
 *
 * @returns The path of its entry in the ledger.
 */
async function writeToEnsemble(zk: ZooKeeper, { nodePath, token }: Lease): Promise<string> {
  const { data } = await zk.get(balancePath);
  const entry: LedgerEntry = { token: String(token), balance: Number(data) + 1 };
  const [, , { path }] = await zk
    .transaction()
    .check(nodePath, { version: 0 })
    .set(balancePath, String(entry.balance))
    .create(`${ledgerPath}/`, JSON.stringify(entry), { mode: 'persistentSequential' })
    .commit();
  return path;
}

/** Writes until the ensemble has said yes or no. */
async function insistOnWriting(zk: ZooKeeper, lease: Lease): Promise<void> {
  const token = String(lease.token);
  for (;;) {
    try {
      tell({ kind: 'committed', token, path: await writeToEnsemble(zk, lease) });
      return;
    } catch (error) {
      if (error instanceof ConnectionLossError || error instanceof SessionExpiredError) continue;
      if (!(error instanceof TransactionFailedError)) throw error;
      tell({ kind: 'refused', token });
      return;
    }
  }
}

async function visit(zk: ZooKeeper, lease: Lease): Promise<void> {
  const token = String(lease.token);
  await ask({ kind: 'enter', token });
  await pause(VISIT_MS);
  await ask({ kind: 'write', token });
  await insistOnWriting(zk, lease);
  // Answered before the release: the next one cannot enter earlier.
  await ask({ kind: 'leave', token, lost: lease.lost });
}

// Servers are tried in the order in which they are given.
const random = { uint32: () => 0xffff_ffff, bytes: (n: number) => new SystemRandom().bytes(n) };
const zk = new ZooKeeper({ servers, sessionTimeoutMs, random });
zk.state$.subscribe(({ kind }) => tell({ kind: 'state', state: kind }));
const locks = new LockClient(zk);
while (!isStopping) {
  await using lease = await locks.acquire(lockPath);
  await visit(zk, lease);
}
await locks.close();
await zk.close();
process.exit();
