import { beforeEach, describe, expect, it } from '@jest/globals';
import { OPEN_ACL, type Id } from '@aviary/protocol';
import { parseQuota } from '../src/quota.js';
import { PREPARER_OPTIONS, PackedWorld } from './model/packed-world.js';
import type { Operation, WriteRequest } from './model/requests.js';
import { dataOf, statOf, statText } from './model/tree-text.js';

const NOBODY: readonly Id[] = [];
const QUOTA_EXCEEDED = -125;

let world: PackedWorld;

beforeEach(() => {
  world = new PackedWorld({ ...PREPARER_OPTIONS, enforceQuota: true });
});

function created(path: string, text = ''): Operation {
  return { type: 1, request: { path, data: Buffer.from(text), acl: OPEN_ACL, flags: 0 } };
}

function changed(path: string, text: string): Operation {
  return { type: 5, request: { path, data: Buffer.from(text), version: -1 } };
}

function deleted(path: string): Operation {
  return { type: 2, request: { path, version: -1 } };
}

/** Makes the transaction and leaves it outstanding. */
function prepare(request: WriteRequest): number {
  return world.prepare(request, { session: 0n, ids: NOBODY }, 1_000);
}

function applyAll(): void {
  while (world.outstanding > 0) world.applyNext('verify');
  world.settle();
}

function run(...requests: WriteRequest[]): void {
  for (const request of requests) expect([request, prepare(request)]).toEqual([request, 0]);
  applyAll();
}

function textOf(path: string): string {
  return Buffer.from(dataOf(world.tree, world.tree.findText(path)) ?? []).toString();
}

function usageOf(root: string): string {
  return textOf(`/zookeeper/quota${root}/zookeeper_stats`);
}

/** Sets a quota as the command line tool does. */
function setQuota(root: string, limits: string): void {
  const above = root.split('/').map((_, i, names) => names.slice(0, i + 1).join('/'));
  for (const path of above.slice(1)) {
    if (world.tree.findText(`/zookeeper/quota${path}`) < 0) run(created(`/zookeeper/quota${path}`));
  }
  run(created(`/zookeeper/quota${root}/zookeeper_limits`, limits));
  run(created(`/zookeeper/quota${root}/zookeeper_stats`, 'whatever'));
}

describe('the text of a quota', () => {
  it.each([
    ['count=5,bytes=100', [5, 100, -1, -1]],
    ['count=5,bytes=100=;byteHardLimit=70;countHardLimit=7', [5, 100, 7, 70]],
    ['bytes=3,count=', [-1, 3, -1, -1]],
    ['countHardLimit=0', [-1, -1, 0, -1]],
    ['count=many,bytes=1', [-1, 1, -1, -1]],
    ['', [-1, -1, -1, -1]],
  ])('%j is understood', (text, [count, bytes, countHardLimit, byteHardLimit]) => {
    expect(parseQuota(text)).toEqual({ count, bytes, countHardLimit, byteHardLimit });
  });
});

