import { describe, expect, it } from '@jest/globals';
import { DiskError, type DiskFile } from '@aviary/foundation';
import { isFileSync, World, worstPowerCut, type SimulatedHost } from '@aviary/simulator';

const text = (value: string) => new TextEncoder().encode(value);

interface Scene {
  readonly world: World;
  readonly host: SimulatedHost;
  readonly file: DiskFile;
  readonly commit: (bytes: Uint8Array, position: number) => Promise<string>;
}

async function scene(seed: number, capacityBytes = Infinity): Promise<Scene> {
  const world = new World({ seed });
  const host = world.addHost('one', { disk: { capacityBytes } });
  const { disk } = host.boot();
  const file = await world.settle(disk.open('/data/f', 'create'));
  await world.settle(disk.syncDirectory('/data'));
  const commit = (bytes: Uint8Array, position: number) =>
    world.settle(
      new Promise<string>((resolve) => {
        file.commit(bytes, position, (error) => resolve(error?.code ?? 'durable'));
      }),
    );
  return { world, host, file, commit };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: unknown) => (error instanceof DiskError ? error.code : String(error)),
  );

describe('a failed sync', () => {
  it('loses the pages: the next sync succeeds, reads see them, the platter has them not', async () => {
    const lost = new Set<boolean>();
    for (let seed = 1; seed <= 30; seed++) {
      const { world, host, file } = await scene(seed);
      await world.settle(file.write(text('gone'), 0));
      host.drive.failNext('sync');
      expect(await world.settle(codeOf(file.sync()))).toBe('EIO');
      expect(await world.settle(codeOf(file.sync()))).toBe('done');
      expect(host.drive.contentsOf('/data/f')).toEqual(text('gone'));
      host.restart(worstPowerCut);
      lost.add(!Buffer.from(host.drive.contentsOf('/data/f')!).equals(text('gone')));
    }
    expect([...lost].sort()).toEqual([false, true]);
  });

  it('in a commit leaves nothing known', async () => {
    const left = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const { host, commit } = await scene(seed);
      host.drive.failNext('commit');
      expect(await commit(text('x'.repeat(1500)), 0)).toBe('EIO');
      expect(await commit(text('y'), 2000)).toBe('durable');
      host.restart(worstPowerCut);
      const bytes = host.drive.contentsOf('/data/f')!;
      expect(bytes[2000]).toBe(0x79);
      left.add([0, 600, 1100].map((at) => (bytes[at] === 0x78 ? 'x' : '-')).join(''));
    }
    expect(left.size).toBeGreaterThan(3);
    expect(left).toContain('---');
  });

  it('is planned as the nth', async () => {
    const { world, host, file, commit } = await scene(1);
    host.drive.plan({ on: isFileSync, nth: 3, action: { kind: 'fail', code: 'EIO' } });
    expect(await commit(text('a'), 0)).toBe('durable');
    expect(await world.settle(codeOf(file.sync()))).toBe('done');
    expect(await commit(text('b'), 1)).toBe('EIO');
    expect(await commit(text('c'), 2)).toBe('durable');
  });
});

describe('a fault', () => {
  it('hits any kind of operation, with a probability', async () => {
    const { world, host, file } = await scene(1);
    host.drive.model = { ...host.drive.model, errorProbability: { read: 0.5 } };
    const codes: string[] = [];
    for (let round = 0; round < 40; round++) {
      codes.push(await world.settle(codeOf(file.read(new Uint8Array(1), 0))));
    }
    const failed = codes.filter((code) => code === 'EIO').length;
    expect(failed).toBeGreaterThan(8);
    expect(failed).toBeLessThan(32);
    expect(await world.settle(codeOf(file.write(text('x'), 0)))).toBe('done');
  });

  it('of a write leaves a part of it', async () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const { world, host, file } = await scene(seed);
      host.drive.failNext('write', { code: 'EIO' });
      expect(await world.settle(codeOf(file.write(text('0123456789'), 0)))).toBe('EIO');
      lengths.add(host.drive.contentsOf('/data/f')!.length);
    }
    expect(lengths.size).toBeGreaterThan(3);
  });

  it('is a stall, if planned so', async () => {
    const { world, host, file } = await scene(1);
    host.drive.plan({ on: isFileSync, action: { kind: 'delay', ms: 5_000 } });
    const before = world.virtualMs;
    await world.settle(file.sync());
    expect(world.virtualMs - before).toBeGreaterThan(5_000);
    const then = world.virtualMs;
    await world.settle(file.sync());
    expect(world.virtualMs - then).toBeLessThan(100);
  });

  it('is forgotten when told', async () => {
    const { world, host, file } = await scene(1);
    host.drive.plan({ on: () => true, nth: 'all', action: { kind: 'fail', code: 'EROFS' } });
    expect(await world.settle(codeOf(file.size()))).toBe('EROFS');
    expect(await world.settle(codeOf(file.write(text('x'), 0)))).toBe('EROFS');
    host.drive.clearRules();
    expect(await world.settle(codeOf(file.size()))).toBe('done');
  });
});

