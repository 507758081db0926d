import { ErrorCode, WatchEventType, type Stat } from '@aviary/protocol';

export interface FakeNode {
  data: Uint8Array | null;
  stat: { -readonly [K in keyof Stat]: Stat[K] };
  creations: number;
  children: Set<string>;
}

/** An operation of the fake server failed with a code of the protocol. */
export class FakeFailure extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`code ${code}`);
    this.code = code;
  }
}

export interface FakeEvent {
  readonly type: number;
  readonly path: string;
}

/** The least tree that a client can be tested against; not a model of a server. */
export class FakeTree {
  zxid = 0n;
  nodes = new Map<string, FakeNode>();
  private readonly clock: () => number;
  private events: FakeEvent[] = [];

  constructor(clock: () => number) {
    this.clock = clock;
    this.nodes.set('/', this.newNode(new Uint8Array(0), 0n));
  }

  /** The events of what was applied since the last call. */
  takeEvents(): FakeEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }

  get(path: string): FakeNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new FakeFailure(ErrorCode.noNode);
    return node;
  }

  create(path: string, data: Uint8Array | null, sequential: boolean, owner: bigint): string {
    const parent = this.get(parentOf(path));
    const full = sequential ? path + String(parent.creations).padStart(10, '0') : path;
    if (this.nodes.has(full)) throw new FakeFailure(ErrorCode.nodeExists);
    if (parent.stat.ephemeralOwner !== 0n) {
      throw new FakeFailure(ErrorCode.noChildrenForEphemerals);
    }
    this.nodes.set(full, this.newNode(data, owner));
    parent.creations++;
    this.childrenChanged(parentOf(full), parent, full, true);
    this.events.push({ type: WatchEventType.nodeCreated, path: full });
    this.events.push({ type: WatchEventType.nodeChildrenChanged, path: parentOf(full) });
    return full;
  }

  delete(path: string, version: number): void {
    const node = this.get(path);
    checkVersion(node.stat.version, version);
    if (node.children.size > 0) throw new FakeFailure(ErrorCode.notEmpty);
    this.nodes.delete(path);
    this.childrenChanged(parentOf(path), this.get(parentOf(path)), path, false);
    this.events.push({ type: WatchEventType.nodeDeleted, path });
    this.events.push({ type: WatchEventType.nodeChildrenChanged, path: parentOf(path) });
  }

  set(path: string, data: Uint8Array | null, version: number): Stat {
    const node = this.get(path);
    checkVersion(node.stat.version, version);
    node.data = data;
    node.stat.version++;
    node.stat.mzxid = this.zxid;
    node.stat.mtime = BigInt(this.clock());
    node.stat.dataLength = data?.length ?? 0;
    this.events.push({ type: WatchEventType.nodeDataChanged, path });
    return { ...node.stat };
  }

  check(path: string, version: number): void {
    checkVersion(this.get(path).stat.version, version);
  }

  /** Runs `body`; if it throws, nothing of it stays. */
  atomically<T>(body: () => T): T {
    const copy = new Map(
      [...this.nodes].map(([path, node]) => [
        path,
        { ...node, stat: { ...node.stat }, children: new Set(node.children) },
      ]),
    );
    const { events } = this;
    this.events = [...events];
    try {
      return body();
    } catch (error) {
      this.nodes = copy;
      this.events = events;
      throw error;
    }
  }

  ephemeralsOf(sessionId: bigint): string[] {
    return [...this.nodes]
      .filter(([, node]) => node.stat.ephemeralOwner === sessionId)
      .map(([path]) => path);
  }

  private newNode(data: Uint8Array | null, owner: bigint): FakeNode {
    const now = BigInt(Math.round(this.clock()));
    const stat = {
      czxid: this.zxid,
      mzxid: this.zxid,
      ctime: now,
      mtime: now,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: owner,
      dataLength: data?.length ?? 0,
      numChildren: 0,
      pzxid: this.zxid,
    };
    return { data, stat, creations: 0, children: new Set() };
  }

  private childrenChanged(path: string, parent: FakeNode, child: string, added: boolean): void {
    const name = child.slice(path === '/' ? 1 : path.length + 1);
    if (added) parent.children.add(name);
    else parent.children.delete(name);
    parent.stat.pzxid = this.zxid;
    parent.stat.cversion++;
    parent.stat.numChildren = parent.children.size;
  }
}

export function parentOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}

function checkVersion(actual: number, expected: number): void {
  if (expected !== -1 && expected !== actual) throw new FakeFailure(ErrorCode.badVersion);
}
