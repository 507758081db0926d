import { JuteError, type JuteReader } from '@aviary/jute';
import { OpCode, Permission, StatOffset, WatchEventType } from '@aviary/protocol';
import { NO_NODE, type DataTree } from '@aviary/znodes';
import type { ServerLimits } from './options.js';
import { mayWatch, type Reader } from './read-operations.js';
import { compare64 } from './reply.js';

/** Zxid of events that belong to no transaction: what was missed while away. */
const CATCH_UP_ZXID = -1;

/** What was set one by one may come in another order: what fitted then has to fit now. */
const RESTORE_SLACK = 2;

/** A reader that may go while it is told something. */
export interface ClosableReader extends Reader {
  readonly isGone: boolean;
}

type WatchRule = (path: string, node: number) => void;

/**
 * Sets again the watches of a client that reconnected, and tells it at once of what it missed: what
 * changed after the last transaction that it saw. DataTree.setWatches.
 *
 * Of nodes that the client may not read it hears nothing.
 */
export class WatchRestorer {
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly tree: DataTree,
    private readonly limits: ServerLimits,
  ) {}

  /**
   * Runs setWatches or setWatches2.
   *
   * @returns Whether all watches are set. If not the reader has gone, or watches too much.
   * @throws {JuteError} The body is no such record; nothing was changed.
   */
  run(type: number, body: JuteReader, reader: ClosableReader): boolean {
    const { watches, nodes } = this.tree;
    const seenAt = body.skip(8);
    const isNewer = (field: number) =>
      compare64(nodes.bytes, nodes.statAt + field, body.bytes, seenAt) > 0;
    const tell = (event: WatchEventType, path: string) =>
      reader.notify({ type: event, path, zxid: CATCH_UP_ZXID });
    const isHidden = (node: number) => !this.tree.isAllowed(node, Permission.read, reader.who);

    const data: WatchRule = (path, node) => {
      if (node === NO_NODE) tell(WatchEventType.nodeDeleted, path);
      else if (!isHidden(node) && isNewer(StatOffset.mzxid)) {
        tell(WatchEventType.nodeDataChanged, path);
      } else watches.addData(path, reader);
    };
    const exist: WatchRule = (path, node) => {
      if (node !== NO_NODE && !isHidden(node)) tell(WatchEventType.nodeCreated, path);
      else watches.addData(path, reader);
    };
    const child: WatchRule = (path, node) => {
      if (node === NO_NODE) tell(WatchEventType.nodeDeleted, path);
      else if (!isHidden(node) && isNewer(StatOffset.pzxid)) {
        tell(WatchEventType.nodeChildrenChanged, path);
      } else watches.addChild(path, reader);
    };
    const persistent: WatchRule = (path) => watches.addPersistent(path, reader);
    const recursive: WatchRule = (path) => watches.addRecursive(path, reader);

    const rules = [data, exist, child];
    if (type === OpCode.setWatches2) rules.push(persistent, recursive);
    this.checkLists(body, rules.length);
    return rules.every((rule) => this.forEachPath(body, reader, rule));
  }

  /** Reads all lists once before any watch is set, so that a broken request changes nothing. */
  private checkLists(body: JuteReader, lists: number): void {
    const start = body.position;
    for (let i = 0; i < lists; i++) {
      const count = body.count(4);
      for (let k = 0; k < count; k++) {
        if (body.ustring() === null) throw new JuteError('a watched path is null');
      }
    }
    body.position = start;
  }

  private forEachPath(body: JuteReader, reader: ClosableReader, rule: WatchRule): boolean {
    const count = body.count(4);
    for (let i = 0; i < count; i++) {
      // Told too much it may have been cut off: a watch of who has gone would stay for ever.
      if (reader.isGone) return false;
      if (!mayWatch(this.tree.watches, reader, this.limits, RESTORE_SLACK)) return false;
      const path = body.ustring() ?? '';
      const bytes = this.encoder.encode(path);
      const node = this.tree.nodes.find(bytes, 0, bytes.length);
      if (node !== NO_NODE) this.tree.nodes.select(node);
      rule(path, node);
    }
    return true;
  }
}
