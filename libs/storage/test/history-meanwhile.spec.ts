import { describe, expect, it } from '@jest/globals';
import { silentLog } from '@aviary/foundation';
import { World, type SeededRandom, type SimulatedProcess } from '@aviary/simulator';
import {
  DataDirectory,
  type HistoryProgress,
  type LogBatch,
  type LogListener,
  type TransactionLog,
} from '@aviary/storage';
import { Ledger, readEntry, writeEntry } from './ledger.js';
import { entryOf } from './log-files.js';

const TRANSACTIONS = 150;

/** A server that appends, rolls, takes snapshots and purges all the time. */
class BusyServer implements LogListener {
  readonly ledger = new Ledger();
  readonly directory: DataDirectory;
  log: TransactionLog | null = null;
  purged = 0;

  constructor(private readonly process: SimulatedProcess) {
    this.directory = new DataDirectory(process.disk, process.clock, { dataDir: '/data/zk' });
  }

  async run(random: SeededRandom): Promise<void> {
    await this.directory.recover(this.ledger, silentLog);
    const log = await this.directory.openLog({ preAllocBytes: 8192, forceSync: true }, this);
    this.log = log;
    for (let zxid = 1; zxid <= TRANSACTIONS; zxid++) {
      writeEntry(log.begin(), entryOf(zxid, random.pick([4, 300, 2000])));
      log.end(zxid);
      log.flush();
      if (random.chance(0.4)) await this.pause(random.between(0, 5));
      if (random.chance(0.2)) log.roll();
      if (random.chance(0.1)) {
        await this.directory.writeSnapshot(this.ledger.snapshot());
        this.purged += (await this.directory.purge(3)).length;
      }
    }
    await log.close();
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.process.clock.setTimer(delayMs, resolve));
  }

  onDurable(batch: LogBatch): void {
    for (let i = 0; i < batch.count; i++) {
      this.ledger.apply(batch.writer.bytes, batch.startOf(i), batch.endOf(i));
    }
  }

  onFailure(error: Error): void {
    throw error;
  }
}

/** Reads behind the transaction of now, again and again, until everything is written. */
async function follow(
  server: BusyServer,
  random: SeededRandom,
  isOver: () => boolean,
): Promise<HistoryProgress> {
  const { ledger } = server;
  const after = random.between(0, ledger.lastZxid);
  const reader = server.directory.readHistory(after);
  let expected = after + 1;
  let progress: HistoryProgress = 'more';
  while (progress === 'more' || progress === 'caughtUp') {
    const isLast = isOver();
    const through = random.between(expected, TRANSACTIONS);
    progress = await reader.read(
      isLast ? TRANSACTIONS : through,
      3000,
      (bytes, start, end, zxid) => {
        if (zxid !== expected) throw new Error(`${zxid} came in the place of ${expected}`);
        if (zxid > ledger.lastZxid) throw new Error(`${zxid} came before it was durable`);
        if (readEntry(bytes, start, end).zxid !== zxid) throw new Error(`${zxid} is another`);
        expected++;
      },
    );
    if (progress === 'complete' && !isLast) progress = 'more';
    if (random.chance(0.3)) await server.pause(random.between(0, 20));
  }
  await reader.close();
  return progress;
}

describe('a history that is read while it is written and purged', () => {
  it('comes without a hole, and only what is durable, or is gone', async () => {
    const ends: HistoryProgress[] = [];
    let purged = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const world = new World({ seed });
      const process = world.addHost('one').boot();
      const random = world.random.fork('workload');
      const server = new BusyServer(process);
      let isOver = false;
      const writing = server.run(random.fork('writer')).then(() => {
        isOver = true;
      });
      const readers = [1, 2, 3].map(async (number) => {
        await server.pause(number * 40);
        return follow(server, random.fork(`reader ${number}`), () => isOver);
      });
      ends.push(...(await world.settle(Promise.all(readers))));
      await world.settle(writing);
      purged += server.purged;
    }
    expect(purged).toBeGreaterThan(50);
    expect(new Set(ends)).toEqual(new Set(['complete', 'gone']));
  });
});
