import { Caches } from '@aviary/cache';
import { ConfigClient } from '@aviary/config';
import { Groups } from '@aviary/membership';
import type { TreeEntry } from '../history.js';
import { WAIT_MS, type Stage } from './stage.js';

const TREE_PAUSE_MS = 150;
const PUBLISH_PAUSE_MS = 250;

interface Shop {
  readonly serial: number;
  readonly twin: number;
}

/** Is a member of the group, and sees who is. */
export function join(stage: Stage): {
  readonly seen: { members: readonly string[] };
  close(): Promise<void>;
} {
  const groups = new Groups(stage.zk, { root: stage.path('groups') });
  const seen: { members: readonly string[] } = { members: [] };
  groups.join('group', stage.settings.worker, { id: stage.settings.name });
  const subscription = groups.group<string>('group').view$.subscribe(({ members, stale }) => {
    seen.members = stale ? [] : members.map(({ payload }) => payload ?? '');
    const all = members.map(({ id, czxid }) => ({ id, czxid: Number(czxid) }));
    stage.tell({ kind: 'members', isStale: stale, members: all });
    stage.did('group');
  });
  const close = async (): Promise<void> => {
    subscription.unsubscribe();
    await groups.close();
  };
  return { seen, close };
}

/** Follows a configuration; one of the workers publishes it. */
export function configure(stage: Stage): {
  readonly seen: { configZxid: number };
  close(): Promise<void>;
} {
  const { zk, settings } = stage;
  const configs = new ConfigClient(zk, {
    root: stage.path('config'),
    recordsRoot: stage.path('config-records'),
    identity: settings.worker,
  });
  const fallback = { default: { serial: 0, twin: 0 } };
  const live = configs.watch<Shop>('shop', { fallback });
  const seen = { configZxid: 0 };
  live
    .select((shop) => shop)
    .subscribe(({ serial, twin }) => {
      seen.configZxid = Number(live.version?.zxid ?? 0n);
      stage.tell({ kind: 'configured', serial, twin, zxid: seen.configZxid });
      stage.did('config');
    });

  if (settings.isPublisher) {
    let serial = 0;
    stage.repeat('publish', PUBLISH_PAUSE_MS, async () => {
      // The one before, of the same name, may have come further.
      if (serial === 0) serial = (await live.ready()).serial;
      serial++;
      stage.tell({ kind: 'publishing', serial });
      try {
        const { version } = await stage.within('publish', (waitMs) =>
          configs.publish('shop', { serial, twin: serial }, { waitMs }),
        );
        stage.tell({ kind: 'published', serial, version: version.number ?? -1 });
        stage.did('publish');
      } catch (error) {
        const isCertain = (error as { outcome?: unknown }).outcome !== 'unknown';
        stage.tell({ kind: 'notPublished', serial, isCertain });
        throw error;
      }
    });
  }
  return { seen, close: () => configs.close() };
}

/** Keeps a copy of a tree, in which each worker writes two nodes together. */
export function cache(stage: Stage): {
  readonly seen: { tree: readonly TreeEntry[] };
  close(): Promise<void>;
} {
  const { zk, settings } = stage;
  const tree = stage.path('tree');
  const copy = new Caches(zk).tree(tree).keep();
  const seen: { tree: readonly TreeEntry[] } = { tree: [] };
  const subscription = copy.snapshot$.subscribe((snapshot) => {
    const nodes = snapshot.children().map(({ name, data, stat }) => {
      return { name, mzxid: Number(stat.mzxid), text: String(data) };
    });
    seen.tree = nodes;
    stage.tell({ kind: 'cached', zxid: Number(snapshot.zxid), nodes });
    stage.did('cache');
  });

  let last = 0;
  stage.repeat('tree', TREE_PAUSE_MS, async () => {
    const text = `${settings.worker}:${++last}`;
    const both = zk.transaction().set(`${tree}/${settings.name}-a`, text);
    await both.set(`${tree}/${settings.name}-b`, text).commit({ deadlineMs: WAIT_MS });
    stage.did('tree');
  });
  const close = (): Promise<void> => {
    subscription.unsubscribe();
    copy.close();
    return Promise.resolve();
  };
  return { seen, close };
}
