import { describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { ZxidRangeError, writeInt32 } from '@aviary/foundation';
import {
  ADLER32_START,
  StorageError,
  adler32,
  readSnapshot,
  type SnapshotBodySink,
  type SnapshotSections,
} from '@aviary/storage';
import { goldenDiskFile } from '../../../test/golden/exchanges.js';
import { Ledger } from './ledger.js';
import { MemoryDisk } from './memory-disk.js';
import { snapshotFileOf } from './snapshot-files.js';
import { TreeBody } from './tree-body.js';

const SEAL_BYTES = 13;
const DIGEST_BYTES = 20;
const ZXID_BYTES = 8;

function read(
  bytes: Uint8Array,
  sink: SnapshotBodySink = new Ledger().beginSnapshot(),
  path = '/data/snapshot.5',
): Promise<SnapshotSections> {
  const disk = new MemoryDisk();
  disk.put(path, bytes);
  return readSnapshot(disk, path, sink);
}

/** Whether the file is refused, with a sentence that names it. */
async function isRefused(bytes: Uint8Array, sink?: SnapshotBodySink): Promise<boolean> {
  try {
    await read(bytes, sink);
    return false;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.message.startsWith('/data/snapshot.5');
  }
}

/** Sets the seal that starts at `at` to what it must be. */
function seal(bytes: Uint8Array, at: number): void {
  writeInt32(bytes, at + 4, adler32(ADLER32_START, bytes, 0, at) | 0);
}

describe('a snapshot', () => {
  it('is refused whichever bit of it turned over', async () => {
    const whole = await snapshotFileOf(5);
    await read(whole);
    for (let at = 0; at < whole.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = whole.slice();
        bytes[at]! ^= 1 << bit;
        expect([at, bit, await isRefused(bytes)]).toEqual([at, bit, true]);
      }
    }
  });

  it('of a real server is refused whichever byte of it is another', async () => {
    const whole = goldenDiskFile('standalone/snapshot.0');
    await read(whole, new TreeBody());
    for (let at = 0; at < whole.length; at++) {
      const bytes = whole.slice();
      bytes[at]! ^= 0x81;
      expect([at, await isRefused(bytes, new TreeBody())]).toEqual([at, true]);
    }
  });

  it('is refused wherever it ends, but behind a seal', async () => {
    const whole = await snapshotFileOf(5);
    const withZxid = whole.length;
    const withDigest = withZxid - ZXID_BYTES - SEAL_BYTES;
    const bare = withDigest - DIGEST_BYTES - SEAL_BYTES;
    for (let fileBytes = 0; fileBytes < whole.length; fileBytes++) {
      const refused = await isRefused(whole.subarray(0, fileBytes));
      const isLayout = [bare, withDigest].includes(fileBytes);
      // As long as the section of a zxid alone, but that is not what it is.
      expect([fileBytes, refused]).toEqual([fileBytes, !isLayout]);
    }
    expect(await read(whole)).toMatchObject({ digest: { zxid: 5 }, lastZxid: 5 });
    expect(await read(whole.subarray(0, withDigest))).toMatchObject({
      digest: { zxid: 5, high: 1, low: 5, version: 2 },
      lastZxid: null,
    });
    expect(await read(whole.subarray(0, bare))).toEqual({ digest: null, lastZxid: null });
  });

  it('may have its last zxid and no digest, as a server without digests writes it', async () => {
    const bare = await snapshotFileOf(5, null);
    const bytes = new Uint8Array(bare.length + ZXID_BYTES + SEAL_BYTES);
    bytes.set(bare);
    bytes[bare.length + 7] = 9;
    bytes.set(bare.subarray(-SEAL_BYTES), bare.length + ZXID_BYTES);
    seal(bytes, bare.length + ZXID_BYTES);
    expect(await read(bytes)).toEqual({ digest: null, lastZxid: 9 });
  });

  it('may have sections that nobody knows yet', async () => {
    const whole = await snapshotFileOf(5);
    const bytes = new Uint8Array(whole.length + 40);
    bytes.set(whole);
    expect(await read(bytes)).toMatchObject({ lastZxid: 5 });
  });

  it('with a zxid out of range is refused although its seals are right', async () => {
    const whole = await snapshotFileOf(5);
    const zxidSection = whole.length - SEAL_BYTES - ZXID_BYTES;
    const digestSection = zxidSection - SEAL_BYTES - DIGEST_BYTES;
    for (const at of [digestSection, zxidSection]) {
      const bytes = whole.slice();
      bytes[at] = 0x7f;
      seal(bytes, digestSection + DIGEST_BYTES);
      seal(bytes, zxidSection + ZXID_BYTES);
      await expect(read(bytes)).rejects.toThrow(/^\/data\/snapshot.5 at byte \d+: zxid of epoch/);
    }
  });

  it('that the tree cannot take is refused; a bug of the tree is not hidden', async () => {
    const whole = await snapshotFileOf(5);
    const failing = (error: Error): SnapshotBodySink => ({
      isDone: false,
      consume: () => {
        throw error;
      },
    });
    expect(await isRefused(whole, failing(new ZxidRangeError(0x20_0000)))).toBe(true);
    const bug = new TypeError('undefined is not a function');
    await expect(read(whole, failing(bug))).rejects.toBe(bug);
  });

  it('is read through a small window, whatever its items are', async () => {
    const ledger = new Ledger();
    expect(await read(await snapshotFileOf(200_000), ledger.beginSnapshot())).toMatchObject({
      lastZxid: 200_000,
    });
    expect(ledger.entries.length).toBe(200_000);
    // One item of more than three megabytes.
    const whole = await snapshotFileOf(200_000);
    const sink = {
      isDone: false,
      consume(_bytes: Uint8Array, start: number, end: number): number {
        const bodyBytes = 4 + 200_000 * 16;
        this.isDone = end - start >= bodyBytes;
        return this.isDone ? start + bodyBytes : start;
      },
    };
    expect(await read(whole, sink)).toMatchObject({ lastZxid: 200_000 });
  });
});

describe('a compressed snapshot', () => {
  it.each(['gz', 'snappy'])('.%s that is damaged or cut is refused', async (suffix) => {
    const path = `/data/snapshot.25.${suffix}`;
    const whole = goldenDiskFile(`standalone/snapshot.25.${suffix}`);
    const expected = new TreeBody();
    await read(whole, expected, path);
    let refused = 0;
    for (let at = 0; at < whole.length; at++) {
      const bytes = whole.slice();
      bytes[at]! ^= 0x55;
      const body = new TreeBody();
      try {
        await read(bytes, body, path);
        // A copy of the same zeros from elsewhere: another file, and the same snapshot.
        expect(Buffer.compare(body.bytes, expected.bytes)).toBe(0);
      } catch (error) {
        expect(error).toBeInstanceOf(StorageError);
        refused++;
      }
      const cut = read(whole.subarray(0, at), new TreeBody(), path);
      await expect(cut).rejects.toBeInstanceOf(StorageError);
    }
    expect(refused).toBeGreaterThan(whole.length * 0.95);
  });

  it('is told by its name', async () => {
    const packed = gzipSync(await snapshotFileOf(3));
    expect(await read(packed, undefined, '/data/snapshot.3.gz')).toMatchObject({ lastZxid: 3 });
    await expect(read(packed, undefined, '/data/snapshot.3')).rejects.toThrow(
      '/data/snapshot.3 at byte 0: is no snapshot: the first bytes are not "ZKSN"',
    );
  });
});
