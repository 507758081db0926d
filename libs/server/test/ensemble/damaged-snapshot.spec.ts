import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { JuteError } from '@aviary/jute';
import { StorageError } from '@aviary/storage';
import { TreeSnapshot, standardAuthSchemes } from '@aviary/znodes';
import fc from 'fast-check';
import { LearnerLink } from '../../src/ensemble/learner-link.js';
import { SnapshotStream, snapshotStreamEnd } from '../../src/ensemble/snapshot-stream.js';
import { TreeRecovery } from '../../src/tree-recovery.js';
import { create, createEphemeral, setData } from '../requests.js';
import { DATA_DIRECTORY, EnsembleWorld, type TestMember } from './ensemble-world.js';

/** More than members remember, and large beside a snapshot. */
const MISSED = 1400;
const BATCH = 100;
const SEED = 20_261_123;

/** An ensemble, and a follower that is gone and has missed so much that it needs a snapshot. */
async function missing(): Promise<{ world: EnsembleWorld; follower: TestMember }> {
  const world = await EnsembleWorld.start();
  const { follower, leader } = world;
  const client = await world.session(leader);
  await client.done(create('/counter', { data: 'before' }));
  await world.reach(() => contentsOf(follower) === contentsOf(leader));
  follower.kill();
  for (let done = 0; done < MISSED; done += BATCH) {
    client.send(...Array.from({ length: BATCH }, (_, i) => setData('/counter', `${done + i}`)));
    await client.replies(BATCH);
  }
  return { world, follower };
}

function contentsOf({ server }: TestMember): string {
  const { digest, lastZxid, nodes } = server.state.tree;
  return `${nodes.size} ${digest.high}.${digest.low} ${lastZxid}`;
}

/** What leaders send as a snapshot, damaged: the first `times` of them. */
function damageTransfers(times: number): void {
  const { raw } = LearnerLink.prototype;
  let damaged = 0;
  jest.spyOn(LearnerLink.prototype, 'raw').mockImplementation(function (this: LearnerLink, bytes) {
    const copy = bytes.slice();
    // The number of access control lists, behind that of sessions.
    if (bytes.length > 100 && damaged++ < times) copy.fill(0xff, copy.length - 20);
    raw.call(this, copy);
  });
}

const refusals = ({ warnings }: TestMember) =>
  warnings.filter((line) => line.includes('sent to server'));

afterEach(() => {
  jest.restoreAllMocks();
});

describe('a snapshot that is damaged on its way', () => {
  it('is refused with one line; the learner asks again', async () => {
    const { world, follower } = await missing();
    damageTransfers(1);
    follower.boot();
    await world.settle();
    await world.reach(() => contentsOf(follower) === contentsOf(world.leader));
    expect(refusals(follower)).toHaveLength(1);
    expect(refusals(follower)[0]).toMatch(
      /^warn The snapshot that its leader sent to server \d is damaged: .+\. What the server had stays/,
    );
    expect(follower.failures).toEqual([]);
  });

  it('takes nothing from what the learner has, however often', async () => {
    const { world, follower } = await missing();
    damageTransfers(Infinity);
    follower.boot();
    await world.reach(() => refusals(follower).length >= 3);
    follower.kill();
    world.leader.kill();
    for (const member of world.members.values()) if (member.isAlive) member.kill();
    follower.boot();
    await world.reach(() => follower.server.lifecycle === 'serving');
    const { nodes } = follower.server.state.tree;
    expect(nodes.size).toBeGreaterThan(4);
    expect(follower.server.state.lastLogged).toBeGreaterThan(0);
    expect(follower.warnings.join()).not.toContain('repairs itself');
  });
});

it('a leader whose snapshot on the disk is damaged does not send that', async () => {
  const { world, follower } = await missing();
  const { leader } = world;
  const { drive } = leader.host;
  for (const path of drive.paths()) {
    if (path.startsWith(`${DATA_DIRECTORY}/version-2/snapshot.`)) drive.flipBit(path, 60, 2);
  }
  follower.boot();
  await world.settle();
  await world.reach(() => contentsOf(follower) === contentsOf(leader));
  expect(refusals(follower)).toEqual([]);
});

describe('a stream with any one damage', () => {
  const options = { seed: 7, schemes: standardAuthSchemes(null) };

  async function streamed(): Promise<Buffer> {
    const world = await EnsembleWorld.start();
    const client = await world.session(world.leader);
    await client.done(create('/a', { data: 'some' }));
    await client.done(createEphemeral('/a/b'));
    const snapshot = new TreeSnapshot(world.leader.server.state.tree, 4096);
    const pieces: Uint8Array[] = [];
    for (let piece = snapshot.next(); piece !== null; piece = snapshot.next()) {
      pieces.push(piece.slice());
    }
    return Buffer.concat([...pieces, snapshotStreamEnd()]);
  }

  it('is refused, or waits for more, or is a tree; nothing else happens', async () => {
    const bytes = await streamed();
    let refused = 0;
    const check = (at: number, value: number, length: number): void => {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at]! + value) & 0xff;
      const recovery = new TreeRecovery(options, true, DATA_DIRECTORY);
      const stream = new SnapshotStream(recovery.beginSnapshot(), 1 << 20);
      try {
        for (let from = 0; from < damaged.length && !stream.isDone; from += length) {
          stream.push(damaged, from, Math.min(from + length, damaged.length));
        }
        if (!stream.isDone) return;
        recovery.endSnapshot(1, { digest: null, lastZxid: null });
        recovery.finish();
      } catch (error) {
        if (!(error instanceof JuteError || error instanceof StorageError)) throw error;
        refused++;
      }
    };
    const places = fc.nat({ max: bytes.length - 1 });
    const property = fc.property(
      places,
      fc.integer({ min: 1, max: 255 }),
      fc.nat(200),
      (at, by, n) => check(at, by, n + 1),
    );
    fc.assert(property, { numRuns: 3000, seed: SEED });
    expect(refused).toBeGreaterThan(300);
  });

  it('is refused where an entry takes up more than any can', () => {
    const recovery = new TreeRecovery(options, true, DATA_DIRECTORY);
    const stream = new SnapshotStream(recovery.beginSnapshot(), 1000);
    const endless = Buffer.alloc(2000, 1);
    // No sessions, no access control lists, then a path without end.
    endless.fill(0, 0, 8);
    endless.writeInt32BE(0x7fff_ffff, 8);
    expect(() => stream.push(endless, 0, endless.length)).toThrow(JuteError);
  });
});
