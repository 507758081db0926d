import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DiskError, isMissing, type DiskFile } from '@aviary/foundation';
import fc from 'fast-check';
import type { DiskHarness } from './harness.js';

const text = (value: string) => new TextEncoder().encode(value);

/** What every {@link Disk} does while no fault is planned and the power stays on. */
export function describeDiskContract(name: string, make: () => Promise<DiskHarness>): void {
  describe(`Disk of ${name}`, () => {
    let harness: DiskHarness;
    let root: string;

    beforeEach(async () => {
      harness = await make();
      root = harness.root;
    });
    afterEach(() => harness.dispose());

    const settle = <T>(promise: Promise<T>) => harness.settle(promise);
    const create = (path: string) => settle(harness.disk.open(`${root}/${path}`, 'create'));
    const codeOf = (promise: Promise<unknown>) =>
      settle(
        promise.then(
          () => 'none',
          (error: unknown) => (error instanceof DiskError ? error.code : String(error)),
        ),
      );
    const commit = (file: DiskFile, bytes: Uint8Array, position: number) =>
      settle(new Promise<DiskError | null>((resolve) => file.commit(bytes, position, resolve)));

    async function contents(file: DiskFile): Promise<Uint8Array> {
      const bytes = new Uint8Array(await settle(file.size()));
      expect(await settle(file.read(bytes, 0))).toBe(bytes.length);
      return bytes;
    }

    it('reads what was written, and zeros from holes', async () => {
      const file = await create('f');
      await settle(file.write(text('head'), 0));
      await settle(file.write(text('tail'), 1000));
      const bytes = await contents(file);
      expect(bytes.length).toBe(1004);
      expect(bytes.subarray(0, 4)).toEqual(text('head'));
      expect(bytes.subarray(4, 1000).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(1000)).toEqual(text('tail'));
      await settle(file.close());
    });

    it('reads no more than there is', async () => {
      const file = await create('f');
      await settle(file.write(text('abc'), 0));
      const into = new Uint8Array(8).fill(0xee);
      expect(await settle(file.read(into, 1))).toBe(2);
      expect(into.subarray(0, 3)).toEqual(new Uint8Array([0x62, 0x63, 0xee]));
      expect(await settle(file.read(into, 3))).toBe(0);
      expect(await settle(file.read(into, 99))).toBe(0);
      await settle(file.close());
    });

    it('cuts and extends', async () => {
      const file = await create('f');
      await settle(file.write(text('abcdef'), 0));
      await settle(file.truncate(2));
      expect(await contents(file)).toEqual(text('ab'));
      await settle(file.truncate(5));
      expect(await contents(file)).toEqual(new Uint8Array([0x61, 0x62, 0, 0, 0]));
      await settle(file.close());
    });

    it('opens what exists, and creates or empties on demand', async () => {
      const { disk } = harness;
      const missing = await settle(disk.open(`${root}/f`, 'read').catch((error: unknown) => error));
      expect(isMissing(missing)).toBe(true);
      expect(await codeOf(disk.open(`${root}/f`, 'write'))).toBe('ENOENT');
      expect(await codeOf(disk.open(`${root}/none/f`, 'create'))).toBe('ENOENT');
      const made = await create('f');
      await settle(made.write(text('abc'), 0));
      await settle(made.close());
      const kept = await settle(disk.open(`${root}/f`, 'write'));
      expect(await contents(kept)).toEqual(text('abc'));
      await settle(kept.close());
      const emptied = await create('f');
      expect(await settle(emptied.size())).toBe(0);
      expect(emptied.path).toBe(`${root}/f`);
      await settle(emptied.close());
    });

    it('refuses to write to a file that is open for reading', async () => {
      await settle((await create('f')).close());
      const file = await settle(harness.disk.open(`${root}/f`, 'read'));
      expect(await codeOf(file.write(text('x'), 0))).toBe('EBADF');
      await settle(file.close());
    });

    it('makes directories with those above them, and lists names', async () => {
      const { disk } = harness;
      await settle(disk.makeDirectory(`${root}/a/b/c`));
      await settle(disk.makeDirectory(`${root}/a/b`));
      await settle((await create('a/f')).close());
      expect((await settle(disk.list(`${root}/a`))).sort()).toEqual(['b', 'f']);
      expect(await settle(disk.list(`${root}/a/b/c`))).toEqual([]);
      expect(await codeOf(disk.list(`${root}/none`))).toBe('ENOENT');
      await settle(disk.syncDirectory(`${root}/a`));
      expect(await codeOf(disk.syncDirectory(`${root}/none`))).toBe('ENOENT');
    });

    it('renames over an existing file', async () => {
      const { disk } = harness;
      const first = await create('f');
      await settle(first.write(text('new'), 0));
      await settle((await create('g')).close());
      await settle(disk.rename(`${root}/f`, `${root}/g`));
      expect(await settle(disk.list(root))).toEqual(['g']);
      const renamed = await settle(disk.open(`${root}/g`, 'read'));
      expect(await contents(renamed)).toEqual(text('new'));
      await settle(renamed.close());
      await settle(first.close());
      expect(await codeOf(disk.rename(`${root}/none`, `${root}/h`))).toBe('ENOENT');
    });

    it('removes a name; who has the file open keeps it', async () => {
      const { disk } = harness;
      const file = await create('f');
      await settle(file.write(text('still here'), 0));
      await settle(disk.remove(`${root}/f`));
      expect(await settle(disk.list(root))).toEqual([]);
      expect(await contents(file)).toEqual(text('still here'));
      await settle(file.close());
      expect(await codeOf(disk.remove(`${root}/f`))).toBe('ENOENT');
    });

    it.each(['allocated', 'ordinary'])('commits from an %s buffer', async (kind) => {
      const file = await create('f');
      const bytes = kind === 'allocated' ? harness.disk.allocate(700) : new Uint8Array(700);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      for (let round = 0; round < 5; round++) {
        bytes.fill(round + 1);
        expect(await commit(file, bytes.subarray(0, 600), round * 600)).toBeNull();
      }
      const all = await contents(file);
      expect(all.length).toBe(3000);
      expect(all.every((byte, at) => byte === Math.floor(at / 600) + 1)).toBe(true);
      await settle(file.sync());
      await settle(file.close());
    });

    it('never answers a commit before it has returned', async () => {
      const file = await create('f');
      let isAnswered = false;
      file.commit(text('x'), 0, () => {
        isAnswered = true;
      });
      expect(isAnswered).toBe(false);
      await harness.until(() => isAnswered);
      await settle(file.close());
    });

    it('answers a commit on a closed file with an error', async () => {
      const file = await create('f');
      await settle(file.close());
      const error = await commit(file, text('x'), 0);
      expect(error).toBeInstanceOf(DiskError);
      expect(error?.code).toBe('EBADF');
    });

    it('agrees with an array of bytes', async () => {
      const change = fc.oneof(
        fc.record({
          kind: fc.constant('write' as const),
          position: fc.nat(2000),
          bytes: fc.uint8Array({ maxLength: 1500 }),
        }),
        fc.record({ kind: fc.constant('truncate' as const), length: fc.nat(3000) }),
        fc.record({ kind: fc.constant('sync' as const) }),
      );
      const property = fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        const file = await create('model');
        let model: number[] = [];
        for (const each of changes) {
          if (each.kind === 'write') {
            await settle(file.write(each.bytes, each.position));
            const end = each.bytes.length === 0 ? 0 : each.position + each.bytes.length;
            while (model.length < end) model.push(0);
            each.bytes.forEach((byte, at) => (model[each.position + at] = byte));
          } else if (each.kind === 'truncate') {
            await settle(file.truncate(each.length));
            while (model.length < each.length) model.push(0);
            model = model.slice(0, each.length);
          } else {
            await settle(file.sync());
          }
          expect(Buffer.from(await contents(file)).equals(Buffer.from(model))).toBe(true);
        }
        await settle(file.close());
      });
      await fc.assert(property, { seed: 1, numRuns: 60 });
    });
  });
}
