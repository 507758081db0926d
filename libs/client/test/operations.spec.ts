import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OpCode } from '@aviary/protocol';
import {
  BadVersionError,
  InvalidArgumentError,
  InvalidPathError,
  NoNodeError,
  NodeExistsError,
  NotEmptyError,
  RequestTooLargeError,
  TransactionFailedError,
  UnimplementedError,
  ZooKeeper,
  digestId,
  type NodeMode,
  type Transaction,
  type TransactionResult,
} from '../src/index.js';
import { Fixture, rejection } from './fixture.js';

let fixture: Fixture;
let zk: ZooKeeper;

beforeEach(async () => {
  fixture = await Fixture.start();
  zk = await fixture.connected();
});

afterEach(() => fixture.stop());

const run = <T>(promise: Promise<T>) => fixture.settled(promise);

describe('nodes', () => {
  it('are created, read, changed and deleted', async () => {
    const created = await run(zk.create('/a', 'one'));
    expect(created.path).toBe('/a');
    expect(created.stat.version).toBe(0);
    const read = await run(zk.get('/a'));
    expect(read.data?.toString()).toBe('one');
    expect(read.stat.czxid).toBe(created.stat.czxid);
    expect((await run(zk.set('/a', 'two', { version: 0 }))).version).toBe(1);
    expect((await run(zk.exists('/a')))?.dataLength).toBe(3);
    await run(zk.create('/a/b'));
    expect((await run(zk.children('/a'))).children).toEqual(['b']);
    await run(zk.delete('/a/b'));
    await run(zk.delete('/a', { version: 1 }));
    expect(await run(zk.exists('/a'))).toBeNull();
  });

  it('keep null, empty and text apart, and are not changed through the caller’s bytes', async () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    const creating = zk.create('/bytes', bytes);
    bytes[0] = 9;
    await run(creating);
    await run(zk.create('/null', null));
    await run(zk.create('/empty'));
    expect((await run(zk.get('/bytes'))).data).toEqual(Buffer.from([1, 2, 3]));
    expect((await run(zk.get('/null'))).data).toBeNull();
    expect((await run(zk.get('/empty'))).data).toEqual(Buffer.alloc(0));
  });

  it.each<[NodeMode, number]>([
    ['persistent', OpCode.create2],
    ['ephemeral', OpCode.create2],
    ['persistentSequential', OpCode.create2],
    ['ephemeralSequential', OpCode.create2],
    ['container', OpCode.createContainer],
    ['persistentWithTtl', OpCode.createTTL],
    ['persistentSequentialWithTtl', OpCode.createTTL],
  ])('of mode %s are asked for with operation %i', async (mode, opCode) => {
    const ttlMs = mode.endsWith('WithTtl') ? 1_000 : undefined;
    const options = { mode, ttlMs } as { mode: 'persistent' };
    const { path } = await run(zk.create('/n-', '', options));
    expect(path).toBe(mode.includes('equential') ? '/n-0000000000' : '/n-');
    expect([...fixture.ensemble.connections][0]?.seen.at(-1)).toBe(opCode);
  });

  it('take a sequential path that ends with a slash', async () => {
    await run(zk.create('/q'));
    const { path } = await run(zk.create('/q/', '', { mode: 'persistentSequential' }));
    expect(path).toBe('/q/0000000000');
  });

  it('below a chroot are seen from there', async () => {
    await run(zk.ensurePath('/app/one'));
    const inside = await fixture.connected({ chroot: '/app/one' });
    expect((await run(inside.create('/a', 'x'))).path).toBe('/a');
    expect((await run(zk.get('/app/one/a'))).data?.toString()).toBe('x');
    expect((await run(inside.children('/'))).children).toEqual(['a']);
    expect((await rejection(run(inside.get('/b')))).message).toContain('get /b:');
    const [created] = await run(inside.transaction().create('/t').commit());
    expect(created.path).toBe('/t');
  });

  it('are made with everything above them by ensurePath', async () => {
    await run(zk.ensurePath('/x/y/z'));
    await run(zk.ensurePath('/x/y/z'));
    expect(await run(zk.exists('/x/y/z'))).not.toBeNull();
    const inside = await fixture.connected({ chroot: '/new/root' });
    await run(inside.ensurePath('/deep', { mode: 'container' }));
    expect(await run(zk.exists('/new/root/deep'))).not.toBeNull();
  });

  it('are made by ensurePath whatever the connection does, within one deadline', async () => {
    let requests = 0;
    fixture.ensemble.treat = () => {
      requests++;
      return requests % 3 === 1 ? 'closeAfter' : 'serve';
    };
    await run(zk.ensurePath('/a/b/c/d'));
    expect(requests).toBeGreaterThan(7);
    fixture.ensemble.treat = () => 'silent';
    const before = fixture.clock.nowMs;
    const error = await rejection(run(zk.ensurePath('/x/y', { deadlineMs: 1_000 })));
    expect(error.name).toBe('DeadlineExceededError');
    expect(fixture.clock.nowMs - before).toBeLessThan(1_050);
  });

  it('have ACLs', async () => {
    const { acl } = await run(zk.getAcl('/'));
    expect(acl).toEqual([{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]);
    expect(digestId('u', 'p')).toEqual({ scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' });
  });
});

describe('refusals of the server', () => {
  it('are errors of their own class, with code, path and outcome', async () => {
    await run(zk.create('/a/'.slice(0, 2), 'x'));
    const missing = await rejection(run(zk.get('/no')));
    expect(missing).toBeInstanceOf(NoNodeError);
    expect(missing).toMatchObject({
      name: 'NoNodeError',
      code: -101,
      path: '/no',
      operation: 'get',
      outcome: 'notApplied',
    });
    expect(missing.message).toBe('get /no: the node does not exist (noNode, -101)');
    expect(await rejection(run(zk.create('/a')))).toBeInstanceOf(NodeExistsError);
    expect(await rejection(run(zk.set('/a', '', { version: 7 })))).toBeInstanceOf(BadVersionError);
    const afterOverflow = rejection(run(zk.set('/a', '', { version: -2 })));
    expect(await afterOverflow).toBeInstanceOf(BadVersionError);
    await run(zk.create('/a/b'));
    expect(await rejection(run(zk.delete('/a')))).toBeInstanceOf(NotEmptyError);
    expect(await rejection(run(zk.countDescendants('/a')))).toBeInstanceOf(UnimplementedError);
  });
});

describe('arguments', () => {
  it.each<[string, (zk: ZooKeeper) => Promise<unknown>, RegExp]>([
    ['no slash', (z) => z.get('a'), /must start with "\/": "a"/],
    ['a slash at the end', (z) => z.delete('/a/'), /must not end with "\/"/],
    ['an empty path', (z) => z.exists(''), /must not be empty/],
    ['a dot', (z) => z.children('/./a'), /component "\."/],
    ['no string', (z) => z.getAcl(undefined as unknown as string), /must be a string/],
    ['a NUL', (z) => z.sync('/\0'), /U\+0000/],
    ['a bad path to create', (z) => z.create('/a/'), /must not end/],
  ])('with %s are refused as a path', async (_, call, why) => {
    const error = await rejection(call(zk));
    expect(error).toBeInstanceOf(InvalidPathError);
    expect(error.message).toMatch(why);
  });

  it.each<[string, (zk: ZooKeeper) => Promise<unknown>, RegExp]>([
    ['a version for any', (z) => z.set('/a', '', { version: -1 }), /leave it out to match any/],
    ['too great a version', (z) => z.set('/a', '', { version: 2 ** 31 }), /version 2147483648/],
    ['a version as text', (z) => z.set('/a', '', { version: '1' as never }), /version 1 is not/],
    ['a fraction of a version', (z) => z.delete('/a', { version: 1.5 }), /version 1.5/],
    ['a number as data', (z) => z.create('/a', 5 as unknown as string), /must be a string/],
    ['an unknown mode', (z) => z.create('/a', '', { mode: 'x' as 'container' }), /is none of/],
    [
      'a TTL without a TTL mode',
      (z) => z.create('/a', '', { mode: 'container', ttlMs: 5 } as unknown as object),
      /ttlMs is for the TTL modes/,
    ],
    [
      'a TTL mode without a TTL',
      (z) => z.create('/a', '', { mode: 'persistentWithTtl' } as unknown as object),
      /ttlMs must be a whole number/,
    ],
    ['an empty ACL', (z) => z.setAcl('/a', []), /must have an entry/],
    ['an ACL that is none', (z) => z.create('/a', '', { acl: [null!] }), /must be a list of/],
    ['no signal', (z) => z.get('/a', { signal: new AbortController() as never }), /an AbortSignal/],
    ['a bad deadline', (z) => z.get('/a', { deadlineMs: Number.NaN }), /deadlineMs/],
  ])('with %s are refused', async (_, call, why) => {
    const error = await rejection(call(zk));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(why);
  });

  it('with more data than a request may have are refused before they are sent', async () => {
    const error = await rejection(zk.create('/a', new Uint8Array(2_000_000)));
    expect(error).toBeInstanceOf(RequestTooLargeError);
    expect(error.message).toContain('2000000 bytes');
    // The data fits, but not with the path.
    const close = await rejection(run(zk.create(`/${'p'.repeat(100)}`, new Uint8Array(1_048_560))));
    expect(close).toBeInstanceOf(RequestTooLargeError);
    expect((await run(zk.get('/'))).stat.numChildren).toBe(0);
  });

  it('of the client are checked when it is made', () => {
    const make = (options: object) => () => new ZooKeeper(options as { servers: string });
    expect(make({ servers: undefined })).toThrow(/must be a string like "localhost:2181"/);
    expect(make({ servers: 'h:x' })).toThrow(/not a port/);
    expect(make({ servers: ['h1', 'h2:3'] })).not.toThrow();
    expect(make({ servers: 'h/a', chroot: '/b' })).toThrow(/both name a chroot/);
    expect(make({ servers: 'h', chroot: 'b' })).toThrow(/must start with/);
    expect(make({ servers: 'h', sessionTimeoutMs: 0 })).toThrow(/sessionTimeoutMs must be/);
    expect(make({ servers: 'h', sessionTimeoutMs: '5s' })).toThrow(/sessionTimeoutMs must be/);
    expect(make({ servers: 'h', holdFraction: 1.5 })).toThrow(/holdFraction must be/);
    expect(make({ servers: 'h', auth: [{ scheme: '', auth: 'x' }] })).toThrow(/scheme must be/);
  });
});

describe('a transaction', () => {
  it('gives a typed result for each operation', async () => {
    await run(zk.create('/a', 'x'));
    const [created, stat, checked, deleted] = await run(
      zk
        .transaction()
        .create('/b-', 'y', { mode: 'persistentSequential' })
        .set('/a', 'z', { version: 0 })
        .check('/a', { version: 1 })
        .delete('/a')
        .commit(),
    );
    expect(created.path).toBe('/b-0000000001');
    expect(stat.version).toBe(1);
    expect([checked, deleted]).toEqual([undefined, undefined]);
    expect(await run(zk.exists('/a'))).toBeNull();
  });

  it('that fails is not applied, and says which operation failed and why', async () => {
    const transaction = zk.transaction().create('/a').create('/b').delete('/no').create('/c');
    const error = await rejection(run(transaction.commit()));
    expect(error).toBeInstanceOf(TransactionFailedError);
    expect(error.cause).toBeInstanceOf(NoNodeError);
    expect(error).toMatchObject({ index: 2, outcome: 'notApplied', path: '/no' });
    expect(error.message).toContain('operation 3 of 4 of the transaction failed: delete /no');
    expect((await run(zk.children('/'))).children).toEqual([]);
  });

  it('can be built in a loop, and can be empty', async () => {
    const transaction: Transaction<TransactionResult[]> = zk.transaction();
    for (const name of ['x', 'y', 'z']) transaction.create(`/${name}`);
    expect(transaction.size).toBe(3);
    expect(await run(transaction.commit())).toHaveLength(3);
    expect(await run(zk.transaction().commit())).toEqual([]);
  });

  it('refuses a bad argument where it is made', () => {
    expect(() => zk.transaction().create('a')).toThrow(InvalidPathError);
  });
});

describe('a multi-read', () => {
  it('answers each read for itself, typed', async () => {
    await run(zk.create('/a', 'x'));
    const [data, children, missing] = await run(
      zk.multiRead([
        { kind: 'get', path: '/a' },
        { kind: 'children', path: '/' },
        { kind: 'get', path: '/no' },
      ]),
    );
    expect(data.status === 'fulfilled' && data.value.data?.toString()).toBe('x');
    expect(children.status === 'fulfilled' && children.value).toEqual(['a']);
    expect(missing.status === 'rejected' && missing.reason).toBeInstanceOf(NoNodeError);
  });
});

describe('identities', () => {
  it('are proved to every server, and known to calls made after', async () => {
    await run(zk.addAuth('digest', 'u:p'));
    fixture.ensemble.closeConnections();
    const [identity] = await run(zk.whoAmI());
    expect(identity).toEqual({ scheme: 'digest', user: 'digest:u:p' });
  });
});

describe('requests of one turn', () => {
  it('leave in one write', async () => {
    const [stream] = fixture.network.open;
    const before = stream!.writes;
    await run(Promise.all(Array.from({ length: 1_000 }, () => zk.exists('/'))));
    expect(stream!.writes - before).toBe(1);
  });
});
