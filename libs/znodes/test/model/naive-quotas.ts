/** What the specification says of quotas: usage is counted anew whenever somebody asks. */

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS = '/zookeeper_limits';
const STATS = '/zookeeper_stats';

/** As much of a node as a quota counts. */
interface CountedNode {
  readonly data: Uint8Array | null;
}

type CountedNodes = ReadonlyMap<string, CountedNode>;

/** Hard limits; -1: none. */
export interface HardLimits {
  readonly count: number;
  readonly bytes: number;
}

export function limitsPath(root: string): string {
  return `${QUOTA_ROOT}${root}${LIMITS}`;
}

export function statsPath(root: string): string {
  return `${QUOTA_ROOT}${root}${STATS}`;
}

/** The path whose usage a node shows, or null. */
export function rootOfStats(path: string): string | null {
  const isStats = path.startsWith(`${QUOTA_ROOT}/`) && path.endsWith(STATS);
  return isStats ? path.slice(QUOTA_ROOT.length, -STATS.length) : null;
}

/** The text of a limits node, as the command line tool writes it. */
export function limitsText({ count, bytes }: HardLimits): string {
  return `count=-1,bytes=-1=;byteHardLimit=${bytes};countHardLimit=${count}`;
}

function limitsIn(text: string): HardLimits {
  const limit = (name: string) => Number(new RegExp(`${name}HardLimit=(-?\\d+)`).exec(text)?.[1]);
  return { count: limit('count'), bytes: limit('byte') };
}

/** The nodes and bytes at and below a path. */
export function usageOf(nodes: CountedNodes, root: string): HardLimits {
  const below = [...nodes].filter(([path]) => path === root || path.startsWith(`${root}/`));
  const bytes = below.reduce((sum, [, { data }]) => sum + (data?.length ?? 0), 0);
  return { count: below.length, bytes };
}

/** The text of a stats node. */
export function statsText(nodes: CountedNodes, root: string): string {
  const { count, bytes } = usageOf(nodes, root);
  return `count=${count},bytes=${bytes}`;
}

/** Whether the quota above a path forbids to grow by so many nodes and bytes there. */
export function isOverLimit(
  nodes: CountedNodes,
  path: string,
  moreNodes: number,
  moreBytes: number,
): boolean {
  const [, ...names] = path.split('/');
  const roots = names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`).reverse();
  const root = roots.find((each) => nodes.has(limitsPath(each)));
  if (root === undefined || !nodes.has(statsPath(root))) return false;
  const { data } = nodes.get(limitsPath(root))!;
  const limits = limitsIn(Buffer.from(data ?? []).toString());
  const { count, bytes } = usageOf(nodes, root);
  const isOverCount = moreNodes > 0 && limits.count >= 0 && count + moreNodes > limits.count;
  const isOverBytes = moreBytes > 0 && limits.bytes >= 0 && bytes + moreBytes > limits.bytes;
  return isOverCount || isOverBytes;
}
