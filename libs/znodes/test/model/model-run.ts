import { OPEN_ACL, WatchEventType } from '@aviary/protocol';
import { isPermitted, principalOf, type Principal } from '../../src/acl-rules.js';
import type { AclList } from '../../src/acl-table.js';
import { TreeSnapshot } from '../../src/tree-snapshot.js';
import type { WatchEvent, Watcher } from '../../src/watch-table.js';
import { limitsPath, limitsText, statsPath, type HardLimits } from './naive-quotas.js';
import { NaiveTree, type NaiveOptions } from './naive-tree.js';
import { eventText, type EventName } from './naive-watches.js';
import { PREPARER_OPTIONS, PackedWorld, checkedTransaction } from './packed-world.js';
import { bodyOf, type Client, type Operation, type WriteRequest } from './requests.js';
import {
  PRINCIPALS,
  STEP_MS,
  type OperationChoice,
  type PathChoice,
  type Step,
  type VersionChoice,
  type WriteChoice,
} from './steps.js';
import { bookkeepingFaults, expectEqual, naiveText, resultText, treeText } from './tree-text.js';

const EVENT_NAMES = new Map<number, EventName>([
  [WatchEventType.nodeCreated, 'created'],
  [WatchEventType.nodeDeleted, 'deleted'],
  [WatchEventType.nodeDataChanged, 'dataChanged'],
  [WatchEventType.nodeChildrenChanged, 'childrenChanged'],
]);

function isSystemPath(path: string): boolean {
  return path === '/' || path.startsWith('/zookeeper');
}

