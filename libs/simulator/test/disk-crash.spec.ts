import { describe, expect, it } from '@jest/globals';
import type { Disk, DiskFile } from '@aviary/foundation';
import { killNine, powerCut, World, worstPowerCut, type KillOptions } from '@aviary/simulator';

const text = (value: string) => new TextEncoder().encode(value);
const shown = (bytes: Uint8Array | null) =>
  bytes === null ? 'absent' : new TextDecoder().decode(bytes).replaceAll('\0', '.');

/** What `paths` hold after `main` ran to its end and the power went, for 60 seeds, each once. */
async function outcomes(
  main: (disk: Disk) => Promise<unknown>,
  paths: readonly string[],
  kill: KillOptions = powerCut,
): Promise<string[]> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const world = new World({ seed });
    const host = world.addHost('one');
    await world.settle(main(host.boot().disk));
    host.restart(kill);
    seen.add(paths.map((path) => shown(host.drive.contentsOf(path))).join(' '));
  }
  return [...seen].sort();
}

async function createDurably(disk: Disk, path: string, contents: string): Promise<DiskFile> {
  const file = await disk.open(path, 'create');
  await file.write(text(contents), 0);
  await file.sync();
  await disk.syncDirectory('/data');
  return file;
}

const block = (letter: string) => letter.repeat(512);

