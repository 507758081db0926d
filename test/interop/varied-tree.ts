import { CREATOR_ALL_ACL, READ_ACL, digestId, type Acl, type ZooKeeper } from '@aviary/client';

/** Who may read all that {@link growTree} makes. */
export const GARDENER = { scheme: 'digest', auth: 'alice:secret' } as const;

const READERS: readonly Acl[] = [...READ_ACL, { perms: 31, id: digestId('alice', 'secret') }];
const HOUR_MS = 3_600_000;

/** Makes nodes of every kind below `root`, with a history: some were changed, some are gone. */
export async function growTree(zk: ZooKeeper, root: string): Promise<void> {
  await zk.create(root, 'top');
  const at = (name: string) => `${root}/${name}`;
  await zk.create(at('null'), null);
  await zk.create(at('empty'));
  await zk.create(
    at('bytes'),
    Uint8Array.from({ length: 256 }, (_, i) => i),
  );
  await zk.create(at('large'), Buffer.alloc(300_000, 'large '));
  await zk.create(at('ünïcödé 日本'), 'schlüssel');
  await zk.create(at('mine'), 'x', { acl: CREATOR_ALL_ACL });
  await zk.create(at('readable'), 'y', { acl: READERS });
  await zk.create(at('network'), '', {
    acl: [{ perms: 31, id: { scheme: 'ip', id: '127.0.0.0/8' } }],
  });
  await zk.create(at('opened'), '', { acl: CREATOR_ALL_ACL });
  await zk.setAcl(at('opened'), READERS, { version: 0 });
  await zk.create(at('ephemeral'), 'here', { mode: 'ephemeral' });
  await zk.create(at('turn-'), '', { mode: 'ephemeralSequential' });
  await zk.create(at('container'), '', { mode: 'container' });
  await zk.create(at('container/child'));
  await zk.create(at('ttl'), '', { mode: 'persistentWithTtl', ttlMs: HOUR_MS });
  await zk.create(at('ttl-'), '', { mode: 'persistentSequentialWithTtl', ttlMs: 2 * HOUR_MS });
  const numbers = Array.from({ length: 150 }, (_, n) => n);
  await Promise.all(
    numbers.map((n) => zk.create(at('n-'), `${n}`, { mode: 'persistentSequential' })),
  );
  const { children } = await zk.children(root);
  const made = children.filter((name) => name.startsWith('n-')).sort();
  await Promise.all(made.slice(0, 50).map((name) => zk.set(at(name), 'changed')));
  await Promise.all(made.slice(40, 80).map((name) => zk.delete(at(name))));
  await zk.transaction().create(at('a')).create(at('a/b'), 'deep').set(at('empty'), '1').commit();
  const refused = zk.transaction().create(at('never')).check(at('missing'), { version: 1 });
  await refused.commit().then(
    () => Promise.reject(new Error('a transaction with a failing check was applied')),
    () => undefined,
  );
}

/** Every node from `path` down with all that a server says of it, in the order of the paths. */
export async function surveyTree(zk: ZooKeeper, path = '/'): Promise<Map<string, string>> {
  const survey = new Map<string, string>();
  const visit = async (node: string): Promise<void> => {
    const [{ children }, { data, stat }, { acl }] = await Promise.all([
      zk.children(node),
      zk.get(node),
      zk.getAcl(node),
    ]);
    const facts = { data: data?.toString('base64') ?? null, stat, acl };
    survey.set(
      node,
      JSON.stringify(facts, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      ),
    );
    const prefix = node === '/' ? '/' : `${node}/`;
    await Promise.all(children.map((name) => visit(prefix + name)));
  };
  await visit(path);
  return new Map([...survey].sort(([a], [b]) => (a < b ? -1 : 1)));
}