/** Every path from the first name of `path` on, but for its last. */
function pathsAbove(path: string): string[] {
  const names = path.split('/').slice(1, -1);
  return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`);
}

/** A request on its way: prepared, and not applied yet. */
interface Prepared {
  readonly request: WriteRequest | null;
  readonly client: Client;
  readonly timeMs: number;
  readonly error: number;
  readonly digest: bigint;
}

/** A snapshot that is being taken, and what should be in it. */
export interface SnapshotUnderWay {
  readonly snapshot: TreeSnapshot;
  readonly pieces: Uint8Array[];
  readonly text: string;
  readonly transactions: number;
}

/** Who watches, with the ids of one of the principals. */
class Connection implements Watcher {
  private readonly who: Principal;

  constructor(
    readonly name: string,
    client: Client,
    private readonly world: PackedWorld,
    private readonly heard: string[],
  ) {
    this.who = principalOf(client.ids);
  }

  mayRead(acl: AclList): boolean {
    return isPermitted(this.world.tree.schemes, acl.acls, 1, this.who);
  }

  notify({ type, path, zxid }: WatchEvent): void {
    this.heard.push(eventText(this.name, EVENT_NAMES.get(type)!, path, zxid));
  }
}

/** The packed tree beside the naive one, through one run of steps. */
export class ModelRun {
  readonly world: PackedWorld;
  /** As the tree is, and as it will be once all that is outstanding is applied. */
  readonly now: NaiveTree;
  private readonly ahead: NaiveTree;
  readonly snapshots: SnapshotUnderWay[] = [];
  private readonly queue: Prepared[] = [];
  private readonly sessions: bigint[] = [];
  private sessionsMade = 0;
  private timeMs = 1_000_000;
  private heard: string[] = [];
  private readonly connections: Map<string, Connection>;

  /** @param note Hears what happened, to see that a property has met everything. */
  constructor(
    options: NaiveOptions,
    private readonly note: (what: string) => void,
  ) {
    this.world = new PackedWorld({ ...PREPARER_OPTIONS, ...options });
    this.now = new NaiveTree(options);
    this.ahead = new NaiveTree(options);
    const connections = ['A', 'B', 'C'].map((name, i) => {
      const client = { session: 0n, ids: PRINCIPALS[i]! };
      this.now.connections.set(name, client);
      return [name, new Connection(name, client, this.world, this.heard)] as const;
    });
    this.connections = new Map(connections);
    this.open(10_000);
    this.open(20_000);
  }

  step(step: Step): void {
    this.timeMs += STEP_MS;
    switch (step.kind) {
      case 'write':
        return this.withClient(step, (client) => this.prepare(this.requestOf(step.write), client));
      case 'broken':
        return this.withClient(step, (client) => {
          this.prepareBroken(this.requestOf(step.write), client, step.cut, step.isNullPath);
        });
      case 'apply':
        return this.apply(step.count);
      case 'open':
        return this.open(step.timeOut);
      case 'close':
        return this.close(step.session);
      case 'watch':
        return this.watch(step.connection, this.pathOf(step.path), step.mode);
      case 'unwatch':
        return this.unwatch(step.connection, step.choice, step.type);
      case 'disconnect':
        this.world.tree.watches.removeAll(this.connections.get(step.connection)!);
        this.now.watches.close(step.connection);
        return;
      case 'quota':
        return this.toggleQuota(step.existing, step.limits);
      case 'snapshot':
        return this.beginSnapshot();
      case 'piece':
        return this.takePiece();
    }
  }

  // Requests:

  private withClient(
    { session, principal }: { session: number; principal: number },
    act: (client: Client) => void,
  ): void {
    const { sessions } = this;
    if (sessions.length === 0) return;
    act({ session: sessions[session % sessions.length]!, ids: PRINCIPALS[principal]! });
  }

  private open(timeOut: number): void {
    // Servers whose id has the top bit set make negative session ids.
    const server = this.sessionsMade % 2 === 0 ? 1n : 0x81n;
    const session = BigInt.asIntN(64, (server << 56n) + BigInt(this.sessionsMade++));
    this.sessions.push(session);
    this.prepare({ type: -10, timeOut }, { session, ids: [] });
  }

  private close(choice: number): void {
    const { sessions } = this;
    if (sessions.length === 0) return;
    const [session] = sessions.splice(choice % sessions.length, 1);
    this.prepare({ type: -11 }, { session: session!, ids: [] });
  }

  private prepare(request: WriteRequest, client: Client): void {
    const zxid = this.world.nextZxid;
    const error = this.world.prepare(request, client, this.timeMs);
    const expected = this.ahead.execute(request, client, zxid, this.timeMs);
    expectEqual(`error of ${request.type}`, error, expected.error);
    this.note(`${request.type} ${error}`);
    for (const result of expected.results) {
      this.note('error' in result ? `part ${result.error}` : `${request.type} does ${result.type}`);
    }
    this.push(request, client, error);
  }

  /** A body that ends too early, or has null where a path must be. */
  private prepareBroken(
    request: WriteRequest,
    client: Client,
    cut: number,
    isNullPath: boolean,
  ): void {
    const body = bodyOf(request);
    const whole = Buffer.from(body);
    const pathAt = request.type === 14 ? 9 : 0;
    if (isNullPath && whole.length > pathAt + 9) whole.writeInt32BE(-1, pathAt);
    const bytes = whole.subarray(0, cut % whole.length);
    const error = this.world.prepareBytes(request.type, bytes, client, this.timeMs);
    // A check by itself is not even read.
    expectEqual('error of a broken body', error, request.type === 13 ? -6 : -5);
    this.note('broken');
    this.push(null, client, error);
  }

  private push(request: WriteRequest | null, client: Client, error: number): void {
    const { timeMs } = this;
    const digest = this.world.changes.digest.toBigInt();
    this.queue.push({ request, client, timeMs, error, digest });
  }

  private requestOf(choice: WriteChoice): WriteRequest {
    switch (choice.what) {
      case 'multi':
        return { type: 14, operations: choice.operations.map((each) => this.operationOf(each)) };
      case 'setAcl': {
        const path = this.pathOf(choice.path);
        const version = this.versionOf(choice.version, this.ahead.nodes.get(path)?.aversion);
        return { type: 7, request: { path, acl: choice.acl, version } };
      }
      case 'reap':
        return { type: 20, path: this.reapedPathOf(choice.path) };
      default:
        return this.operationOf(choice);
    }
  }

  private operationOf(choice: OperationChoice): Operation {
    if (choice.what === 'create') {
      const path = this.newPathOf(choice.path);
      const [type, flags] = choice.mode as [1 | 15 | 19 | 21, number];
      const request = { path, data: choice.data, acl: choice.acl, flags };
      if (type !== 21) return { type, request };
      return { type, request: { ...request, ttl: BigInt(choice.ttl) } };
    }
    const path = this.pathOf(choice.path);
    const version = this.versionOf(choice.version, this.ahead.nodes.get(path)?.version);
    if (choice.what === 'delete') return { type: 2, request: { path, version } };
    if (choice.what === 'check') return { type: 13, request: { path, version } };
    return { type: 5, request: { path, data: choice.data, version } };
  }

  /** Mostly a node that is there. */
  private pathOf(choice: PathChoice): string {
    if ('path' in choice) return choice.path;
    const parent = this.existing(choice.existing);
    return choice.existing % 7 > 0 ? parent : this.newPathOf(choice);
  }

  /** Mostly a node that could go by itself. */
  private reapedPathOf(choice: PathChoice): string {
    const candidates = [...this.ahead.nodes].filter(([, { kind }]) => /container|ttl/.test(kind));
    const index = 'existing' in choice ? choice.existing % (candidates.length + 1) : -1;
    return candidates[index]?.[0] ?? this.pathOf(choice);
  }

  /** Mostly a node that is not there, below one that is. */
  private newPathOf(choice: PathChoice): string {
    if ('path' in choice) return choice.path;
    const parent = choice.existing % 4 === 0 ? '/' : this.existing(choice.existing);
    return parent === '/' ? `/${choice.name}` : `${parent}/${choice.name}`;
  }

  /** Seldom a node of the system: about those there is little to say. */
  private existing(choice: number): string {
    if (choice % 9 === 0) return ['/', '/zookeeper', '/zookeeper/quota'][choice % 3]!;
    const paths = [...this.ahead.nodes.keys()].filter((path) => !isSystemPath(path));
    return paths[choice % paths.length] ?? '/';
  }

  private versionOf(choice: VersionChoice, current = 0): number {
    return choice === 'any' ? -1 : current + choice;
  }

  // Quotas:

  /**
   * Sets a quota as the command line tool does, never one within another; or removes it. Limits are
   * kept from the moment when they are applied, so nothing is on its way before and after.
   */
  private toggleQuota(choice: number, limits: HardLimits): void {
    this.apply(Infinity);
    const { nodes } = this.now;
    const root = choice % 5 === 0 ? '/a/none' : this.existing(choice);
    if (isSystemPath(root)) return;
    const isLimited = nodes.has(limitsPath(root));
    const others = [...nodes.keys()].filter((path) => path.endsWith('/zookeeper_limits'));
    const isNested = others.some((path) => {
      const other = path.slice('/zookeeper/quota'.length, -'/zookeeper_limits'.length);
      return other !== root && (`${other}/`.startsWith(`${root}/`) || root.startsWith(`${other}/`));
    });
    if (isNested) return;
    const operations = isLimited ? this.quotaRemoval(root) : this.quotaCreation(root, limits);
    this.prepare({ type: 14, operations }, { session: 0n, ids: PRINCIPALS[0]! });
    this.note(isLimited ? 'quota removed' : 'quota set');
    this.apply(Infinity);
  }

  private quotaCreation(root: string, limits: HardLimits): Operation[] {
    const missing = pathsAbove(limitsPath(root)).filter((path) => !this.now.nodes.has(path));
    const paths = [...missing, limitsPath(root), statsPath(root)];
    const data = Buffer.from(limitsText(limits));
    return paths.map((path) => ({ type: 1, request: { path, data, acl: OPEN_ACL, flags: 0 } }));
  }

  private quotaRemoval(root: string): Operation[] {
    const paths = [statsPath(root), limitsPath(root)];
    return paths.map((path) => ({ type: 2, request: { path, version: -1 } }));
  }

  // Transactions:

  /** Applies up to `count` transactions as one batch, and compares everything. */
  apply(count: number): void {
    const { world, now, queue } = this;
    const batch = Math.min(count, queue.length);
    for (let i = 0; i < batch; i++) this.applyNext(queue.shift()!);
    world.settle();
    expectEqual('tree', treeText(world.tree), naiveText(now));
    expectEqual('books', bookkeepingFaults(world.tree), []);
    expectEqual('watches', world.tree.watches.size, now.watches.size);
    if (queue.length > 0) return;
    expectEqual('outstanding', [world.changes.size, world.changes.usage.mark], [0, 0]);
    expectEqual('digest ahead', world.changes.digest.toBigInt(), world.tree.digest.toBigInt());
  }

  private applyNext({ request, client, timeMs, error, digest }: Prepared): void {
    const { world, now } = this;
    const zxid = world.log.length - world.outstanding + 1;
    const bytes = world.log[zxid - 1]!;
    const { header } = checkedTransaction(bytes, world.options);
    const { zxid: headerZxid, time, clientId } = header;
    expectEqual('header', [headerZxid, time, clientId], [zxid, timeMs, client.session]);
    const results = world.applyNext('trust');
    const answer =
      request === null ? { error, results: [] } : now.execute(request, client, zxid, timeMs);
    const expected = answer.error === 0 ? answer.results : [{ error: answer.error }];
    expectEqual('results', results.map(resultText), expected.map(resultText));
    this.compareEvents(request?.type === -11);
    expectEqual('zxid', world.tree.lastZxid, zxid);
    const computed = now.digest();
    expectEqual('digest', [world.tree.digest.toBigInt(), digest], [computed, computed]);
  }

  /** Which of its nodes a session that ends loses first is not promised. */
  private compareEvents(isAnyOrder: boolean): void {
    const heard = this.heard.splice(0);
    const expected = this.now.watches.takeHeard();
    for (const name of this.connections.keys()) {
      const of = (all: string[]) => all.filter((text) => text.startsWith(`${name} `));
      const [is, should] = [of(heard), of(expected)];
      expectEqual('events', isAnyOrder ? is.sort() : is, isAnyOrder ? should.sort() : should);
    }
    for (const text of heard) this.note(text.split(' ', 3).slice(1).join(' '));
  }

  // Watches:

  private watch(
    name: string,
    path: string,
    mode: 'data' | 'child' | 'persistent' | 'recursive',
  ): void {
    const { watches } = this.world.tree;
    const connection = this.connections.get(name)!;
    if (mode === 'data') watches.addData(path, connection);
    else if (mode === 'child') watches.addChild(path, connection);
    else if (mode === 'persistent') watches.addPersistent(path, connection);
    else watches.addRecursive(path, connection);
    this.now.watches.add(name, path, mode);
  }

  private unwatch(name: string, choice: number, type: number): void {
    const paths = ['/never', ...this.now.watches.pathsOf(name)];
    const path = paths[choice % paths.length]!;
    const { watches } = this.world.tree;
    const connection = this.connections.get(name)!;
    const found = watches.check(path, connection, type);
    const removed = watches.remove(path, connection, type);
    const expected = this.now.watches.remove(name, path, type);
    expectEqual('watches removed', [found, removed], [expected, expected]);
    this.note(`unwatch ${removed}`);
  }

  // Snapshots:

  private beginSnapshot(): void {
    const { world, now } = this;
    if (world.tree.nodes.observer !== null) return;
    this.snapshots.push({
      snapshot: new TreeSnapshot(world.tree, 64),
      pieces: [],
      text: naiveText(now),
      transactions: world.log.length - world.outstanding,
    });
  }

  private takePiece(): void {
    const { snapshot, pieces } = this.snapshots.at(-1) ?? {};
    const piece = snapshot?.next() ?? null;
    if (piece !== null) pieces?.push(piece.slice());
  }
}