describe('the power goes', () => {
  it('and what was synced is there', async () => {
    const main = (disk: Disk) => createDurably(disk, '/data/f', 'safe');
    expect(await outcomes(main, ['/data/f'])).toEqual(['safe']);
    expect(await outcomes(main, ['/data/f'], worstPowerCut)).toEqual(['safe']);
    const committed = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', '');
      await new Promise((done) => file.commit(text('committed'), 0, done));
    };
    expect(await outcomes(committed, ['/data/f'])).toEqual(['committed']);
  });

  it('and a file whose directory was not synced may be gone, though its bytes were synced', async () => {
    const main = async (disk: Disk) => {
      const file = await disk.open('/data/f', 'create');
      await file.write(text('safe?'), 0);
      await file.sync();
    };
    expect(await outcomes(main, ['/data/f'])).toEqual(['absent', 'safe?']);
    expect(await outcomes(main, ['/data/f'], worstPowerCut)).toEqual(['absent']);
  });

  it('and a write that was not synced is there, gone, or gone with its length kept', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', '');
      await file.write(text('abc'), 0);
    };
    expect(await outcomes(main, ['/data/f'])).toEqual(['', '...', 'abc']);
  });

  it('and a write of several sectors is torn in any way', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', block('-') + block('-'));
      await file.write(text(block('a') + block('b')), 0);
    };
    const seen = await outcomes(main, ['/data/f']);
    const halves = seen.map((contents) => contents[0]! + contents[512]!);
    expect(halves.sort()).toEqual(['--', '-b', 'a-', 'ab']);
  });

  it('and writes have changed their order', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', block('-').repeat(3));
      await file.write(text(block('1')), 0);
      await file.write(text(block('2')), 512);
      await file.write(text(block('3')), 1024);
    };
    const seen = await outcomes(main, ['/data/f']);
    const firsts = seen.map((contents) => contents[0]! + contents[512]! + contents[1024]!);
    expect(firsts).toContain('--3');
    expect(firsts).toContain('-2-');
    expect(firsts).toContain('123');
  });

  it('and a sector is as it was after one of the writes to it', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', '----');
      await file.write(text('1'), 0);
      await file.write(text('2'), 1);
      await file.write(text('3'), 2);
    };
    expect(await outcomes(main, ['/data/f'])).toEqual(['----', '1---', '12--', '123-']);
  });

  it('and a sync under way has covered only what was written before it was asked for', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', block('-') + block('-'));
      await file.write(text(block('1')), 0);
      const synced = file.sync();
      await file.write(text(block('2')), 512);
      await synced;
    };
    const seen = await outcomes(main, ['/data/f'], worstPowerCut);
    expect(seen.map((contents) => contents[0]! + contents[512]!)).toEqual(['1-']);
  });

  it('and a cut is there with what followed it, or not at all', async () => {
    const main = async (disk: Disk) => {
      const file = await createDurably(disk, '/data/f', 'old contents');
      await file.truncate(0);
      await file.write(text('new'), 0);
    };
    const seen = await outcomes(main, ['/data/f']);
    expect(seen).toEqual(['', '...', 'new', 'old contents']);
  });

  it('and a rename has happened or not, never half', async () => {
    const main = async (disk: Disk) => {
      await createDurably(disk, '/data/f', 'old');
      await createDurably(disk, '/data/f.tmp', 'new');
      await disk.rename('/data/f.tmp', '/data/f');
    };
    const paths = ['/data/f', '/data/f.tmp'];
    expect(await outcomes(main, paths)).toEqual(['new absent', 'old new']);
    const synced = (disk: Disk) => main(disk).then(() => disk.syncDirectory('/data'));
    expect(await outcomes(synced, paths)).toEqual(['new absent']);
  });

  it('and names are lost one by one, but a rename needs the name that it renames', async () => {
    const main = async (disk: Disk) => {
      await disk.open('/data/a', 'create');
      await disk.open('/data/b', 'create');
      await disk.rename('/data/b', '/data/c');
    };
    const seen = await outcomes(main, ['/data/a', '/data/b', '/data/c']);
    expect(seen).toEqual(
      [
        ' absent ', // all three changes
        ' absent absent', // a alone
        '  absent', // a and b
        'absent absent ', // b and its rename
        'absent absent absent',
        'absent  absent', // b alone
      ].sort(),
    );
  });

  it('and a renamed file has one name, however often it was renamed', async () => {
    const main = async (disk: Disk) => {
      await createDurably(disk, '/data/a', 'one');
      await disk.rename('/data/a', '/data/b');
      await disk.rename('/data/b', '/data/c');
    };
    expect(await outcomes(main, ['/data/a', '/data/b', '/data/c'])).toEqual([
      'absent absent one',
      'absent one absent',
      'one absent absent',
    ]);
  });

  it('and a move is durable with the directory that the file went to', async () => {
    const main = async (disk: Disk) => {
      await disk.makeDirectory('/data/sub');
      await disk.syncDirectory('/data');
      const file = await disk.open('/data/f', 'create');
      await file.write(text('moved'), 0);
      await file.sync();
      await disk.rename('/data/f', '/data/sub/f');
      await disk.syncDirectory('/data/sub');
    };
    expect(await outcomes(main, ['/data/f', '/data/sub/f'])).toEqual(['absent moved']);
  });

  it('and a sync of a directory has covered only names from before it was asked for', async () => {
    const main = async (disk: Disk) => {
      await disk.open('/data/a', 'create');
      const synced = disk.syncDirectory('/data');
      await disk.open('/data/b', 'create');
      await synced;
    };
    const seen = await outcomes(main, ['/data/a', '/data/b'], worstPowerCut);
    expect(seen).toEqual([' absent']);
  });

  it('and a removed name may be back', async () => {
    const main = async (disk: Disk) => {
      await createDurably(disk, '/data/f', 'undead');
      await disk.remove('/data/f');
    };
    expect(await outcomes(main, ['/data/f'])).toEqual(['absent', 'undead']);
    const synced = (disk: Disk) => main(disk).then(() => disk.syncDirectory('/data'));
    expect(await outcomes(synced, ['/data/f'])).toEqual(['absent']);
  });

  it('and a directory takes with it what is in it', async () => {
    const main = async (disk: Disk) => {
      await disk.makeDirectory('/data/deep');
      const file = await disk.open('/data/deep/f', 'create');
      await file.write(text('x'), 0);
      await file.sync();
      await disk.syncDirectory('/data/deep');
    };
    expect(await outcomes(main, ['/data/deep/f'])).toEqual(['absent', 'x']);
    const synced = (disk: Disk) => main(disk).then(() => disk.syncDirectory('/data'));
    expect(await outcomes(synced, ['/data/deep/f'])).toEqual(['x']);
  });

  it('and it goes again: what survived once is durable', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World({ seed });
      const host = world.addHost('one');
      const { disk } = host.boot();
      const file = await world.settle(disk.open('/data/f', 'create'));
      await world.settle(file.write(text('abc'), 0));
      host.restart(powerCut);
      const once = shown(host.drive.contentsOf('/data/f'));
      host.restart(worstPowerCut);
      expect(shown(host.drive.contentsOf('/data/f'))).toBe(once);
    }
  });
});

describe('kill -9', () => {
  it('loses nothing that was written, and makes nothing durable', async () => {
    const main = async (disk: Disk) => {
      const file = await disk.open('/data/f', 'create');
      await file.write(text('cached'), 0);
    };
    expect(await outcomes(main, ['/data/f'], killNine)).toEqual(['cached']);
    const world = new World({ seed: 1 });
    const host = world.addHost('one');
    await world.settle(main(host.boot().disk));
    host.restart(killNine);
    host.restart(worstPowerCut);
    expect(host.drive.contentsOf('/data/f')).toBeNull();
  });

  it('leaves what was under way done or not', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const world = new World({ seed });
      const host = world.addHost('one');
      const file = await world.settle(host.boot().disk.open('/data/f', 'create'));
      void file.write(text('x'), 0);
      host.restart(killNine);
      seen.add(shown(host.drive.contentsOf('/data/f')));
    }
    expect([...seen].sort()).toEqual(['', 'x']);
  });
});
