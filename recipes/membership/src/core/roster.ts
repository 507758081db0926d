import type { WaitOptions } from '@aviary/client';
import type { CachedTree, TreeNode, TreeSnapshot, TreeView } from '@aviary/coordination';
import { Observable, concatMap, distinctUntilChanged, from, map, type Subscriber } from 'rxjs';
import { memberChanges, type MemberChange } from './member.js';

/** Who is there, and whether that is certain. */
export interface RosterView<M> {
  /** In the order of their ids. */
  readonly members: readonly M[];
  /**
   * There is no connection, or the list is being read again after a gap: who is in it may be gone. It is
   * kept, and never emptied for that.
   */
  readonly stale: boolean;
}

interface Comparable {
  readonly id: string;
  readonly czxid: bigint;
}

/** The children of a directory as members of something, kept up to date. */
export class Roster<M extends Comparable> {
  readonly view$: Observable<RosterView<M>>;
  readonly members$: Observable<readonly M[]>;
  readonly changes$: Observable<MemberChange<M>>;
  private readonly tree: CachedTree;
  private readonly read: (node: TreeNode) => M | null;

  /** @param read Makes a member of a node; null: it is none. */
  constructor(tree: CachedTree, read: (node: TreeNode) => M | null) {
    this.tree = tree;
    this.read = read;
    this.view$ = new Observable((subscriber) => this.follow(subscriber));
    this.members$ = this.view$.pipe(
      map(({ members }) => members),
      distinctUntilChanged(),
    );
    this.changes$ = new Observable<readonly MemberChange<M>[]>((subscriber) => {
      let before: readonly M[] = [];
      return this.members$.subscribe({
        next: (members) => {
          const changes = memberChanges(before, members);
          before = members;
          subscriber.next(changes);
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    }).pipe(concatMap((changes) => from(changes)));
  }

  async load(options?: WaitOptions): Promise<readonly M[]> {
    return this.membersIn(await this.tree.load(options), new Map()).members;
  }

  private follow(subscriber: Subscriber<RosterView<M>>) {
    let known = new Map<TreeNode, M | null>();
    let shown: RosterView<M> | null = null;
    return this.tree.view$.subscribe({
      next: ({ snapshot, stale }: TreeView) => {
        const next = this.membersIn(snapshot, known);
        known = next.known;
        const isSame = shown !== null && isSameList(shown.members, next.members);
        if (isSame && shown?.stale === stale) return;
        const members = isSame && shown !== null ? shown.members : next.members;
        shown = { members, stale };
        subscriber.next(shown);
      },
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
  }

  /** A node that has not changed stays the same member. */
  private membersIn(snapshot: TreeSnapshot, before: ReadonlyMap<TreeNode, M | null>) {
    const known = new Map<TreeNode, M | null>();
    const members: M[] = [];
    for (const node of snapshot.children()) {
      const was = before.get(node);
      const member = was === undefined ? this.read(node) : was;
      known.set(node, member);
      if (member !== null) members.push(member);
    }
    return { known, members };
  }
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}