describe('usage', () => {
  it('counts the path and all below it, data and not paths', () => {
    run(created('/a', '12345'), created('/a/b', '12'), created('/ab', '1234'));
    setQuota('/a', 'count=-1,bytes=-1');
    expect(usageOf('/a')).toBe('count=2,bytes=7');
    run(created('/a/b/c', '1'), changed('/a', '1'), changed('/ab', ''), deleted('/ab'));
    expect(usageOf('/a')).toBe('count=3,bytes=4');
    run(deleted('/a/b/c'), deleted('/a/b'), deleted('/a'));
    expect(usageOf('/a')).toBe('count=0,bytes=0');
  });

  it('shows without a new version, time or digest, and tells no watcher', () => {
    run(created('/a'));
    setQuota('/a', 'count=-1,bytes=-1');
    const path = '/zookeeper/quota/a/zookeeper_stats';
    const heard: string[] = [];
    world.tree.watches.addPersistent(path, {
      mayRead: () => true,
      notify: (event) => heard.push(event.path),
    });
    const statBefore = statOf(world.tree, world.tree.findText(path));
    run(created('/a/b', '123'));
    expect(usageOf('/a')).toBe('count=2,bytes=3');
    const stat = statOf(world.tree, world.tree.findText(path));
    expect(statText(stat)).toBe(statText({ ...statBefore, dataLength: stat.dataLength }));
    expect(heard).toEqual([]);
    expect(world.tree.recomputeDigest()).toBe(true);
  });

  it('is that of the nearest path with a quota', () => {
    run(created('/a'), created('/a/b'));
    setQuota('/a', 'count=-1,bytes=-1');
    setQuota('/a/b', 'count=-1,bytes=-1');
    run(created('/a/b/c', '123'), created('/a/d', '1'));
    expect([usageOf('/a'), usageOf('/a/b')]).toEqual(['count=3,bytes=1', 'count=2,bytes=3']);
  });

  it('is counted anew when limits come to stats that nobody kept', () => {
    run(created('/a'), created('/zookeeper/quota/a'));
    run(created('/zookeeper/quota/a/zookeeper_stats'), created('/a/b', '12'));
    expect(usageOf('/a')).toBe('count=1,bytes=0');
    run(created('/zookeeper/quota/a/zookeeper_limits', 'count=9'), created('/a/c', '1'));
    expect(usageOf('/a')).toBe('count=3,bytes=3');
  });

  it('is kept no more once the limits are gone', () => {
    run(created('/a'));
    setQuota('/a', 'countHardLimit=1');
    run(deleted('/zookeeper/quota/a/zookeeper_limits'));
    run(created('/a/b', '12'));
    expect(usageOf('/a')).toBe('count=1,bytes=0');
  });

  it('of the root is nobody’s', () => {
    run(created('/zookeeper/quota/zookeeper_limits', 'countHardLimit=0'));
    run(created('/zookeeper/quota/zookeeper_stats', 'x'), created('/a'));
    expect(textOf('/zookeeper/quota/zookeeper_stats')).toBe('x');
  });
});

describe('a hard limit', () => {
  it('lets in as much as it says, and no more', () => {
    run(created('/a'));
    setQuota('/a', 'countHardLimit=2;byteHardLimit=5');
    expect(prepare(created('/a/b', '123456'))).toBe(QUOTA_EXCEEDED);
    run(created('/a/b', '12345'));
    expect(prepare(created('/a/c'))).toBe(QUOTA_EXCEEDED);
    expect(prepare(changed('/a', '1'))).toBe(QUOTA_EXCEEDED);
    run(changed('/a/b', '1'), changed('/a', '1234'));
  });

  it('counts what is on its way', () => {
    run(created('/a'));
    setQuota('/a', 'countHardLimit=3');
    const codes = ['/a/b', '/a/c', '/a/d'].map((path) => prepare(created(path)));
    expect(codes).toEqual([0, 0, QUOTA_EXCEEDED]);
    expect(prepare(deleted('/a/b'))).toBe(0);
    expect(prepare(created('/a/d'))).toBe(0);
    applyAll();
    expect(usageOf('/a')).toBe('count=3,bytes=0');
  });

  it('is kept within one multi', () => {
    run(created('/a'));
    setQuota('/a', 'byteHardLimit=4');
    const parts = [created('/a/b', '12'), created('/a/c', '12'), created('/a/d', '1')];
    expect(prepare({ type: 14, operations: parts })).toBe(0);
    applyAll();
    expect(usageOf('/a')).toBe('count=1,bytes=0');
    expect(prepare({ type: 14, operations: parts.slice(0, 2) })).toBe(0);
    applyAll();
    expect(usageOf('/a')).toBe('count=3,bytes=4');
  });

  it('that is passed already forbids growth, and nothing else', () => {
    run(created('/a', '1234567'), created('/a/b'));
    setQuota('/a', 'countHardLimit=1;byteHardLimit=2');
    expect(prepare(changed('/a', '12345678'))).toBe(QUOTA_EXCEEDED);
    expect(prepare(created('/a/c'))).toBe(QUOTA_EXCEEDED);
    run(changed('/a', '123456'), changed('/a/b', ''), deleted('/a/b'));
    expect(usageOf('/a')).toBe('count=1,bytes=6');
  });

  it('is not kept unless it is enforced', () => {
    world = new PackedWorld({ ...PREPARER_OPTIONS, enforceQuota: false });
    run(created('/a'));
    setQuota('/a', 'countHardLimit=1');
    run(created('/a/b'));
    expect(usageOf('/a')).toBe('count=2,bytes=0');
  });
});
