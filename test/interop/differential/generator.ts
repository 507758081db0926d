import { CreateMode, OpCode } from '@aviary/protocol';
import { SeededRandom } from '@aviary/simulator';
import { BAD_LISTS, GOOD_LISTS } from './acl-lists.js';
import type { Content, Introduction, Operation, PathRef, Step } from './steps.js';
import {
  ASTRAL_PATH,
  GUARDED_ROOT,
  FIRST_LIMITS,
  NAMES,
  ODD_PATHS,
  PLAIN_ROOT,
  QUOTA_LIMITS,
  QUOTA_NODES,
  QUOTA_ROOTS,
  STRANGE_BODIES,
  STRANGE_BYTES,
} from './vocabulary.js';

export const PLACES = 6;

/** The place that passes every ACL. */
export const SUPER_PLACE = 0;

type Weighted<T> = readonly (readonly [weight: number, make: () => T])[];

/** Which watches a place sets on a path: a server before 3.9 cannot hold several kinds there. */
function watchKindOf(at: number, path: string): 'oneShot' | 'persistent' | 'recursive' {
  let hash = at;
  for (let i = 0; i < path.length; i++) hash = (Math.imul(hash, 31) + path.charCodeAt(i)) >>> 0;
  const part = hash % 10;
  if (part < 6) return 'oneShot';
  return part < 8 ? 'persistent' : 'recursive';
}

function isQuotaPath(path: string): boolean {
  return path.startsWith('/zookeeper/quota/');
}

function plainCreate(path: string, data: Content): Operation {
  const mode = CreateMode.persistent;
  return { op: 'create', code: OpCode.create2, path, data, acl: 'open', mode, ttlMs: 0 };
}

/** What makes a quota, in the order in which ZooKeeper counts right. */
function quotaOf(root: string, limits: string): Operation[] {
  const path = `/zookeeper/quota${root}`;
  return [
    plainCreate(path, ''),
    plainCreate(`${path}/zookeeper_limits`, limits),
    plainCreate(`${path}/zookeeper_stats`, 'count=0,bytes=0'),
  ];
}

