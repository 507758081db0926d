import {
  byWorker,
  linesOf,
  type History,
  type Line,
  type Sight,
  type TreeEntry,
} from './history.js';

/** I7: what is seen never goes back, and is of one moment. */
export function viewViolations({ lines }: History): string[] {
  const violations: string[] = [];
  for (const [worker, own] of byWorker(lines)) {
    const counts = linesOf(own, 'counted').map(({ value }) => value);
    const values = linesOf(own, 'valued').map(({ zxid }) => zxid);
    const configs = linesOf(own, 'configured');
    const found = [
      ...falling('count', counts),
      ...falling('value', values),
      ...falling(
        'config',
        configs.map(({ zxid }) => zxid),
      ),
      ...falling(
        'serial',
        configs.map(({ serial }) => serial),
      ),
      ...configs
        .filter(({ serial, twin }) => serial !== twin)
        .map(({ serial, twin }) => `config: ${serial} beside ${twin}`),
      ...cacheViolations(own),
      ...memberViolations(own),
    ];
    violations.push(...found.map((violation) => `${worker} saw ${violation}`));
  }
  return violations;
}

function falling(what: string, numbers: readonly number[]): string[] {
  return numbers.flatMap((number, at) => {
    const before = numbers[at - 1] ?? -Infinity;
    return number < before ? [`${what}: ${number} after ${before}`] : [];
  });
}

function cacheViolations(lines: readonly Line[]): string[] {
  const snapshots = linesOf(lines, 'cached');
  const violations = falling(
    'tree',
    snapshots.map(({ zxid }) => zxid),
  );
  const newest = new Map<string, number>();
  for (const { zxid, nodes } of snapshots) {
    violations.push(...pairViolations(zxid, nodes));
    for (const { name, mzxid } of nodes) {
      const before = newest.get(name) ?? 0;
      if (mzxid < before) violations.push(`tree: ${name} of ${mzxid} after ${before}`);
      newest.set(name, mzxid);
    }
  }
  return violations;
}

/** `a` and `b` of each worker are written in one transaction. */
function pairViolations(zxid: number, nodes: readonly TreeEntry[]): string[] {
  const texts = new Map(nodes.map(({ name, text }) => [name, text]));
  return nodes.flatMap(({ name, text }) => {
    if (!name.endsWith('-a')) return [];
    const twin = texts.get(`${name.slice(0, -1)}b`);
    return twin === text ? [] : [`tree: ${name} is ${text} beside ${String(twin)} at ${zxid}`];
  });
}

function memberViolations(lines: readonly Line[]): string[] {
  const newest = new Map<string, number>();
  const violations: string[] = [];
  for (const { members } of linesOf(lines, 'members')) {
    for (const { id, czxid } of members) {
      const before = newest.get(id) ?? 0;
      if (czxid < before) violations.push(`member ${id} of ${czxid} after that of ${before}`);
      newest.set(id, czxid);
    }
  }
  return violations;
}

/** What a worker that has come to rest sees otherwise than the servers have it. */
export function disagreements(
  name: string,
  sight: Sight,
  history: Omit<History, 'lines'>,
): string[] {
  const { data, owners, survivors } = history;
  const items = [...owners].flatMap(([item, owner]) => (owner === name ? [item] : []));
  const differ = (what: string, seen: unknown, right: unknown): string[] => {
    const [one, other] = [JSON.stringify(seen), JSON.stringify(right)];
    return one === other ? [] : [`${name} has ${one} for the ${what} ${other}`];
  };
  return [
    ...differ('members', [...sight.members].sort(), [...survivors.values()].sort()),
    ...differ('tree', sight.tree, data.tree),
    ...differ('count', sight.count, data.count),
    ...differ('value', sight.valueZxid, data.value.zxid),
    ...differ('config', sight.configZxid, data.config.zxid),
    ...differ('share', [...sight.items].sort(), items.sort()),
  ];
}
