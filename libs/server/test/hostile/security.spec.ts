import { describe, expect, it } from '@jest/globals';
import {
  AddWatchMode,
  ErrorCode,
  OPEN_ACL,
  OpCode,
  Permission,
  getAclResponse,
  getChildrenResponse,
  type Acl,
} from '@aviary/protocol';
import { FOUR_LETTER_WORDS_DEFAULT } from '@aviary/server';
import { worstPowerCut } from '@aviary/simulator';
import { checkLogs, loggedTransactions, soundLogs } from '../log-replay.js';
import {
  addWatch,
  auth,
  check,
  create,
  exists,
  getAcl,
  getChildren,
  getData,
  multiRead,
  rawMulti,
  remove,
  setAcl,
  setData,
  setWatches,
  type Request,
} from '../requests.js';
import { ServerWorld } from '../server-world.js';
import { frameOf, handshakeFrame, type WireClient } from '../wire-client.js';
import { createOfBytes, withNullPath } from './broken-requests.js';

const SUPER_DIGEST = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';

const err = async (client: WireClient, request: Request) => (await client.call(request)).err;

/** The logs replay, and a server starts from them, with what was there. */
async function expectReplayable(world: ServerWorld): Promise<void> {
  expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
  const { zxid } = world;
  await world.restart(worstPowerCut);
  expect(world.zxid).toBe(zxid);
}

