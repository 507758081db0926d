import { describe, expect, it } from '@jest/globals';
import { DataDirectory, MEMBER_NOTE_NAME, type MemberNote } from '@aviary/storage';
import { ManualClock } from './manual-clock.js';
import { MemoryDisk } from './memory-disk.js';

const DIRECTORY = '/data/version-2';
const NOTE: MemberNote = {
  serverId: 3,
  servers: new Map([
    [1, ['alpha']],
    [2, ['beta', '2001:db8::2']],
    [3, ['10.0.0.3']],
  ]),
};

function directoryOn(disk: MemoryDisk): DataDirectory {
  return new DataDirectory(disk, new ManualClock(), { dataDir: '/data' });
}

describe('the note of whose data lies in a directory', () => {
  it('is not there at first, and is what was written then', async () => {
    const directory = directoryOn(new MemoryDisk());
    expect(await directory.readMemberNote()).toBeNull();
    await directory.writeMemberNote(NOTE);
    expect(await directory.readMemberNote()).toEqual(NOTE);
  });

  it('is read before there are directories', async () => {
    const directory = new DataDirectory(new MemoryDisk(), new ManualClock(), { dataDir: '/none' });
    expect(await directory.readMemberNote()).toBeNull();
  });

  it('has room for every server that there can be', async () => {
    const servers = new Map(
      Array.from({ length: 254 }, (_, at) => [at + 1, [`${'h'.repeat(250)}${at}`, 'b']] as const),
    );
    const directory = directoryOn(new MemoryDisk());
    await directory.writeMemberNote({ serverId: 7, servers });
    expect(await directory.readMemberNote()).toEqual({ serverId: 7, servers });
  });

  it.each(['', 'server 3 of 1=alpha', 'server 3 of 1=alpha 00000000\n'])(
    'counts as missing when it cannot be read: %j',
    async (text) => {
      const disk = new MemoryDisk();
      const directory = directoryOn(disk);
      const file = await disk.open(`${DIRECTORY}/${MEMBER_NOTE_NAME}`, 'create');
      await file.write(Buffer.from(text), 0);
      await file.close();
      expect(await directory.readMemberNote()).toBeNull();
    },
  );
});
