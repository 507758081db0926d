import { NoNodeError, type ZooKeeper } from '@aviary/client';
import {
  LEDGERS,
  type LedgerEntry,
  type LedgerName,
  type ServerData,
  type TreeEntry,
} from './history.js';

/** Where nothing is to stand when everybody rests. */
const EMPTY = [
  'locks/mutex',
  'locks/rw',
  'locks/permits/locks',
  'locks/permits/leases',
  'leaders/role',
  'queues/jobs',
  'queues/jobs-taken',
  'queues/jobs-dead',
  'counters/count-lock',
  'counters/value-lock',
];

/** Makes what the workers write to. */
export async function prepareData(
  zk: ZooKeeper,
  base: string,
  names: readonly string[],
): Promise<void> {
  await zk.create(`${base}/ledgers`);
  for (const ledger of LEDGERS) await zk.create(`${base}/ledgers/${ledger}`);
  await zk.create(`${base}/visits`, '0');
  await zk.create(`${base}/tariff`, '0');
  await zk.create(`${base}/tree`);
  for (const name of names) {
    for (const twin of ['a', 'b']) await zk.create(`${base}/tree/${name}-${twin}`, '');
  }
}

/** What stands where nothing should, as the leader has it. */
export async function leftoversOf(zk: ZooKeeper, base: string): Promise<string[]> {
  await zk.sync(base);
  const found: string[] = [];
  for (const directory of EMPTY) {
    for (const name of await childrenOf(zk, `${base}/${directory}`)) {
      found.push(`${directory}/${name}`);
    }
  }
  // A round that all have died in leaves its sign, which the next ones do not believe.
  const members = await childrenOf(zk, `${base}/barriers/meeting`);
  found.push(...members.filter((name) => name !== 'ready'));
  return found;
}

/** All that is compared with what the workers tell. */
export async function readData(zk: ZooKeeper, base: string): Promise<ServerData> {
  const leftovers = await leftoversOf(zk, base);
  const ledgers = {} as Record<LedgerName, readonly LedgerEntry[]>;
  for (const ledger of LEDGERS) ledgers[ledger] = await entriesOf(zk, `${base}/ledgers/${ledger}`);
  const count = await zk.get(`${base}/counters/count`);
  const value = await zk.get(`${base}/counters/value`);
  const config = await zk.get(`${base}/config/shop`);
  const { serial } = JSON.parse(String(config.data)) as { serial: number };
  return {
    ledgers,
    leftovers,
    count: Number(count.data!.readBigInt64BE()),
    value: {
      writes: Number(value.data),
      version: value.stat.version,
      zxid: Number(value.stat.mzxid),
    },
    config: { serial, version: config.stat.version, zxid: Number(config.stat.mzxid) },
    tree: await treeOf(zk, `${base}/tree`),
  };
}

/** In the order in which they were made. */
async function entriesOf(zk: ZooKeeper, path: string): Promise<LedgerEntry[]> {
  const names = await childrenOf(zk, path);
  const nodes = await Promise.all(names.map((name) => zk.get(`${path}/${name}`)));
  return nodes
    .sort((one, other) => Number(one.stat.czxid - other.stat.czxid))
    .map(({ data }) => JSON.parse(String(data)) as LedgerEntry);
}

async function treeOf(zk: ZooKeeper, path: string): Promise<TreeEntry[]> {
  const names = await childrenOf(zk, path);
  return Promise.all(
    names.map(async (name) => {
      const { data, stat } = await zk.get(`${path}/${name}`);
      return { name, mzxid: Number(stat.mzxid), text: String(data) };
    }),
  );
}

async function childrenOf(zk: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return [...(await zk.children(path)).children].sort();
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}