describe('reliability, security:', () => {
  it('one well-formed but unexpected request (check outside a multi) is refused and never logged', async () => {
    const world = await ServerWorld.start();
    const [poisoner, other] = [await world.session(), await world.session()];
    await other.done(create('/a'));
    const before = world.zxid;
    expect(await err(poisoner, check('/a', 0))).toBe(ErrorCode.unimplemented);
    await poisoner.closed();
    expect(world.zxid).toBe(before);
    const types = (await loggedTransactions(world.host.drive)).map(({ header }) => header.type);
    expect(types).not.toContain(OpCode.check);
    expect(await err(other, setData('/a', 'x'))).toBe(ErrorCode.ok);
    await expectReplayable(world);
  });

  it('malformed reconfig has exactly one answer, whatever is in it', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    const bodies = [
      '',
      'ffffffff',
      '00000001',
      '7fffffff',
      '00000004736572',
      'ffffffffffffffffffffffffffffffff',
    ];
    for (const body of bodies) {
      const request = { type: OpCode.reconfig, body: Buffer.from(body, 'hex') };
      expect(await err(client, request)).toBe(ErrorCode.reconfigDisabled);
    }
    expect(client.pending).toBe(0);
    await expectReplayable(world);
  });

  it('multi with a check of a null path is answered, and leaves no state behind', async () => {
    const world = await ServerWorld.start();
    const [client, other] = [await world.session(), await world.session()];
    const poison = rawMulti(OpCode.multi, [create('/a'), withNullPath(check('/a'))]);
    expect(await err(client, poison)).toBe(ErrorCode.marshallingError);
    expect(await err(other, exists('/a'))).toBe(ErrorCode.noNode);
    expect(await err(client, create('/a'))).toBe(ErrorCode.ok);
    await expectReplayable(world);
  });

  it('lengths: negative, zero, 2^31-1, vector counts are looked at before anything is allocated', async () => {
    const world = await ServerWorld.start();
    const other = await world.session();
    const lengths = ['ffffffff', '80000000', '7fffffff', '00100000', '00000000'];
    for (const length of lengths) {
      const client = await world.session();
      client.sendRaw(Buffer.from(length, 'hex'));
      await client.closed();
    }
    const client = await world.session();
    for (const count of ['ffffffff', 'fffffffe', '7fffffff', '0000ffff']) {
      const lists = Buffer.from(`0000000000000000${count}`, 'hex');
      const request = { type: OpCode.setWatches, body: lists };
      expect(await err(client, request)).toBe(ErrorCode.marshallingError);
      const { type, body } = create('/a');
      const aclAt = 4 + 2 + 4;
      const broken = Buffer.concat([
        body.subarray(0, aclAt),
        Buffer.from(count, 'hex'),
        Buffer.alloc(4),
      ]);
      expect([ErrorCode.marshallingError, ErrorCode.invalidAcl]).toContain(
        await err(client, { type, body: broken }),
      );
    }
    expect(await err(other, getData('/'))).toBe(ErrorCode.ok);
    expect(world.port.heldBytes).toBe(0);
    await expectReplayable(world);
  });

  it('silence, slowloris: the handshake has a deadline in all, not one per byte', async () => {
    const world = await ServerWorld.start({ server: { limits: { handshakeMs: 5000 } } });
    const silent = world.connect();
    const slow = world.connect();
    const bytes = handshakeFrame();
    const startedMs = world.world.virtualMs;
    for (let i = 0; i < bytes.length && !slow.isClosed; i++) {
      slow.sendRaw(bytes.subarray(i, i + 1));
      await world.pass(500);
    }
    expect([slow.isClosed, silent.isClosed, slow.pending]).toEqual([true, true, 0]);
    expect(world.world.virtualMs - startedMs).toBeLessThanOrEqual(5000 + 1250 + 500);
  });

  it('four letter words: by default none that is expensive or tells of sessions, settings or the machine', () => {
    const telling = [
      'conf',
      'cons',
      'dump',
      'envi',
      'stat',
      'wchs',
      'wchc',
      'wchp',
      'srst',
      'crst',
      'dirs',
    ];
    expect(FOUR_LETTER_WORDS_DEFAULT.filter((word) => telling.includes(word))).toEqual([]);
  });

  it('/zookeeper: a super user closes it to all others by its list, for good; names are validated', async () => {
    const world = await ServerWorld.start({ server: { superDigest: SUPER_DIGEST } });
    const [admin, other] = [await world.session(), await world.session()];
    await admin.done(auth('digest', 'super:admin'));
    const readOnly: Acl[] = [{ perms: Permission.read, id: { scheme: 'world', id: 'anyone' } }];
    for (const path of ['/zookeeper', '/zookeeper/quota']) await admin.done(setAcl(path, readOnly));
    const refused = [
      create('/zookeeper/mine'),
      create('/zookeeper/quota/a'),
      setAcl('/zookeeper', OPEN_ACL),
      setData('/zookeeper/config', 'x'),
    ];
    for (const request of refused) expect(await err(other, request)).toBe(ErrorCode.noAuth);
    for (const path of ['/zookeeper', '/zookeeper/quota', '/zookeeper/config']) {
      expect(await err(other, remove(path))).not.toBe(ErrorCode.ok);
      expect(await err(admin, remove(path))).toBe(ErrorCode.badArguments);
    }
    expect(await err(admin, create('/zookeeper/quota/a'))).toBe(ErrorCode.ok);
    for (const path of ['/.', '/..', '/a/../zookeeper', '/a//b', '/a/', '/\u0000', '/\u0001']) {
      expect([ErrorCode.badArguments, ErrorCode.noNode]).toContain(await err(other, create(path)));
    }
    await expectReplayable(world);
    expect(await err(await world.session(), create('/zookeeper/mine'))).toBe(ErrorCode.noAuth);
  });

  it('ACL bypass: no operation, event or part of a multiRead shows what may not be read', async () => {
    const world = await ServerWorld.start();
    const [owner, spy] = [await world.session(), await world.session()];
    await owner.done(auth('digest', 'u:p'));
    await spy.done(addWatch('/', AddWatchMode.persistentRecursive));
    const mine: Acl[] = [{ perms: Permission.all, id: { scheme: 'auth', id: '' } }];
    await owner.done(create('/secret', { data: 'hush', acl: mine }));
    await owner.done(create('/secret/child', { data: 'hush', acl: mine }));
    for (const request of [
      getData('/secret'),
      exists('/secret'),
      getChildren('/secret'),
      getAcl('/secret'),
    ]) {
      expect(await err(spy, request)).toBe(ErrorCode.noAuth);
    }
    const parts = [
      { type: OpCode.getData, request: { path: '/secret', watch: false } },
      { type: OpCode.getChildren, request: { path: '/secret', watch: false } },
    ] as const;
    const { body } = await spy.done(multiRead(parts));
    expect(Buffer.from(body).includes('hush')).toBe(false);
    expect(Buffer.from(body).includes('child')).toBe(false);
    await owner.done(setData('/secret/child', 'more'));
    await spy.done(
      setWatches(0, { data: ['/secret'], child: ['/secret'], exist: ['/secret/child'] }),
    );
    await world.pass(20);
    expect(spy.pending).toBe(0);
    const open: Acl[] = [
      ...mine,
      { perms: Permission.read, id: { scheme: 'world', id: 'anyone' } },
    ];
    await owner.done(setAcl('/secret', open));
    const shown = (await spy.done(getAcl('/secret'))).as(getAclResponse);
    expect(shown.acl.map(({ id }) => id.id)).toEqual(['u:x', 'anyone']);
  });

  it('session takeover: without its password a session cannot be taken, harmed or told apart from none', async () => {
    const world = await ServerWorld.start();
    const victim = await world.session();
    const { sessionId } = victim.credentials;
    const answers: Uint8Array[] = [];
    for (const id of [sessionId, sessionId + 12345n, 0x0600_0000_0000_0001n]) {
      const thief = world.connect();
      thief.offer({ sessionId: id, password: new Uint8Array(16).fill(7) });
      answers.push(await thief.frame());
      await thief.closed();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(await err(victim, create('/a'))).toBe(ErrorCode.ok);
  });

  it('auth schemes: an unknown scheme closes the connection; enforcement holds for everything a session may ask', async () => {
    const world = await ServerWorld.start({ server: { enforcedAuthSchemes: new Set(['digest']) } });
    const client = await world.session();
    expect(await err(client, auth('unknown', 'x'))).toBe(ErrorCode.authFailed);
    await client.closed();
    const again = await world.session(client.credentials);
    const refused = await again.call(getData('/'));
    expect(refused.err).toBe(ErrorCode.sessionClosedRequireSaslAuth);
    await again.closed();
  });
});

