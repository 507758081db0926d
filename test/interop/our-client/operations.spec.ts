import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AuthFailedError,
  BadVersionError,
  CREATOR_ALL_ACL,
  InvalidAclError,
  NoAuthError,
  NoChildrenForEphemeralsError,
  NoNodeError,
  NodeExistsError,
  NotEmptyError,
  OPEN_ACL,
  Permission,
  READ_ACL,
  RequestTooLargeError,
  TransactionFailedError,
  digestId,
  type TreeEvent,
  type ZooKeeper,
} from '@aviary/client';
import { Clients, rejection, until } from './clients.js';
import { SERVER_KINDS, TestServer, removeAll } from '../servers.js';

afterAll(removeAll);

describe.each(SERVER_KINDS)('our client on a server of %s', (kind) => {
  let server: TestServer;
  let clients: Clients;
  let zk: ZooKeeper;

  beforeAll(async () => {
    server = await TestServer.start(kind);
  });

  afterAll(() => server.kill());

  beforeEach(async () => {
    clients = new Clients(server.hosts);
    zk = await clients.connected();
  });

  afterEach(() => clients.clean());

  describe('nodes', () => {
    it('are created, read, changed and deleted', async () => {
      const { path, stat } = await zk.create('/a', 'one');
      expect(path).toBe('/a');
      expect(stat).toMatchObject({ version: 0, dataLength: 3, ephemeralOwner: 0n });
      expect(await zk.get('/a')).toEqual({ data: Buffer.from('one'), stat });
      const changed = await zk.set('/a', 'two', { version: 0 });
      expect(changed.version).toBe(1);
      expect(changed.mzxid > stat.mzxid).toBe(true);
      expect(await zk.exists('/a')).toEqual(changed);
      expect(zk.lastZxid >= changed.mzxid).toBe(true);
      await zk.delete('/a', { version: 1 });
      expect(await zk.exists('/a')).toBeNull();
      expect(await rejection(zk.get('/a'))).toBeInstanceOf(NoNodeError);
    });

    it('are refused for the reasons that the classes name', async () => {
      await zk.create('/a/'.slice(0, 2));
      expect(await rejection(zk.create('/a'))).toBeInstanceOf(NodeExistsError);
      expect(await rejection(zk.create('/no/a'))).toBeInstanceOf(NoNodeError);
      expect(await rejection(zk.set('/a', '', { version: 3 }))).toBeInstanceOf(BadVersionError);
      await zk.create('/a/b', '', { mode: 'ephemeral' });
      expect(await rejection(zk.delete('/a'))).toBeInstanceOf(NotEmptyError);
      expect(await rejection(zk.create('/a/b/c'))).toBeInstanceOf(NoChildrenForEphemeralsError);
    });

    it('keep null, empty, bytes and text apart', async () => {
      await zk.create('/null', null);
      await zk.create('/empty');
      await zk.create('/bytes', Uint8Array.from([0, 255]));
      await zk.create('/text', 'schlüssel');
      expect((await zk.get('/null')).data).toBeNull();
      expect((await zk.get('/empty')).data).toEqual(Buffer.alloc(0));
      expect((await zk.get('/bytes')).data).toEqual(Buffer.from([0, 255]));
      expect((await zk.get('/text')).data?.toString()).toBe('schlüssel');
      expect((await zk.set('/bytes', null)).dataLength).toBe(0);
    });

    it('can hold almost as much as a request may have', async () => {
      const big = Buffer.alloc(1_000_000, 'x');
      await zk.create('/big', big);
      expect((await zk.get('/big')).data?.equals(big)).toBe(true);
      const error = await rejection(zk.set('/big', Buffer.alloc(1_048_570)));
      expect(error).toBeInstanceOf(RequestTooLargeError);
      expect(zk.state.kind).toBe('connected');
    });
  });

  describe('kinds of nodes', () => {
    it('are seven', async () => {
      const owner = zk.sessionId;
      const plain = await zk.create('/n-', '', { mode: 'persistent' });
      const ephemeral = await zk.create('/e-', '', { mode: 'ephemeral' });
      const first = await zk.create('/n-', '', { mode: 'persistentSequential' });
      const second = await zk.create('/x-', '', { mode: 'ephemeralSequential' });
      const container = await zk.create('/c-', '', { mode: 'container' });
      const ttl = await zk.create('/t-', '', { mode: 'persistentWithTtl', ttlMs: 60_000 });
      const last = await zk.create('/t-', '', {
        mode: 'persistentSequentialWithTtl',
        ttlMs: 60_000,
      });
      expect([plain.path, ephemeral.path, container.path, ttl.path]).toEqual([
        '/n-',
        '/e-',
        '/c-',
        '/t-',
      ]);
      expect(ephemeral.stat.ephemeralOwner).toBe(owner);
      expect(second.stat.ephemeralOwner).toBe(owner);
      expect([first.path, second.path, last.path]).toEqual([
        '/n-0000000002',
        '/x-0000000003',
        '/t-0000000006',
      ]);
      expect([...(await zk.ephemerals())].sort()).toEqual(['/e-', '/x-0000000003']);
      expect(await zk.countDescendants('/')).toBe(7);
    });

    it('that are ephemeral go with their session', async () => {
      const other = await clients.connected();
      await other.create('/mine', '', { mode: 'ephemeral' });
      expect(await zk.exists('/mine')).not.toBeNull();
      await other.close();
      expect(other.state).toEqual({ kind: 'closed', sessionClosed: true });
      expect(await zk.exists('/mine')).toBeNull();
    });

    it('are in order: thousands of pipelined writes', async () => {
      await zk.create('/counter', '0');
      const stats = await Promise.all(
        Array.from({ length: 5_000 }, (_, n) => zk.set('/counter', String(n), { version: n })),
      );
      expect(stats.map((stat) => stat.version)).toEqual(stats.map((_, n) => n + 1));
      expect((await zk.get('/counter')).data?.toString()).toBe('4999');
    });

    it('answer sync, getConfig and whoAmI', async () => {
      await zk.sync('/');
      expect((await zk.getConfig()).stat.czxid).toBe(0n);
      expect((await zk.whoAmI()).map(({ scheme }) => scheme)).toContain('ip');
    });
  });

  describe('transactions and multi-reads', () => {
    it('apply all operations', async () => {
      await zk.create('/a', 'x');
      const [created, container, stat] = await zk
        .transaction()
        .create('/b-', 'y', { mode: 'persistentSequential' })
        .create('/c', 'z', { mode: 'container' })
        .set('/a', 'w', { version: 0 })
        .check('/a', { version: 1 })
        .delete('/a')
        .commit();
      expect(created.path).toMatch(/^\/b-\d{10}$/);
      expect(container.path).toBe('/c');
      expect(stat.version).toBe(1);
      expect(await zk.exists('/a')).toBeNull();
    });

    it('or none', async () => {
      const transaction = zk.transaction().create('/a').create('/b').check('/no').create('/c');
      const error = await rejection(transaction.commit());
      expect(error).toBeInstanceOf(TransactionFailedError);
      expect(error).toMatchObject({ index: 2, path: '/no' });
      expect(error.cause).toBeInstanceOf(NoNodeError);
      expect((await zk.children('/')).children).toEqual([]);
      expect(await zk.transaction().commit()).toEqual([]);
    });

    it('read each for itself', async () => {
      await zk.create('/a', 'x');
      const [data, names, missing] = await zk.multiRead([
        { kind: 'get', path: '/a' },
        { kind: 'children', path: '/' },
        { kind: 'get', path: '/no' },
      ]);
      expect(data.status === 'fulfilled' && data.value.data?.toString()).toBe('x');
      expect(names.status === 'fulfilled' && names.value).toEqual(['a']);
      expect(missing.status === 'rejected' && missing.reason).toBeInstanceOf(NoNodeError);
    });
  });

  describe('permissions', () => {
    it('keep out who has not proved who they are', async () => {
      const owner = await clients.connected({ auth: [{ scheme: 'digest', auth: 'u:p' }] });
      await owner.create('/secret', 'x', { acl: CREATOR_ALL_ACL });
      expect((await owner.getAcl('/secret')).acl).toEqual([
        { perms: Permission.all, id: digestId('u', 'p') },
      ]);
      expect(await rejection(zk.get('/secret'))).toBeInstanceOf(NoAuthError);
      await zk.addAuth('digest', 'u:p');
      expect((await zk.get('/secret')).data?.toString()).toBe('x');
    });

    it('change with the version of the ACL', async () => {
      await zk.create('/a', '', { acl: OPEN_ACL });
      const stat = await zk.setAcl('/a', [...READ_ACL, { perms: 16, id: digestId('u', 'p') }]);
      expect(stat).toMatchObject({ aversion: 1, version: 0 });
      expect(await rejection(zk.set('/a', ''))).toBeInstanceOf(NoAuthError);
      await zk.addAuth('digest', 'u:p');
      const late = await rejection(zk.setAcl('/a', OPEN_ACL, { version: 0 }));
      expect(late).toBeInstanceOf(BadVersionError);
      await zk.setAcl('/a', OPEN_ACL, { version: 1 });
      await zk.set('/a', 'open again');
    });

    it('are refused where they make no sense', async () => {
      const alone = await rejection(zk.create('/a', '', { acl: CREATOR_ALL_ACL }));
      expect(alone).toBeInstanceOf(InvalidAclError);
      const nobody = await clients.connected();
      expect(await rejection(nobody.addAuth('no-such-scheme', 'x'))).toBeInstanceOf(
        AuthFailedError,
      );
      expect(nobody.state.kind).toBe('authFailed');
      const wrong = clients.make({ auth: [{ scheme: 'no-such-scheme', auth: 'x' }] });
      expect(await rejection(wrong.connect())).toBeInstanceOf(AuthFailedError);
    });
  });

  describe('watches', () => {
    it('fire once, in the order of the changes', async () => {
      const missing = await zk.existsAndWatch('/a');
      expect(missing.stat).toBeNull();
      const root = await zk.childrenAndWatch('/');
      const other = await clients.connected();
      await other.create('/a', '1');
      expect(await missing.watch.fired).toMatchObject({ kind: 'created', path: '/a' });
      expect(await root.watch.fired).toMatchObject({ kind: 'childrenChanged', path: '/' });
      const { watch } = await zk.getAndWatch('/a');
      await other.set('/a', '2');
      expect(await watch.fired).toMatchObject({ kind: 'dataChanged' });
      const last = await zk.getAndWatch('/a');
      await other.delete('/a');
      expect(await last.watch.fired).toMatchObject({ kind: 'deleted' });
    });

    it('show a node and its children as streams', async () => {
      const data: string[] = [];
      const names: string[] = [];
      const one = zk.watchNode('/a').subscribe((node) => data.push(String(node?.data ?? null)));
      const two = zk
        .watchChildren('/a')
        .subscribe((node) => names.push(node === null ? 'none' : [...node.children].sort().join()));
      const other = await clients.connected();
      await until(() => data.length === 1 && names.length === 1);
      await other.create('/a', '1');
      await until(() => data.length === 2 && names.length === 2);
      await other.create('/a/x');
      await other.create('/a/y');
      await other.set('/a', '2');
      await until(() => data.at(-1) === '2' && names.at(-1) === 'x,y');
      expect(data).toEqual(['null', '1', '2']);
      one.unsubscribe();
      two.unsubscribe();
      expect(zk.watchCount).toBe(0);
    });
  });

  describe('watches that stay', () => {
    it('tell of a whole tree, also beside a watch that fires once at its root', async () => {
      const events: string[] = [];
      const record = (event: TreeEvent) =>
        events.push(event.kind === 'reset' ? 'reset' : `${event.kind} ${event.path}`);
      await zk.create('/t');
      const tree = zk.watchTree('/t').subscribe(record);
      await until(() => events.length === 1);
      // Servers before 3.9 take this watch for a change of mode.
      const { watch } = await zk.getAndWatch('/t');
      const other = await clients.connected();
      await other.set('/t', '1');
      expect(await watch.fired).toMatchObject({ kind: 'dataChanged' });
      await other.set('/t', '2');
      await other.create('/t/a');
      await other.create('/t/a/b');
      await other.delete('/t/a/b');
      await until(() => events.length === 6);
      expect(events).toEqual([
        'reset',
        'dataChanged /t',
        'dataChanged /t',
        'created /t/a',
        'created /t/a/b',
        'deleted /t/a/b',
      ]);
      tree.unsubscribe();
    });

    it('of one node tell of its children too', async () => {
      const events: string[] = [];
      await zk.create('/t');
      zk.watchTree('/t', { recursive: false }).subscribe((event) => events.push(event.kind));
      await until(() => events.length === 1);
      await zk.create('/t/a');
      await zk.set('/t', 'x');
      await until(() => events.length === 3);
      expect(events).toEqual(['reset', 'childrenChanged', 'dataChanged']);
    });

    it('are gone from the server when nobody wants them', async () => {
      const before = await server.watchCount();
      await zk.create('/a');
      const held = [
        await zk.getAndWatch('/a'),
        await zk.existsAndWatch('/no'),
        await zk.childrenAndWatch('/a'),
      ];
      const events: TreeEvent[] = [];
      const subscriptions = [
        zk.watchTree('/a').subscribe((event) => events.push(event)),
        zk.watchTree('/b', { recursive: false }).subscribe((event) => events.push(event)),
        zk.watchNode('/c').subscribe(),
      ];
      await until(() => events.length === 2);
      await zk.sync();
      expect(await server.watchCount()).toBeGreaterThan(before);
      // In this order: beside a tree the client leaves one-shot watches where they are.
      for (const subscription of subscriptions) subscription.unsubscribe();
      for (const { watch } of held) watch.cancel();
      await until(async () => (await server.watchCount()) === before);
      expect(zk.watchCount).toBe(0);
    });
  });
});
