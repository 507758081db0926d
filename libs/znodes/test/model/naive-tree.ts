import { crc32 } from 'node:zlib';
import { encode, int, long, record } from '@aviary/jute';
import { OPEN_ACL, READ_ACL, type Acl, type Stat } from '@aviary/protocol';
import { fixedUp, mayDo } from './naive-access.js';
import { isOverLimit, limitsPath, rootOfStats, statsText } from './naive-quotas.js';
import { NaiveWatches } from './naive-watches.js';
import type { Client, Operation, WriteRequest } from './requests.js';

const READ = 1;
const WRITE = 2;
const CREATE = 4;
const DELETE = 8;
const ADMIN = 16;

/** The ends of two rules at once: no empty component, `.` and `..`; no forbidden character. */
const VALID_PATH =
  /^\/$|^(?:\/(?!\.\.?(?:\/|$))[^/\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+)+$/;

const UNDELETABLE = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'];

export type NaiveKind = 'persistent' | 'ephemeral' | 'container' | 'ttl';

export interface NaiveNode {
  data: Uint8Array | null;
  acl: readonly Acl[];
  readonly kind: NaiveKind;
  readonly owner: bigint;
  readonly ttlMs: number;
  readonly czxid: number;
  mzxid: number;
  pzxid: number;
  readonly ctime: number;
  mtime: number;
  version: number;
  created: number;
  aversion: number;
  readonly children: Set<string>;
}

/** The result of one operation: its type, and what its reply holds; or an error. */
export type NaiveResult =
  | { readonly type: number; readonly path?: string; readonly stat?: Stat }
  | { readonly error: number };

/** The answer to a request: a code, or results: one, or of a multi one for each operation. */
export interface NaiveAnswer {
  readonly error: number;
  readonly results: readonly NaiveResult[];
}

/** How long a container waits for its first child, in the model. */
export const CONTAINER_NEVER_USED_MS = 500;

/** Thrown where a rule is broken; nothing was changed. */
class Refusal extends Error {
  constructor(readonly code: number) {
    super(`refused with ${code}`);
  }
}

function demand(holds: boolean, code: number): void {
  if (!holds) throw new Refusal(code);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** Switches of the server that change what requests may do. */
export interface NaiveOptions {
  readonly extendedTypesEnabled: boolean;
  readonly enforceQuota: boolean;
}

function nextVersion(version: number): number {
  return version === -2 ? 0 : version + 1;
}

const digestedStat = record('DigestedStat', {
  czxid: long,
  mzxid: long,
  pzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  created: int,
  aversion: int,
  owner: long,
});

/**
 * ZooKeeper's semantics from the specification, one request after another, on a plain Map. It knows
 * nothing of how the server does it: no transactions, no outstanding changes, no bytes.
 */
export class NaiveTree {
  nodes = new Map<string, NaiveNode>();
  readonly sessions = new Map<bigint, number>();
  readonly watches = new NaiveWatches();
  /** Who hides behind the name of a connection that watches. */
  readonly connections = new Map<string, Client>();
  private zxid = 0;
  private timeMs = 0;

  constructor(private readonly options: NaiveOptions) {
    for (const path of UNDELETABLE) this.addSystemNode(path);
  }

  private addSystemNode(path: string): void {
    const isConfig = path === '/zookeeper/config';
    this.put(path, new Uint8Array(0), isConfig ? READ_ACL : OPEN_ACL, 'persistent', 0n, 0);
    if (isConfig) this.nodes.get(path)!.aversion = -1;
    if (path !== '/') this.nodes.get(parentOf(path))?.children.add(path);
  }

  private put(
    path: string,
    data: Uint8Array | null,
    acl: readonly Acl[],
    kind: NaiveKind,
    owner: bigint,
    ttlMs: number,
  ): void {
    const { zxid, timeMs } = this;
    this.nodes.set(path, {
      data,
      acl,
      kind,
      owner,
      ttlMs,
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctime: timeMs,
      mtime: timeMs,
      version: 0,
      created: 0,
      aversion: 0,
      children: new Set(),
    });
  }

  /** Does what the request asks for, as transaction `zxid`, and tells the watchers. */
  execute(request: WriteRequest, client: Client, zxid: number, timeMs: number): NaiveAnswer {
    this.zxid = zxid;
    this.timeMs = timeMs;
    const answer = this.answer(request, client);
    this.showUsage();
    return answer;
  }

  private answer(request: WriteRequest, client: Client): NaiveAnswer {
    if (request.type === 14) return this.multi(request.operations, client);
    try {
      return { error: 0, results: [this.perform(request, client, false)] };
    } catch (error) {
      if (error instanceof Refusal) return { error: error.code, results: [] };
      throw error;
    }
  }

  private multi(operations: readonly Operation[], client: Client): NaiveAnswer {
    const before = copyOf(this.nodes);
    const events: (() => void)[] = [];
    const results: NaiveResult[] = [];
    this.later = events;
    for (const operation of operations) {
      try {
        results.push(this.perform(operation, client, true));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.nodes = before;
        this.later = null;
        if (error.code === -5) return { error: -5, results: [] };
        const at = results.length;
        const codes = operations.map((_, i) => (i < at ? 0 : i === at ? error.code : -2));
        return { error: 0, results: codes.map((code) => ({ error: code })) };
      }
    }
    this.later = null;
    for (const event of events) event();
    return { error: 0, results };
  }

  /** Inside a multi events wait for its success. */
  private later: (() => void)[] | null = null;

  private tell(
    name: 'created' | 'deleted' | 'dataChanged' | 'childrenChanged',
    path: string,
  ): void {
    const { acl } = this.nodes.get(path)!;
    const { zxid } = this;
    const fire = () =>
      this.watches.fire(name, path, zxid, (connection) =>
        mayDo(acl, READ, this.connections.get(connection)!.ids),
      );
    if (this.later === null) fire();
    else this.later.push(fire);
  }

  private perform(
    request: Exclude<WriteRequest, { type: 14 }>,
    client: Client,
    isInMulti: boolean,
  ): NaiveResult {
    switch (request.type) {
      case 1:
      case 15:
      case 19:
      case 21:
        return this.create(request, client, isInMulti);
      case 2:
        return this.delete(request.request.path, request.request.version, client);
      case 5:
        return this.setData(request.request, client);
      case 7:
        return this.setAcl(request.request, client);
      case 13:
        demand(isInMulti, -6);
        return this.check(request.request.path, request.request.version, client);
      case 20:
        return this.deleteContainer(request.path);
      case -10:
        this.sessions.set(client.session, request.timeOut);
        return { type: -10 };
      case -11:
        return this.closeSession(client.session);
    }
  }

  private create(
    operation: Extract<Operation, { type: 1 | 15 | 19 | 21 }>,
    client: Client,
    isInMulti: boolean,
  ): NaiveResult {
    const { path, data, acl, flags } = operation.request;
    const ttlMs = operation.type === 21 ? Number(operation.request.ttl) : -1;
    const isTtl = flags === 5 || flags === 6;
    let type: number = operation.type;
    if (isInMulti) {
      // The reference goes by the mode there, and fails on one that lacks its time to live.
      demand(!isTtl || type === 21, -5);
      type = isTtl ? 21 : flags === 4 ? 19 : 1;
    }
    demand(flags >= 0 && flags <= 6, -8);
    demand(!isTtl || this.options.extendedTypesEnabled, -6);
    demand(isTtl ? type === 21 && ttlMs > 0 && ttlMs < 2 ** 40 : type !== 21, -8);
    demand(path.includes('/') && !path.includes('\0'), -8);
    const stored = fixedUp(acl, client.ids);
    if (typeof stored === 'number') throw new Refusal(stored);
    const parent = this.nodes.get(parentOf(path));
    if (parent === undefined) throw new Refusal(-101);
    demand(mayDo(parent.acl, CREATE, client.ids), -102);
    const isSequential = [2, 3, 6].includes(flags);
    const full = isSequential ? path + String(parent.created).padStart(10, '0') : path;
    demand(VALID_PATH.test(full), -8);
    demand(!this.nodes.has(full), -110);
    demand(parent.kind !== 'ephemeral', -108);
    demand(this.isInQuota(full, 1, data?.length ?? 0), -125);

    const isEphemeral = flags === 1 || flags === 3;
    const kind =
      type === 19 ? 'container' : isTtl ? 'ttl' : isEphemeral ? 'ephemeral' : 'persistent';
    this.put(full, data, stored, kind, kind === 'ephemeral' ? client.session : 0n, ttlMs);
    parent.children.add(full);
    parent.created++;
    parent.pzxid = this.zxid;
    this.tell('created', full);
    this.tell('childrenChanged', parentOf(full));
    return type === 1 ? { type: 1, path: full } : { type: 15, path: full, stat: this.stat(full) };
  }

  private delete(path: string, version: number, client: Client): NaiveResult {
    demand(path.includes('/') && !path.includes('\0') && !UNDELETABLE.includes(path), -8);
    const parent = this.nodes.get(parentOf(path));
    if (parent === undefined) throw new Refusal(-101);
    demand(mayDo(parent.acl, DELETE, client.ids), -102);
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(-101);
    demand(version === -1 || version === node.version, -103);
    demand(node.children.size === 0, -111);
    this.remove(path);
    return { type: 2 };
  }

  private remove(path: string): void {
    const parent = this.nodes.get(parentOf(path))!;
    parent.children.delete(path);
    parent.pzxid = this.zxid;
    this.tell('deleted', path);
    this.nodes.delete(path);
    this.tell('childrenChanged', parentOf(path));
  }

  private deleteContainer(path: string): NaiveResult {
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(-101);
    demand(node.children.size === 0, -111);
    const ageMs = this.timeMs - node.mtime;
    const isUsedUp = node.created > 0 || ageMs > CONTAINER_NEVER_USED_MS;
    demand(
      (node.kind === 'container' && isUsedUp) || (node.kind === 'ttl' && ageMs > node.ttlMs),
      -103,
    );
    this.remove(path);
    return { type: 20 };
  }

  private setData(
    { path, data, version }: { path: string; data: Uint8Array | null; version: number },
    client: Client,
  ): NaiveResult {
    demand(VALID_PATH.test(path), -8);
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(-101);
    demand(mayDo(node.acl, WRITE, client.ids), -102);
    demand(this.isInQuota(path, 0, (data?.length ?? 0) - (node.data?.length ?? 0)), -125);
    demand(version === -1 || version === node.version, -103);
    node.data = data;
    node.version = nextVersion(node.version);
    node.mzxid = this.zxid;
    node.mtime = this.timeMs;
    this.tell('dataChanged', path);
    return { type: 5, stat: this.stat(path) };
  }

  private setAcl(
    { path, acl, version }: { path: string; acl: readonly Acl[] | null; version: number },
    client: Client,
  ): NaiveResult {
    demand(VALID_PATH.test(path), -8);
    const stored = fixedUp(acl, client.ids);
    if (typeof stored === 'number') throw new Refusal(stored);
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(-101);
    demand(mayDo(node.acl, ADMIN, client.ids), -102);
    demand(version === -1 || version === node.aversion, -103);
    node.acl = stored;
    node.aversion = nextVersion(node.aversion);
    return { type: 7, stat: this.stat(path) };
  }

  private check(path: string, version: number, client: Client): NaiveResult {
    demand(VALID_PATH.test(path), -8);
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(-101);
    demand(mayDo(node.acl, READ, client.ids), -102);
    demand(version === -1 || version === node.version, -103);
    return { type: 13 };
  }

  private closeSession(session: bigint): NaiveResult {
    for (const [path, { kind, owner }] of [...this.nodes]) {
      if (kind === 'ephemeral' && owner === session) this.remove(path);
    }
    this.sessions.delete(session);
    return { type: -11 };
  }

  private isInQuota(path: string, moreNodes: number, moreBytes: number): boolean {
    return !this.options.enforceQuota || !isOverLimit(this.nodes, path, moreNodes, moreBytes);
  }

  /** The data of a stats node changes by itself, and nothing else of it. */
  private showUsage(): void {
    for (const [path, node] of this.nodes) {
      const root = rootOfStats(path);
      if (root === null || !this.nodes.has(limitsPath(root))) continue;
      node.data = Buffer.from(statsText(this.nodes, root));
    }
  }

  /** The Stat as clients see it. */
  stat(path: string): Stat {
    const node = this.nodes.get(path)!;
    return {
      czxid: BigInt(node.czxid),
      mzxid: BigInt(node.mzxid),
      ctime: BigInt(node.ctime),
      mtime: BigInt(node.mtime),
      version: node.version,
      cversion: (2 * node.created - node.children.size) | 0,
      aversion: node.aversion,
      ephemeralOwner: node.owner,
      dataLength: node.data?.length ?? 0,
      numChildren: node.children.size,
      pzxid: BigInt(node.pzxid),
    };
  }

  /** The digest of the tree, from nothing but the definition. */
  digest(): bigint {
    let sum = 0n;
    for (const [path, node] of this.nodes) {
      if (path.startsWith('/zookeeper/')) continue;
      const stored = {
        czxid: BigInt(node.czxid),
        mzxid: BigInt(node.mzxid),
        pzxid: BigInt(node.pzxid),
        ctime: BigInt(node.ctime),
        mtime: BigInt(node.mtime),
        version: node.version,
        created: node.created,
        aversion: node.aversion,
        owner: storedOwner(node),
      };
      const parts = [
        Buffer.from(path === '/' ? '' : path),
        node.data ?? new Uint8Array(0),
        encode(digestedStat, stored),
      ];
      sum += BigInt(crc32(Buffer.concat(parts)));
    }
    return BigInt.asIntN(64, sum);
  }
}

function copyOf(nodes: ReadonlyMap<string, NaiveNode>): Map<string, NaiveNode> {
  const copies = [...nodes].map(
    ([path, node]) => [path, { ...node, children: new Set(node.children) }] as const,
  );
  return new Map(copies);
}

function storedOwner({ kind, owner, ttlMs }: NaiveNode): bigint {
  if (kind === 'container') return -(1n << 63n);
  return kind === 'ttl' ? BigInt.asIntN(64, (0xffn << 56n) | BigInt(ttlMs)) : owner;
}