describe('what JavaScript makes easy to get wrong:', () => {
  it('__proto__, constructor, hasOwnProperty are names like others', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    const names = [
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toString',
      'valueOf',
      'prototype',
    ];
    for (const name of names) {
      expect(await err(client, getData(`/${name}`))).toBe(ErrorCode.noNode);
      await client.done(create(`/${name}`));
      await client.done(create(`/${name}/__proto__`));
      await client.done(exists(`/${name}/__proto__`, true));
    }
    const { children } = (await client.done(getChildren('/'))).as(getChildrenResponse);
    expect(children).toEqual(expect.arrayContaining(names));
    await expectReplayable(world);
  });

  it('ids and zxids keep all their 64 bits', async () => {
    const world = await ServerWorld.start({ server: { serverId: 254 } });
    const client = await world.session();
    const { sessionId } = client.credentials;
    expect(BigInt.asUintN(64, sessionId)).toBeGreaterThan(1n << 63n);
    const near = world.connect();
    const wrong = { ...client.credentials, sessionId: sessionId ^ 1n };
    expect((await near.handshake(wrong)).sessionId).toBe(0n);
    expect((await world.connect().handshake(client.credentials)).sessionId).toBe(sessionId);
  });

  it('memory that is reused shows nobody what it held before', async () => {
    const world = await ServerWorld.start();
    const [writer, reader] = [await world.session(), await world.session()];
    for (let i = 0; i < 30; i++) {
      await writer.done(create('/secret', { data: 'S'.repeat(200 + i) }));
      await writer.done(remove('/secret'));
      await reader.done(create('/short', { data: 's' }));
      const { body } = await reader.done(getData('/short'));
      expect([body.length, Buffer.from(body).includes('SSSS')]).toEqual([4 + 1 + 68, false]);
      await reader.done(remove('/short'));
    }
  });

  it('invalid UTF-8 is refused and not replaced: two names must not become one', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    for (const bytes of ['2f61ff', '2f61fe']) {
      const error = await err(client, createOfBytes(Buffer.from(bytes, 'hex')));
      expect([ErrorCode.badArguments, ErrorCode.marshallingError]).toContain(error);
    }
    expect(world.port.tree.nodes.size).toBe(4);
  });

  it('a frame of nothing is no request', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    client.sendRaw(frameOf(new Uint8Array(0)));
    await client.closed();
    expect(client.pending).toBe(0);
  });
});
