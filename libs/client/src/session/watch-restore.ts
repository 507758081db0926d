import type { JuteWriter } from '@aviary/jute';
import {
  OpCode,
  SET_WATCHES_BYTES_MAX,
  Xid,
  setWatches,
  setWatches2,
  type SetWatches2,
} from '@aviary/protocol';
import type { WatchLists } from './watch-table.js';

type Batch = { -readonly [K in keyof SetWatches2]: SetWatches2[K] } & {
  dataWatches: string[];
  existWatches: string[];
  childWatches: string[];
  persistentWatches: string[];
  persistentRecursiveWatches: string[];
};

function emptyBatch(relativeZxid: bigint): Batch {
  return {
    relativeZxid,
    dataWatches: [],
    existWatches: [],
    childWatches: [],
    persistentWatches: [],
    persistentRecursiveWatches: [],
  };
}

function writeBatch(writer: JuteWriter, batch: Batch): void {
  const lengthAt = writer.reserve(4);
  // Servers before 3.6 know only the older request, so the newer one is used only where needed.
  const trees = batch.persistentWatches.length + batch.persistentRecursiveWatches.length > 0;
  writer.int(Xid.setWatches);
  writer.int(trees ? OpCode.setWatches2 : OpCode.setWatches);
  if (trees) setWatches2.write(writer, batch);
  else setWatches.write(writer, batch);
  writer.intAt(lengthAt, writer.position - lengthAt - 4);
}

/**
 * Appends the frames that tell a new connection of all watches, each with at most
 * {@link SET_WATCHES_BYTES_MAX} bytes of paths. All name the same zxid: an answer to the first must
 * not hide from the second what happened before.
 *
 * @returns The number of frames; each is answered.
 */
export function writeWatches(
  writer: JuteWriter,
  lists: WatchLists,
  relativeZxid: bigint,
  pathBytesMax = SET_WATCHES_BYTES_MAX,
): number {
  let frames = 0;
  let batch = emptyBatch(relativeZxid);
  let bytes = 0;
  const flush = () => {
    if (bytes === 0) return;
    writeBatch(writer, batch);
    frames++;
    batch = emptyBatch(relativeZxid);
    bytes = 0;
  };
  const add = (paths: readonly string[], listOf: (batch: Batch) => string[]) => {
    for (const path of paths) {
      const length = Buffer.byteLength(path);
      if (bytes > 0 && bytes + length > pathBytesMax) flush();
      listOf(batch).push(path);
      bytes += length;
    }
  };
  add(lists.data, (b) => b.dataWatches);
  add(lists.exist, (b) => b.existWatches);
  add(lists.child, (b) => b.childWatches);
  add(lists.persistent, (b) => b.persistentWatches);
  add(lists.recursive, (b) => b.persistentRecursiveWatches);
  flush();
  return frames;
}