describe('a full disk', () => {
  it('takes what fits and then nothing, until something is removed', async () => {
    const { world, host, file, commit } = await scene(1, 2048);
    const disk = host.process!.disk;
    expect(await commit(new Uint8Array(1024).fill(1), 0)).toBe('durable');
    expect(await commit(new Uint8Array(2000).fill(2), 1024)).toBe('ENOSPC');
    expect(await world.settle(file.size())).toBe(2048);
    const other = await world.settle(disk.open('/data/g', 'create'));
    expect(await world.settle(codeOf(other.write(text('x'), 0)))).toBe('ENOSPC');
    expect(await commit(text('over what is there'), 0)).toBe('durable');
    await world.settle(disk.remove('/data/f'));
    expect(await world.settle(codeOf(other.write(text('x'), 0)))).toBe('done');
  });

  it('does not count holes', async () => {
    const { world, file } = await scene(1, 1024);
    await world.settle(file.write(text('x'), 64 * 1024 * 1024));
    expect(await world.settle(file.size())).toBe(64 * 1024 * 1024 + 1);
    expect(await world.settle(codeOf(file.write(new Uint8Array(512), 0)))).toBe('done');
    expect(await world.settle(codeOf(file.write(text('x'), 512)))).toBe('ENOSPC');
  });
});

describe('rot', () => {
  it('turns one bit, for readers and for good', async () => {
    const { world, host, file, commit } = await scene(1);
    await commit(text('abc'), 0);
    host.drive.flipBit('/data/f', 1, 0);
    const into = new Uint8Array(3);
    await world.settle(file.read(into, 0));
    expect(into).toEqual(text('acc'));
    host.restart(worstPowerCut);
    expect(host.drive.contentsOf('/data/f')).toEqual(text('acc'));
    expect(() => host.drive.flipBit('/data/none', 0)).toThrow(RangeError);
  });

  it('is healed by a write over it', async () => {
    const { world, host, file, commit } = await scene(1);
    await commit(text('abc'), 0);
    await world.settle(file.write(text('x'), 0));
    host.drive.flipBit('/data/f', 1, 0);
    await world.settle(file.sync());
    host.restart(worstPowerCut);
    expect(host.drive.contentsOf('/data/f')).toEqual(text('xbc'));
  });
});

describe('misuse stops the run', () => {
  it('two commits at once', async () => {
    const { file } = await scene(1);
    file.commit(text('a'), 0, () => undefined);
    expect(() => file.commit(text('b'), 1, () => undefined)).toThrow('two commits at once');
  });

  it('a buffer that changes before the commit is done', async () => {
    const { world, file } = await scene(1);
    const bytes = text('abc');
    file.commit(bytes, 0, () => undefined);
    bytes[1] = 0;
    await expect(world.run()).rejects.toThrow('a buffer was changed');
  });

  it('an operation on a closed file', async () => {
    const { world, file } = await scene(1);
    await world.settle(file.close());
    file.size().catch(() => undefined);
    await expect(world.run()).rejects.toThrow('size on /data/f, which is closed');
  });

  it('a close during a commit', async () => {
    const { world, file } = await scene(1);
    file.commit(text('a'), 0, () => undefined);
    void file.close();
    await expect(world.run()).rejects.toThrow('closed during a commit');
  });
});
