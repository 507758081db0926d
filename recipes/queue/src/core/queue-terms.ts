import type { Acl, ZooKeeper } from '@aviary/client';
import type { Log, Random } from '@aviary/foundation';
import type { Receipts } from '@aviary/coordination';
import type { QueueLayout } from './item-names.js';
import type { ServerTime } from './server-time.js';

/** Everything that the parts of one queue know. */
export interface QueueTerms {
  readonly zk: ZooKeeper;
  readonly path: string;
  /** Where claims stand, one for each item that is worked on. */
  readonly lockPath: string;
  /** The queue of those that failed; null: they are dropped, with a line in the log. */
  readonly deadPath: string | null;
  readonly layout: QueueLayout;
  readonly maxItems: number;
  readonly acl: readonly Acl[] | undefined;
  readonly identity: string;
  /** null: nothing but the items is written. */
  readonly receipts: Receipts | null;
  readonly random: Random;
  /** By it items are due. */
  readonly time: ServerTime;
  readonly log: Log;
  /** For calls that say nothing else. */
  readonly waitMs: number;
}
