import { ZooKeeper } from '@aviary/client';
import type { WorkerOrder, WorkerSettings } from '../worker-orders.js';
import { count } from './counting.js';
import { cache, configure, join } from './following.js';
import { lead } from './leading.js';
import { lock } from './locking.js';
import { meet } from './meeting.js';
import { queue } from './queueing.js';
import { share } from './sharing.js';
import { Stage, tellStalls } from './stage.js';

// main SETTINGS: uses every recipe over one client, and tells its parent whatever happens.

const settings = JSON.parse(process.argv[2] ?? '') as WorkerSettings;
const { servers, sessionTimeoutMs } = settings;
const zk = new ZooKeeper({ servers, sessionTimeoutMs });
const stage = new Stage(zk, settings);
const stopTelling = tellStalls(stage);

let isClosing = false;
const closeLocks = lock(stage);
const leading = lead(stage);
const group = join(stage);
const counting = count(stage);
const closeQueues = queue(stage);
const closeBarriers = meet(stage);
const configuration = configure(stage);
const tree = cache(stage);
const sharing = share(stage);

async function rest(): Promise<void> {
  await Promise.all([stage.rest(), leading.rest()]);
  stage.tell({ kind: 'resting' });
}

function look(): void {
  const { count: value, valueZxid } = counting.seen;
  const { configZxid } = configuration.seen;
  const views = { ...group.seen, ...tree.seen, items: sharing.items() };
  stage.tell({ kind: 'sight', sight: { ...views, count: value, valueZxid, configZxid } });
}

async function close(): Promise<void> {
  isClosing = true;
  const recipes = [leading, group, counting, configuration, tree, sharing];
  await Promise.all([
    ...recipes.map((recipe) => recipe.close()),
    closeLocks(),
    closeQueues(),
    closeBarriers(),
  ]);
  const ephemerals = await zk.ephemerals();
  stage.tell({ kind: 'closed', watches: zk.watchCount, ephemerals });
  stopTelling();
  await zk.close();
  // What still runs would keep the process: it is seen that nothing does.
  process.disconnect();
}

// Without the test, however that ended, there is nothing to do.
process.once('disconnect', () => {
  if (!isClosing) process.exit(1);
});
process.on('message', (order: WorkerOrder) => {
  if (order === 'linger') stage.isToLinger = true;
  else if (order === 'rest') void rest();
  else if (order === 'look') look();
  else void close();
});
