import type { Zxid } from '@aviary/foundation';
import type { DurableMark } from './durable-mark.js';
import type { NamedFile } from './file-names.js';
import type { SnapshotBodySink, SnapshotSections } from './snapshot-reader.js';

/** The state that is being recovered. */
export interface RecoveryTarget {
  /** Starts over with an empty tree; its body comes to the sink. */
  beginSnapshot(): SnapshotBodySink;

  /** The snapshot of `zxid` is whole. */
  endSnapshot(zxid: Zxid, sections: SnapshotSections): void;

  /** Starts over with what a new ensemble has. */
  beginFresh(): void;

  /** Applies one logged transaction; the bytes are good for the call. */
  apply(bytes: Uint8Array, start: number, end: number): void;
}

/** Where the files are. */
export interface RecoverySource {
  readonly snapshotDirectory: string;
  readonly logDirectory: string;
  /** Oldest first. */
  readonly snapshots: readonly NamedFile[];
  readonly logs: readonly NamedFile[];
  /** How far the newest log was durable, if that is known. */
  readonly mark: DurableMark | null;
}
