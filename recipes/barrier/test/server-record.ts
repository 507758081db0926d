import type { BarrierWorld } from './barrier-world.js';

/** A round, as the server saw it open. */
export interface Opening {
  readonly token: bigint;
  /** The czxids of the members that stood inside then. */
  readonly members: readonly bigint[];
}

type Tree = BarrierWorld['port']['tree'];

/**
 * What happens to a directory, seen from inside the server at each transaction: no client is asked,
 * so nothing is missed and nothing late.
 */
export class ServerRecord {
  readonly openings: Opening[] = [];
  private readonly world: BarrierWorld;
  private readonly path: string;
  private watched: Tree | null = null;
  private token = 0n;

  constructor(world: BarrierWorld, path: string) {
    this.world = world;
    this.path = path;
  }

  /** Whether a server was there that is not watched yet. */
  attach(): boolean {
    const tree = this.world.treeServed;
    if (tree === null || tree === this.watched) return false;
    this.watched = tree;
    const tell = tree.tellChildrenChanged.bind(tree);
    tree.tellChildrenChanged = (parent) => {
      this.look(tree);
      tell(parent);
    };
    this.look(tree);
    return true;
  }

  /** The czxids of the members that are inside now. */
  members(tree = this.watched): bigint[] {
    if (tree === null) return [];
    const directory = tree.findText(this.path);
    if (directory === -1) return [];
    const ready = tree.findText(`${this.path}/ready`);
    const found: bigint[] = [];
    tree.forEachInSubtree(directory, (node) => {
      if (node !== directory && node !== ready) found.push(czxidOf(tree, node));
    });
    return found;
  }

  private look(tree: Tree): void {
    const ready = tree.findText(`${this.path}/ready`);
    if (ready === -1) return;
    const token = czxidOf(tree, ready);
    if (token === this.token) return;
    this.token = token;
    this.openings.push({ token, members: this.members(tree) });
  }
}

function czxidOf(tree: Tree, node: number): bigint {
  const image = new Uint8Array(128);
  tree.nodes.select(node);
  tree.fillStatImage(node, image);
  return new DataView(image.buffer).getBigInt64(0);
}
