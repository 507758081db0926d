import { goldenDiskFile } from '../../../test/golden/exchanges.js';

/** Every log that real servers wrote, below `test/golden/disk`. */
export const goldenLogs = [
  'standalone/log.1',
  'standalone/log.24',
  'ensemble/server1/log.200000001',
  'ensemble/server3/log.100000001',
  'ensemble/server3/log.200000004',
  'trunc/before/log.100000001',
  'trunc/after/log.100000001',
  'reconfig/log.100000001',
] as const;

/** A record as the independent decoder of the recordings saw it. */
export interface DumpedRecord {
  readonly offset: number;
  readonly adler32: number;
  readonly payloadBytes: number;
  readonly zxid: number;
}

export interface DumpedLog {
  readonly records: readonly DumpedRecord[];
  /** Where the records end. */
  readonly endOffset: number;
}

/** Reads the dump beside a log. */
export function dumpOf(log: string): DumpedLog {
  const text = new TextDecoder().decode(goldenDiskFile(`${log}.dump.txt`));
  const records: DumpedRecord[] = [];
  for (const line of text.split('\n')) {
    const match = /^0x(\w+) adler32=0x(\w+) ok=True len=(\d+) .*?'zxid': '0x(\w+)'/.exec(line);
    if (match === null) continue;
    const [offset = '', checksum = '', length = '', zxid = ''] = match.slice(1);
    records.push({
      offset: parseInt(offset, 16),
      adler32: parseInt(checksum, 16),
      payloadBytes: Number(length),
      zxid: parseInt(zxid, 16),
    });
  }
  const last = records.at(-1);
  return { records, endOffset: last === undefined ? 16 : last.offset + 13 + last.payloadBytes };
}
