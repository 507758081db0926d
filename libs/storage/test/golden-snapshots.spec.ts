import { describe, expect, it } from '@jest/globals';
import { deflateSync, gunzipSync } from 'node:zlib';
import { readSnapshot, type SnapshotSections } from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { MemoryDisk } from './memory-disk.js';
import { DIRECTORY, RecoveryFixture } from './recovery-fixture.js';
import { TreeBody } from './tree-body.js';

const plain = [
  'standalone/snapshot.0',
  'standalone/snapshot.23',
  'ensemble/server1/snapshot.0',
  'ensemble/server1/snapshot.10000000f',
  'ensemble/server3/snapshot.0',
  'ensemble/server3/snapshot.200000003',
  'ensemble/server3/snapshot.200000005',
  'trunc/before/snapshot.0',
  'trunc/after/snapshot.0',
  'trunc/after/snapshot.100000004',
];

async function read(name: string, bytes: Uint8Array): Promise<SnapshotSections & TreeBody> {
  const disk = new MemoryDisk();
  disk.put(name, bytes);
  const body = new TreeBody();
  return Object.assign(body, await readSnapshot(disk, name, body));
}

/** What the independent decoder saw: paths and the digest section. */
function dumpOf(snapshot: string): { paths: string[]; digest: string; digestZxid: number } {
  const text = new TextDecoder().decode(goldenDiskFile(`${snapshot}.dump.txt`));
  const section = /digest: zxid=0x(\w+) version=2 digest=(-?\d+)/.exec(text);
  return {
    paths: [...text.matchAll(/^0x\w+ node '(.*?)' data=/gm)].map(([, path = '']) => path),
    digest: section?.[2] ?? '',
    digestZxid: parseInt(section?.[1] ?? '', 16),
  };
}

function digestOf({ digest }: SnapshotSections): string {
  if (digest === null) return 'none';
  return String((BigInt(digest.high) << 32n) | BigInt(digest.low >>> 0));
}

describe.each([...plain, 'standalone/snapshot.25.gz'])('%s', (snapshot) => {
  it('verifies, and holds what the independent decoder saw', async () => {
    const dump = dumpOf(snapshot);
    const taken = await read(snapshot, goldenDiskFile(snapshot));
    expect(dump.paths.length).toBeGreaterThanOrEqual(4);
    expect(taken.paths).toEqual(dump.paths);
    expect(digestOf(taken)).toBe(dump.digest);
    expect(taken.digest?.zxid).toBe(dump.digestZxid);
    expect(taken.digest?.version).toBe(2);
    expect(taken.lastZxid).toBeNull();
  });
});

it('one tree is the same in both compressions', async () => {
  const gzip = await read('a.gz', goldenDiskFile('standalone/snapshot.25.gz'));
  const snappy = await read('a.snappy', goldenDiskFile('standalone/snapshot.25.snappy'));
  expect(Buffer.compare(snappy.bytes, gzip.bytes)).toBe(0);
});

function zlibChecksum(bytes: Uint8Array): Buffer {
  return deflateSync(bytes, { level: 0 }).subarray(-4);
}

/** The section with the last zxid, which later servers write, and its seal. */
function zxidSection(before: Uint8Array, zxid: number): Buffer {
  const section = Buffer.alloc(8);
  section.writeBigUInt64BE(BigInt(zxid));
  const checksum = zlibChecksum(Buffer.concat([before, section]));
  return Buffer.concat([section, Buffer.alloc(4), checksum, Buffer.from([0, 0, 0, 1, 0x2f])]);
}

describe('a snapshot that we write', () => {
  it.each([
    { golden: 'standalone/snapshot.0', zxid: 0, pieceBytes: 7 },
    { golden: 'standalone/snapshot.23', zxid: 0x23, pieceBytes: 1_000 },
    { golden: 'standalone/snapshot.25.gz', zxid: 0x25, pieceBytes: 1 << 20 },
  ])('of the tree in $golden has its bytes, and the section of 3.9', async (each) => {
    const file = goldenDiskFile(each.golden);
    const expected = each.golden.endsWith('.gz') ? gunzipSync(file) : file;
    const { bytes, digest } = await read('/snapshot', expected);
    const fixture = new RecoveryFixture();
    let at = 0;
    const size = await fixture.directory.writeSnapshot({
      zxid: each.zxid,
      digest,
      next: () => {
        if (at >= bytes.length) return null;
        return bytes.subarray(at, (at += each.pieceBytes));
      },
      close: () => undefined,
    });
    const name = `snapshot.${each.zxid.toString(16)}`;
    const whole = Buffer.concat([expected, zxidSection(expected, each.zxid)]);
    expect(fixture.names()).toEqual([name]);
    expect(whole.equals(fixture.bytesOf(name))).toBe(true);
    expect(size).toBe(whole.length);
    const again = await read('/again', fixture.bytesOf(name));
    expect(again.lastZxid).toBe(each.zxid);
    expect(again.digest).toEqual(digest);
  });

  it('without a digest ends behind its body, as a server without digests writes it', async () => {
    const { bytes } = await read('/snapshot', goldenDiskFile('standalone/snapshot.23'));
    const fixture = new RecoveryFixture();
    const pieces = [bytes];
    await fixture.directory.writeSnapshot({
      zxid: 0x23,
      digest: null,
      next: () => pieces.pop() ?? null,
      close: () => undefined,
    });
    const bodyAndSeal = goldenDiskFile('standalone/snapshot.23').subarray(
      0,
      16 + bytes.length + 13,
    );
    expect(Buffer.from(bodyAndSeal).equals(fixture.bytesOf('snapshot.23'))).toBe(true);
    const again = await read(`${DIRECTORY}/snapshot.23`, fixture.bytesOf('snapshot.23'));
    expect([again.digest, again.lastZxid]).toEqual([null, null]);
  });
});
