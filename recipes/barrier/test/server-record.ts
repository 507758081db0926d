import type { Tree } from '../../../test/recipes/recipe-servers.js';
import type { BarrierWorld } from './barrier-world.js';

/** A round, as the server saw it open. */
export interface Opening {
  readonly token: bigint;
  /** The czxids of the members that stood inside then. */
  readonly members: readonly bigint[];
}

/**
 * What happens to a directory, seen from inside the servers at each transaction: no client is asked,
 * so nothing is missed and nothing late.
 */
export class ServerRecord {
  private readonly world: BarrierWorld;
  private readonly path: string;
  /** What a tree has shown since it served last: of that a new leader may cut off something again. */
  private readonly sights = new Map<Tree, Opening[]>();
  private readonly certain = new Map<bigint, Opening>();

  /** From now on every server that runs is watched. */
  constructor(world: BarrierWorld, path: string) {
    this.world = world;
    this.path = path;
    this.update();
    world.world.check(() => this.update());
  }

  /** In the order of their tokens: one server may see them later than another. */
  get openings(): readonly Opening[] {
    return [...this.certain.values()].sort((one, other) => Number(one.token - other.token));
  }

  /**
   * The czxids of the members that are inside now but for `own`, by a server that has seen `zxid`; none
   * without such a server.
   */
  members(zxid = 0n, own: string | null = null): bigint[] {
    const [port] = this.world.servers.ports;
    if (port === undefined || port.tree.lastZxid < zxid) return [];
    return this.membersIn(port.tree, own);
  }

  private update(): void {
    const { ports, trees } = this.world.servers;
    for (const tree of trees) if (!this.sights.has(tree)) this.attachTo(tree);
    for (const { tree } of ports) {
      for (const opening of this.sights.get(tree)!.splice(0)) {
        if (!this.certain.has(opening.token)) this.certain.set(opening.token, opening);
      }
    }
  }

  private attachTo(tree: Tree): void {
    const openings: Opening[] = [];
    this.sights.set(tree, openings);
    const look = (): void => {
      const ready = tree.findText(`${this.path}/ready`);
      if (ready === -1) return;
      const token = czxidOf(tree, ready);
      if (openings.at(-1)?.token === token || this.certain.has(token)) return;
      openings.push({ token, members: this.membersIn(tree) });
    };
    const tell = tree.tellChildrenChanged.bind(tree);
    tree.tellChildrenChanged = (parent) => {
      look();
      tell(parent);
    };
    look();
  }

  private membersIn(tree: Tree, own: string | null = null): bigint[] {
    const directory = tree.findText(this.path);
    if (directory === -1) return [];
    const others = [directory, tree.findText(`${this.path}/ready`)];
    if (own !== null) others.push(tree.findText(own));
    const found: bigint[] = [];
    tree.forEachInSubtree(directory, (node) => {
      if (!others.includes(node)) found.push(czxidOf(tree, node));
    });
    return found;
  }
}

function czxidOf(tree: Tree, node: number): bigint {
  const image = new Uint8Array(128);
  tree.nodes.select(node);
  tree.fillStatImage(node, image);
  return new DataView(image.buffer).getBigInt64(0);
}
