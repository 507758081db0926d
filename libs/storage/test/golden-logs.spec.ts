import { describe, expect, it } from '@jest/globals';
import { readInt32 } from '@aviary/foundation';
import { LogBatch, scanLog } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { dumpOf, goldenLogs, type DumpedRecord } from './golden-logs.js';
import { LOG_HEADER } from './log-files.js';
import { DIRECTORY, LogFixture } from './log-fixture.js';
import { settled } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

interface Scanned {
  readonly records: DumpedRecord[];
  readonly payloads: Uint8Array[];
}

async function scan(log: string): Promise<Scanned & Awaited<ReturnType<typeof scanLog>>> {
  const disk = new MemoryDisk();
  disk.put('/log', goldenDiskFile(log));
  const records: DumpedRecord[] = [];
  const payloads: Uint8Array[] = [];
  const end = await scanLog(disk, '/log', (bytes, start, stop, zxid, offset) => {
    const adler32 = readInt32(bytes, start - 8) >>> 0;
    records.push({ offset, adler32, payloadBytes: stop - start, zxid });
    payloads.push(bytes.slice(start, stop));
  });
  return { ...end, records, payloads };
}

describe.each(goldenLogs)('%s', (log) => {
  it('reads as the independent decoder read it', async () => {
    const dump = dumpOf(log);
    const scanned = await scan(log);
    expect(dump.records.length).toBeGreaterThan(0);
    expect(scanned.records).toEqual(dump.records);
    expect(scanned.offset).toBe(dump.endOffset);
    expect(scanned.why).toBe(log.startsWith('trunc/after') ? 'incomplete' : 'padding');
    expect(scanned.firstZxid).toBe(dump.records[0]?.zxid);
    expect(scanned.lastZxid).toBe(dump.records.at(-1)?.zxid);
  });

  it('is written to the same bytes by a batch', async () => {
    const { records, payloads, offset } = await scan(log);
    const batch = new LogBatch(new Uint8Array(64));
    for (const [index, payload] of payloads.entries()) {
      batch.begin();
      batch.writer.raw(payload);
      batch.end(records[index]!.zxid);
    }
    const written = Buffer.concat([LOG_HEADER, batch.bytes]);
    expect(written.equals(goldenDiskFile(log).subarray(0, offset))).toBe(true);
  });

  it('is written to the same file by a log, padding and name included', async () => {
    const { records, payloads } = await scan(log);
    const fixture = await LogFixture.open();
    fixture.onDurable = () => undefined;
    for (const [index, payload] of payloads.entries()) {
      fixture.log.begin().raw(payload);
      fixture.log.end(records[index]!.zxid);
      fixture.log.flush();
      await settled();
    }
    await fixture.log.close();
    const expected = goldenDiskFile(log);
    const written = fixture.disk.memory.bytesOf(`${DIRECTORY}/${log.split('/').at(-1)!}`);
    const compared = log.startsWith('trunc/after') ? written.subarray(0, expected.length) : written;
    expect(Buffer.from(compared).equals(expected)).toBe(true);
  });
});
