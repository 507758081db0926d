import { readInt32 } from '@aviary/foundation';
import { JuteError, JuteReader, vector } from '@aviary/jute';
import { acl } from '@aviary/protocol';
import type { RecoveryTarget, SnapshotBodySink, SnapshotSections } from '@aviary/storage';

/** What stands behind the data of a node: acl, four longs, three ints, owner, pzxid. */
const NODE_FIELDS_BYTES = 68;
const SESSION_BYTES = 12;

/** Walks over the body of a real snapshot, and keeps no more of it than its paths and its bytes. */
export class TreeBody implements SnapshotBodySink {
  isDone = false;
  readonly paths: string[] = [];
  private readonly taken: Uint8Array[] = [];
  private part: 'sessions' | 'acls' | 'nodes' = 'sessions';
  private left: number | null = null;

  /** The body, as it stands in the file. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.taken);
  }

  consume(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (!this.isDone) {
      const next = this.itemEnd(bytes, at, end);
      if (next === null) break;
      at = next;
    }
    this.taken.push(bytes.slice(start, at));
    return at;
  }

  /** Where the item at `at` ends; null: not all of it is there. */
  private itemEnd(bytes: Uint8Array, at: number, end: number): number | null {
    if (this.part === 'nodes') return this.nodeEnd(bytes, at, end);
    if (this.left === null) {
      if (end - at < 4) return null;
      this.left = readInt32(bytes, at);
      if (this.left < 0) throw new JuteError(`a count of ${this.left}`);
      this.skipFinished();
      return at + 4;
    }
    const next = this.part === 'sessions' ? at + SESSION_BYTES : aclEnd(bytes, at, end);
    if (next === null || next > end) return null;
    this.left--;
    this.skipFinished();
    return next;
  }

  private skipFinished(): void {
    if (this.left !== 0) return;
    this.left = null;
    this.part = this.part === 'sessions' ? 'acls' : 'nodes';
  }

  private nodeEnd(bytes: Uint8Array, at: number, end: number): number | null {
    if (end - at < 4) return null;
    const pathEnd = at + 4 + readInt32(bytes, at);
    if (pathEnd < at + 4) throw new JuteError('a node without a path');
    if (pathEnd > end) return null;
    const path = new TextDecoder().decode(bytes.subarray(at + 4, pathEnd));
    if (path === '/') {
      this.isDone = true;
      return pathEnd;
    }
    if (end - pathEnd < 4) return null;
    const nodeEnd = pathEnd + 4 + Math.max(readInt32(bytes, pathEnd), 0) + NODE_FIELDS_BYTES;
    if (nodeEnd > end) return null;
    this.paths.push(path);
    return nodeEnd;
  }
}

function aclEnd(bytes: Uint8Array, at: number, end: number): number | null {
  const reader = new JuteReader(bytes, at, end);
  try {
    reader.skip(8);
    vector(acl).read(reader);
    return reader.position;
  } catch (error) {
    if (error instanceof JuteError) return null;
    throw error;
  }
}

/** Recovers real data directories: which nodes the snapshot had, and which transactions came. */
export class TreeTarget implements RecoveryTarget {
  body: TreeBody | null = null;
  isFresh = false;
  /** Zxid of the snapshot and what it said beside its body. */
  ended: { readonly zxid: number; readonly sections: SnapshotSections } | null = null;
  applied = 0;

  beginSnapshot(): SnapshotBodySink {
    return (this.body = new TreeBody());
  }

  endSnapshot(zxid: number, sections: SnapshotSections): void {
    this.ended = { zxid, sections };
  }

  beginFresh(): void {
    this.body = null;
    this.isFresh = true;
  }

  apply(): void {
    this.applied++;
  }
}
