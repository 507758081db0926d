import { expect, it } from '@jest/globals';
import { parseEnsembleConfig } from '@aviary/protocol';
import { ConfigurationError } from '@aviary/server';
import { MEMBER_NOTE_NAME } from '@aviary/storage';
import { EnsembleWorld, configOf, type GivenOptions, type TestMember } from './ensemble-world.js';

const NOTE = `/data/version-2/${MEMBER_NOTE_NAME}`;

/** Server 1 of three, which has run, and does not any more. */
async function onceStarted(): Promise<{ world: EnsembleWorld; member: TestMember }> {
  const world = new EnsembleWorld();
  const member = world.member(1);
  member.boot();
  await world.reach(() => member.server.lifecycle === 'serving');
  member.kill();
  return { world, member };
}

async function startAgain(
  { world, member }: { world: EnsembleWorld; member: TestMember },
  given: GivenOptions = {},
): Promise<Error | null> {
  member.boot(given);
  await world.reach(() => member.server.lifecycle === 'serving' || member.refusal !== null);
  const { refusal } = member;
  member.kill();
  return refusal;
}

async function readNote({ world, member }: { world: EnsembleWorld; member: TestMember }) {
  const { disk } = member.host.restart();
  const read = async () => {
    const file = await disk.open(NOTE, 'read');
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    return Buffer.from(bytes).toString();
  };
  return world.world.settle(read());
}

async function removeNote({ world, member }: { world: EnsembleWorld; member: TestMember }) {
  const { disk } = member.host.restart();
  await world.world.settle(disk.remove(NOTE).then(() => disk.syncDirectory('/data/version-2')));
}

const ensemble = (...servers: string[]) =>
  parseEnsembleConfig(servers.map((server) => `server.${server}`).join('\n'));

it('data says whose it is, in words for an operator', async () => {
  expect(await readNote(await onceStarted())).toMatch(/^server 1 of 1=m1 2=m2 3=m3 [0-9a-f]{8}\n$/);
});

it('a member whose myid has changed does not start, and says what to do', async () => {
  const scene = await onceStarted();
  const refusal = await startAgain(scene, { serverId: 2 });
  expect(refusal).toBeInstanceOf(ConfigurationError);
  expect(refusal?.message).toBe(
    'the data in /data/version-2 is that of server 1, and this is server 2: correct myid or dataDir ' +
      '(the file member there says whose it is; if the data was brought here on purpose, remove it)',
  );
  expect(await startAgain(scene)).toBeNull();
});

it('a member with the data of another ensemble does not start, and says what to do', async () => {
  const scene = await onceStarted();
  const others = ensemble('1=a:2888:3888', '2=m1:2888:3888', '3=c:2888:3888');
  const refusal = await startAgain(scene, { ensemble: others });
  expect(refusal).toBeInstanceOf(ConfigurationError);
  expect(refusal?.message).toBe(
    'the data in /data/version-2 is that of another ensemble, of 1=m1 2=m2 3=m3, and none of these ' +
      'servers is among 1=a 2=m1 3=c: correct dataDir or the lines server.N (the file member there says ' +
      'whose it is; if the data is right and all servers have new hosts, remove it on each of them)',
  );
  expect(await startAgain(scene)).toBeNull();
});

it('a note that was removed is written anew', async () => {
  const scene = await onceStarted();
  await removeNote(scene);
  expect(await startAgain(scene, { ensemble: configOf([1, 4, 5]) })).toBeNull();
  expect(await readNote(scene)).toContain('server 1 of 1=m1 4=m4 5=m5');
});

it('an ensemble stays the same while its servers come, go and move', async () => {
  const scene = await onceStarted();
  scene.world.world.fabric.setName('M1', [scene.member.host.address]);
  const steps = [
    // Added and taken away; other ports; names in capitals; each moved in its turn; two addresses.
    configOf([1, 2, 3], [4, 5]),
    configOf([1, 2]),
    ensemble('1=m1:1:2', '2=m2:3:4'),
    ensemble('1=M1:2888:3888', '2=x2:2888:3888', '3=x3:2888:3888'),
    ensemble('1=10.0.0.1:2888:3888', '2=x2:2888:3888', '3=x3:2888:3888'),
    ensemble('1=10.0.0.1:2888:3888', '2=y2:2888:3888', '3=x3:2888:3888'),
  ];
  for (const step of steps) expect(await startAgain(scene, { ensemble: step })).toBeNull();
  // What it was at the beginning is another one by now.
  const refusal = await startAgain(scene, { ensemble: configOf([1, 2, 3]) });
  expect(refusal?.message).toContain('of 1=10.0.0.1 2=y2 3=x3, and none');
});
