import { describe, expect, it } from '@jest/globals';
import { DataTree, TreeLoader, TreeSnapshot, standardAuthSchemes } from '@aviary/znodes';
import { SnapshotStream, snapshotStreamEnd } from '../../src/ensemble/snapshot-stream.js';

const options = { seed: 7, schemes: standardAuthSchemes(null) };

/** What a leader sends of a fresh tree, and two bytes of what comes behind it. */
function streamed(): Buffer {
  const snapshot = new TreeSnapshot(DataTree.fresh(options), 64);
  const pieces: Uint8Array[] = [];
  for (let piece = snapshot.next(); piece !== null; piece = snapshot.next())
    pieces.push(piece.slice());
  return Buffer.concat([...pieces, snapshotStreamEnd(), Buffer.from([1, 2])]);
}

function loader(): { tree: DataTree; stream: SnapshotStream } {
  const tree = new DataTree(options);
  return { tree, stream: new SnapshotStream(new TreeLoader(tree, true), 1 << 20) };
}

describe('a snapshot between two packets', () => {
  const bytes = streamed();

  it('is taken whole, and no byte behind it', () => {
    const { stream, tree } = loader();
    expect(stream.push(bytes, 0, bytes.length)).toBe(bytes.length - 2);
    expect([stream.isDone, tree.nodes.size]).toEqual([true, DataTree.fresh(options).nodes.size]);
  });

  it.each([1, 2, 3, 7, 50])('is taken in pieces of %i bytes', (length) => {
    const { stream, tree } = loader();
    const isDone = (): boolean => stream.isDone;
    let at = 0;
    while (!isDone()) {
      const end = Math.min(at + length, bytes.length);
      const stoppedAt = stream.push(bytes, at, end);
      expect(stoppedAt === end || isDone()).toBe(true);
      at = stoppedAt;
    }
    expect([at, tree.nodes.size]).toEqual([bytes.length - 2, DataTree.fresh(options).nodes.size]);
  });

  it('must end as snapshots do', () => {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(bytes.length - 4) ^ 1, bytes.length - 4);
    expect(() => loader().stream.push(damaged, 0, damaged.length)).toThrow('does not end');
  });
});
