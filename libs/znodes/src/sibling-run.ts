import { NO_NODE, Word } from './node-record.js';
import type { NodeStore } from './node-store.js';

/**
 * Links nodes that come one after the other and mostly have one parent, as in a snapshot: the parent
 * hears of them once, at the end of the run. Until then its list and its count are those from
 * before.
 */
export class SiblingRun {
  private parent = NO_NODE;
  private first = NO_NODE;
  private count = 0;

  constructor(private readonly nodes: NodeStore) {}

  /** Makes `child`, which is selected and stays so, a child of `parent`. */
  add(parent: number, child: number): void {
    const { nodes } = this;
    if (parent !== this.parent) this.begin(parent);
    const next = this.first;
    if (next !== NO_NODE) {
      nodes.select(next);
      nodes.setWord(Word.previousSibling, child);
    }
    nodes.select(child);
    nodes.setWord(Word.parent, parent);
    nodes.setWord(Word.nextSibling, next);
    nodes.setWord(Word.previousSibling, NO_NODE);
    this.first = child;
    this.count++;
  }

  /** Tells the parent. */
  end(): void {
    if (this.parent === NO_NODE) return;
    const { nodes } = this;
    nodes.select(this.parent);
    nodes.setWord(Word.firstChild, this.first);
    nodes.addToChildCount(this.count);
    this.parent = NO_NODE;
    this.count = 0;
  }

  private begin(parent: number): void {
    this.end();
    this.nodes.select(parent);
    this.parent = parent;
    this.first = this.nodes.word(Word.firstChild);
  }
}
