import { describe, expect, it } from '@jest/globals';
import { joinPath, logFiles, logName, snapshotFiles, snapshotName } from '../src/file-names.js';

const names = [
  'log.2',
  'log.10',
  'log.100000001',
  'LOG.3',
  'log.3.gz',
  'log.',
  'log.xyz',
  'log.00000000000000001',
  'tmp.log.4',
  'log.5.bak',
  'snapshot.0',
  'snapshot.a',
  'snapshot.25.gz',
  'snapshot.1f.snappy',
  'snapshot.7.zip',
  'tmp.snapshot.8',
  'acceptedEpoch',
  'durable-mark',
  'lost+found',
];

describe('names of files', () => {
  it('are ordered by zxid, not by letter', () => {
    expect(logFiles([...names].reverse()).map(({ name }) => name)).toEqual([
      'log.2',
      'log.10',
      'log.100000001',
    ]);
    expect(snapshotFiles([...names].reverse())).toEqual([
      { name: 'snapshot.0', zxid: 0 },
      { name: 'snapshot.a', zxid: 10 },
      { name: 'snapshot.1f.snappy', zxid: 31 },
      { name: 'snapshot.25.gz', zxid: 37 },
    ]);
  });

  it('are lower-case hex without leading zeros', () => {
    expect(logName(0x1_0000_000a)).toBe('log.10000000a');
    expect(snapshotName(0)).toBe('snapshot.0');
  });

  it('are joined to a directory with one slash', () => {
    expect(joinPath('/data', 'log.1')).toBe('/data/log.1');
    expect(joinPath('/', 'log.1')).toBe('/log.1');
  });
});