/** Makes the steps of a seed: the same ones for ever. */
export class StepGenerator {
  private readonly random: SeededRandom;
  private at = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(`differential/${seed}`);
  }

  steps(operations: number): Step[] {
    const steps = this.preparation();
    let count = 0;
    const restarts = new Set([Math.floor(operations / 3), Math.floor((operations * 2) / 3)]);
    while (count < operations) {
      const step = this.step();
      steps.push(step);
      const before = count;
      count += step.do === 'send' ? step.operations.length : 1;
      for (let passed = before; passed < count; passed++) {
        if (!restarts.has(passed)) continue;
        steps.push({ do: 'restart', how: this.random.chance(0.5) ? 'kill' : 'stop' });
      }
    }
    return steps;
  }

  /** The roots that the rest happens below, and who is who. */
  private preparation(): Step[] {
    const auth = (auth: string): Operation => ({ op: 'auth', scheme: 'digest', auth });
    const send = (at: number, ...operations: Operation[]): Step => ({ do: 'send', at, operations });
    const roots = [PLAIN_ROOT, GUARDED_ROOT, ...QUOTA_ROOTS];
    return [
      send(SUPER_PLACE, auth('super:admin')),
      send(1, auth('alice:secret')),
      send(2, auth('bob:secret')),
      ...roots.map((path) => send(SUPER_PLACE, plainCreate(path, ''))),
      ...QUOTA_ROOTS.map((root) => send(SUPER_PLACE, ...quotaOf(root, FIRST_LIMITS))),
    ];
  }

  /** A quota with the nodes that are there already, perhaps instead of another. */
  private quotaMadeAnew(): Step {
    const root = this.pick(QUOTA_ROOTS);
    const old = ['zookeeper_limits', 'zookeeper_stats', ''].map((name): Operation => ({
      op: 'delete',
      path: `/zookeeper/quota${root}${name === '' ? '' : '/'}${name}`,
      version: -1,
    }));
    const operations = [...old, ...quotaOf(root, this.pick(QUOTA_LIMITS))];
    return { do: 'send', at: SUPER_PLACE, operations };
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }

  private choose<T>(choices: Weighted<T>): T {
    const total = choices.reduce((sum, [weight]) => sum + weight, 0);
    let point = this.random.below(total);
    for (const [weight, make] of choices) {
      if (point < weight) return make();
      point -= weight;
    }
    throw new Error('weights do not sum up');
  }

  private step(): Step {
    this.at = this.random.below(PLACES);
    const { at } = this;
    const send = (...operations: Operation[]): Step => ({ do: 'send', at, operations });
    return this.choose<Step>([
      [820, () => send(this.operation())],
      [80, () => send(...this.times(2, 12, () => this.pipelined()))],
      [20, () => this.connection()],
      [14, () => ({ do: 'drop', at })],
      [10, () => send({ op: 'closeSession' })],
      [8, () => send(this.credential())],
      [6, () => send(this.unknown())],
      [3, () => ({ do: 'bytes', at, hex: this.pick(STRANGE_BYTES) })],
      [4, () => this.quotaMadeAnew()],
      [4, () => ({ do: 'words' })],
      [1, () => ({ do: 'expire', at })],
    ]);
  }

  private times<T>(min: number, max: number, make: () => T): T[] {
    return Array.from({ length: this.random.between(min, max) }, make);
  }

  // Paths and what goes with them:

  private below(root: string): string {
    const depth = this.choose([
      [5, () => 1],
      [4, () => 2],
      [2, () => 3],
    ]);
    return root + this.times(depth, depth, () => `/${this.pick(NAMES)}`).join('');
  }

  private path(): PathRef {
    return this.choose<PathRef>([
      [60, () => this.below(PLAIN_ROOT)],
      [14, () => this.below(GUARDED_ROOT)],
      [6, () => this.below(this.pick(QUOTA_ROOTS))],
      [6, () => ({ recent: this.random.below(6) })],
      [2, () => PLAIN_ROOT],
      [2, () => `${this.below(PLAIN_ROOT)}/s-000000000${this.random.below(10)}`],
      [3, () => this.pick(QUOTA_NODES)],
      [6, () => this.pick(ODD_PATHS)],
    ]);
  }

  /** A path, but of no node that makes a quota: those come and go together. */
  private pathOfNoQuota(): PathRef {
    for (;;) {
      const path = this.path();
      if (typeof path !== 'string' || !QUOTA_NODES.includes(path)) return path;
    }
  }

  private version(): number {
    return this.choose([
      [6, () => -1],
      [2, () => 0],
      [2, () => this.random.between(1, 3)],
      [1, () => this.pick([-2, 77, 0x7fff_ffff, -0x8000_0000])],
    ]);
  }

  private content(): Content {
    return this.choose<Content>([
      [6, () => `v${this.random.below(1000)}`],
      [1, () => ''],
      [1, () => null],
      [1, () => this.random.between(1, 64)],
      [1, () => this.pick([1_000, 70_000])],
    ]);
  }

  /** ZooKeeper cannot go on below limits that it cannot read. */
  private contentAt(path: PathRef): Content {
    if (typeof path !== 'string' || !isQuotaPath(path)) return this.content();
    return path.endsWith('limits')
      ? this.pick(QUOTA_LIMITS)
      : `count=${this.random.below(5)},bytes=1`;
  }

  private aclAt(path: PathRef): string {
    const isGuarded = typeof path === 'string' && path.startsWith(`${GUARDED_ROOT}/`);
    return this.choose([
      [12, () => (isGuarded ? this.pick(GOOD_LISTS) : 'open')],
      [1, () => this.pick(BAD_LISTS)],
    ]);
  }

  /** Whether a watch can go with a read here; see known-differences.ts. */
  private canWatch(path: PathRef): path is string {
    if (typeof path !== 'string') return false;
    return path !== '/' || this.at === SUPER_PLACE;
  }

  private watchesOnce(path: PathRef): boolean {
    const isOneShot = this.canWatch(path) && watchKindOf(this.at, path) === 'oneShot';
    return isOneShot && this.random.chance(0.5);
  }

  // Operations:

  private operation(): Operation {
    return this.choose<Operation>([
      [30, () => this.create()],
      [12, () => this.delete()],
      [12, () => this.setData()],
      [30, () => this.read()],
      [6, () => this.setAcl()],
      [10, () => this.multi()],
      [4, () => this.multiRead()],
      [10, () => this.watch()],
      [2, () => this.pick<Operation>([{ op: 'whoAmI' }, { op: 'sasl' }, { op: 'reconfig' }])],
      [6, () => this.undecodable()],
    ]);
  }

  /** What can stand among others that are sent without waiting: nothing is answered out of turn. */
  private pipelined(): Operation {
    return this.choose<Operation>([
      [30, () => this.create()],
      [10, () => this.delete()],
      [12, () => this.setData()],
      [30, () => this.read()],
      [5, () => this.multi()],
      [4, () => this.watch()],
    ]);
  }

  private create(): Operation {
    const code = this.pick([
      OpCode.create,
      OpCode.create,
      OpCode.create2,
      OpCode.create2,
      OpCode.createContainer,
      OpCode.createTTL,
    ]);
    const fitting: Record<number, readonly number[]> = {
      [OpCode.createContainer]: [CreateMode.container],
      [OpCode.createTTL]: [CreateMode.persistentWithTtl, CreateMode.persistentSequentialWithTtl],
    };
    const odd =
      code === OpCode.createContainer ? [-1, 0, 2, 5, 6, 7] : [-1, 0, 1, 2, 3, 4, 5, 6, 7];
    const mode = this.pick(this.random.chance(0.97) ? (fitting[code] ?? [0, 0, 1, 2, 3]) : odd);
    const isSequential = mode === 2 || mode === 3 || mode === 6;
    const ttls = mode === 5 || mode === 6 ? [0, -1, 2 ** 40 - 1, 2 ** 40] : [0, 1];
    const path = this.pathOfNoQuota();
    // Below limits there must be nothing, or ZooKeeper does not know them again after a start.
    const canHaveMore = typeof path === 'string' && !isQuotaPath(path);
    const named = isSequential && canHaveMore ? `${path}/${this.pick(['s-', ''])}` : path;
    return {
      op: 'create',
      code,
      path: named,
      data: this.contentAt(path),
      acl: this.aclAt(path),
      mode,
      ttlMs: this.random.chance(0.9) ? 3_600_000 : this.pick(ttls),
    };
  }

  /** A create whose flags are those of its opcode. */
  private fittingCreate(): Operation {
    for (;;) {
      const made = this.create();
      if (made.op !== 'create') continue;
      const isTtl = made.mode === 5 || made.mode === 6;
      if ((made.code === OpCode.createTTL) !== isTtl) continue;
      if ((made.code === OpCode.createContainer) === (made.mode === 4)) return made;
    }
  }

  private delete(): Operation {
    return { op: 'delete', path: this.pathOfNoQuota(), version: this.version() };
  }

  private setData(): Operation {
    const path = this.path();
    const isStatistics = typeof path === 'string' && path.endsWith('zookeeper_stats');
    const data = this.contentAt(path);
    return { op: 'setData', path: isStatistics ? '/n' : path, data, version: this.version() };
  }

  private setAcl(): Operation {
    const path = this.path();
    return { op: 'setACL', path, acl: this.aclAt(path), version: this.version() };
  }

  private read(): Operation {
    const path = this.path();
    const watch = this.watchesOnce(path);
    return this.choose<Operation>([
      [6, () => ({ op: 'getData', path, watch })],
      [5, () => ({ op: 'exists', path, watch })],
      [4, () => ({ op: 'getChildren', path, watch })],
      [4, () => ({ op: 'getChildren2', path, watch })],
      [3, () => ({ op: 'getACL', path })],
      [1, () => ({ op: 'sync', path: path === ASTRAL_PATH ? '/' : path })],
      [1, () => ({ op: 'getAllChildrenNumber', path })],
      [2, () => ({ op: 'getEphemerals', path: this.pick(['', ' ', '/', '/n', '/n/a', '/x']) })],
    ]);
  }

  private multi(): Operation {
    const operations = this.times(0, 6, () =>
      this.choose<Operation>([
        [8, () => this.outsideQuota(() => this.fittingCreate())],
        [4, () => this.delete()],
        [4, () => this.outsideQuota(() => this.setData())],
        [3, () => ({ op: 'check', path: this.path(), version: this.version() })],
      ]),
    );
    if (this.random.chance(0.05)) operations.push({ op: 'getData', path: '/n', watch: false });
    return { op: 'multi', operations };
  }

  /** Hard limits inside a multi are a known difference. */
  private outsideQuota(make: () => Operation & { path: PathRef }): Operation;
  private outsideQuota(make: () => Operation): Operation;
  private outsideQuota(make: () => Operation): Operation {
    for (;;) {
      const operation = make();
      const path = 'path' in operation ? operation.path : '';
      const isLimited =
        typeof path !== 'string' || [...QUOTA_ROOTS, '/zookeeper'].some((r) => path.startsWith(r));
      if (!isLimited) return operation;
    }
  }

  private multiRead(): Operation {
    const operations = this.times(0, 5, () =>
      this.random.chance(0.5)
        ? ({ op: 'getData', path: this.path(), watch: false } as const)
        : ({ op: 'getChildren', path: this.path(), watch: false } as const),
    );
    return { op: 'multiRead', operations };
  }

  private watchedPaths(kind: string, max: number): string[] {
    const paths = this.times(0, max, () => this.below(PLAIN_ROOT));
    return paths.filter((path) => watchKindOf(this.at, path) === kind);
  }

  private watch(): Operation {
    const path = this.below(PLAIN_ROOT);
    const kind = watchKindOf(this.at, path);
    const lists = ['oneShot', 'oneShot', 'oneShot', 'persistent', 'recursive'].map((wanted) =>
      this.watchedPaths(wanted, 4),
    );
    const remove = this.pick(['checkWatches', 'removeWatches'] as const);
    const types = kind === 'oneShot' ? [1, 2, 3, 0, 9] : [3];
    return this.choose<Operation>([
      [3, () => ({ op: 'setWatches', hasSeen: this.random.chance(0.7), lists: lists.slice(0, 3) })],
      [3, () => ({ op: 'setWatches2', hasSeen: this.random.chance(0.7), lists })],
      [2, () => ({ op: remove, path, type: this.pick(types) })],
      [1, () => ({ op: 'addWatch', path, mode: this.pick([2, -1]) })],
      [
        6,
        () =>
          kind === 'oneShot'
            ? { op: 'exists', path, watch: true }
            : { op: 'addWatch', path, mode: kind === 'persistent' ? 0 : 1 },
      ],
    ]);
  }

  private undecodable(): Operation {
    const of = this.choose<Operation>([
      [3, () => this.create()],
      [1, () => this.delete()],
      [1, () => this.setData()],
      [1, () => this.setAcl()],
      [3, () => this.read()],
      [2, () => this.multi()],
      [1, () => this.multiRead()],
      [1, () => this.watch()],
    ]);
    if (this.random.chance(0.8)) {
      return { op: 'resized', of, bytes: this.random.between(-9, 400) };
    }
    return { op: 'raw', ...this.pick(STRANGE_BODIES) };
  }

  private unknown(): Operation {
    const code = this.pick([0, 10, 23, 99, 108, 1_000, -1, -2, -12, 0x7fff_ffff, -0x8000_0000]);
    return { op: 'raw', code, hex: this.pick(['', '00000000']) };
  }

  // Connections:

  private credential(): Operation {
    return this.choose<Operation>([
      [
        4,
        () => ({ op: 'auth', scheme: 'digest', auth: this.pick(['bob:secret', 'carol', 'a:b:c']) }),
      ],
      [1, () => ({ op: 'auth', scheme: 'ip', auth: '' })],
      [1, () => ({ op: 'auth', scheme: this.pick(['world', 'horse', 'auth', '']), auth: 'x' })],
      [1, () => ({ op: 'auth', scheme: 'digest', auth: null })],
      [1, () => ({ op: 'auth', scheme: 'digest', auth: '' })],
    ]);
  }

  private connection(): Step {
    const as = this.pick<Introduction>([
      'new',
      'newOldStyle',
      'again',
      'again',
      'takeover',
      'takeover',
      'wrongPassword',
      'unknownSession',
      'fromTheFuture',
    ]);
    const timeoutMs = this.pick([60_000, 60_000, 55_555, 1_000_000]);
    return { do: 'connect', at: this.at, as, timeoutMs };
  }
}
