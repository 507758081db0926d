import type { Clock, Timer } from '@aviary/foundation';
import { readUint53 } from '@aviary/foundation';
import { JuteReader, JuteWriter } from '@aviary/jute';
import { StatOffset } from '@aviary/protocol';
import { Word, type DataTree } from '@aviary/znodes';

const MINUTE_MS = 60_000;
/** Nodes looked at in one go: the rest waits for the next turn of the event loop. */
const SCAN_NODES = 2000;

/** When containers and TTL nodes go. */
export interface ReaperOptions {
  readonly reaperIntervalMs: number;
  readonly reapedPerMinuteMax: number;
  readonly containerNeverUsedMs: number;
}

/**
 * Proposes the deletion of containers that have lost their last child and of nodes whose time to
 * live has passed. What it proposes is checked once more when the transaction is made.
 * ContainerManager.
 */
export class Reaper {
  private timer: Timer | null = null;
  private readonly reader = new JuteReader(new Uint8Array(0));

  /** @param propose Takes the body of a deleteContainer request. */
  constructor(
    private readonly tree: DataTree,
    private readonly clock: Clock,
    private readonly options: ReaperOptions,
    private readonly propose: (body: JuteReader) => void,
  ) {}

  start(): void {
    this.timer = this.clock.setTimer(this.options.reaperIntervalMs, () => this.scan());
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  private scan(): void {
    const candidates = [...this.tree.containers, ...this.tree.ttls.keys()];
    const perRound = (this.options.reapedPerMinuteMax * this.options.reaperIntervalMs) / MINUTE_MS;
    this.scanSome(candidates, 0, Math.max(1, Math.floor(perRound)));
  }

  private scanSome(candidates: readonly number[], from: number, left: number): void {
    const end = Math.min(from + SCAN_NODES, candidates.length);
    let budget = left;
    for (let i = from; i < end && budget > 0; i++) {
      if (!this.isDue(candidates[i])) continue;
      this.proposeDeletion(candidates[i]);
      budget--;
    }
    if (end === candidates.length || budget === 0) {
      this.start();
      return;
    }
    this.timer = this.clock.setTimer(0, () => this.scanSome(candidates, end, budget));
  }

  /** The number may have passed to another node since the scan began: everything is looked up. */
  private isDue(node: number): boolean {
    const { tree } = this;
    const ttlMs = tree.ttls.get(node);
    const isContainer = tree.containers.has(node);
    if (ttlMs === undefined && !isContainer) return false;
    tree.nodes.select(node);
    const { bytes, statAt } = tree.nodes;
    const hasChildren = tree.nodes.word(Word.firstChild) >= 0;
    if (hasChildren) return false;
    const ageMs = this.clock.wallMs() - readUint53(bytes, statAt + StatOffset.mtime);
    if (ttlMs !== undefined) return ageMs > ttlMs;
    const wasUsed = tree.nodes.word(Word.childrenCreated) !== 0;
    const { containerNeverUsedMs } = this.options;
    return wasUsed || (containerNeverUsedMs > 0 && ageMs > containerNeverUsedMs);
  }

  private proposeDeletion(node: number): void {
    const body = new JuteWriter(64);
    body.ustring(this.tree.nodes.pathOf(node));
    this.propose(this.reader.reset(body.bytes, 0, body.position));
  }
}
