import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ErrorCode,
  OpCode,
  Permission,
  getAclResponse,
  whoAmIResponse,
  type Acl,
} from '@aviary/protocol';
import {
  auth,
  check,
  create,
  create2,
  createContainer,
  createTtl,
  exists,
  getAcl,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  multi,
  ping,
  remove,
  setAcl,
  setData,
  whoAmI,
  type Request,
} from './requests.js';
import { ServerWorld } from './server-world.js';
import { frameOf, type WireClient } from './wire-client.js';

/** `super:admin`, and what its digest is. */
const SUPER_DIGEST = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';
const DIGEST_OF_U_P = 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=';

const { ok, noAuth, authFailed, invalidAcl, sessionClosedRequireSaslAuth } = ErrorCode;

const worldWith = (server = {}) =>
  ServerWorld.start({ server: { superDigest: SUPER_DIGEST, ...server } });

let world: ServerWorld;
beforeEach(async () => {
  world = await worldWith();
});

const aclOf = (perms: number, scheme: string, id: string): Acl[] => [{ perms, id: { scheme, id } }];
const err = async (client: WireClient, request: Request) => (await client.call(request)).err;

async function user(text: string, address?: string): Promise<WireClient> {
  const client = world.connect(address);
  await client.handshake();
  await client.done(auth('digest', text));
  return client;
}

describe('an auth packet', () => {
  it('adds an id to the connection, and is answered with xid -4 and zxid 0', async () => {
    const client = await world.session();
    expect(await client.call(auth('digest', 'u:p'))).toMatchObject({ xid: -4, zxid: 0, err: ok });
    await client.done(auth('digest', 'v:q'));
    const { clientInfo } = (await client.done(whoAmI)).as(whoAmIResponse);
    expect(clientInfo).toEqual([
      { authScheme: 'ip', user: '127.0.0.1' },
      { authScheme: 'digest', user: 'u' },
      { authScheme: 'digest', user: 'v' },
    ]);
  });

  it('is answered at once, before a write under way, and holds for what is sent behind it', async () => {
    const client = await world.session();
    await client.done(create('/a', { acl: aclOf(Permission.all, 'digest', DIGEST_OF_U_P) }));
    client.send(create('/slow'), auth('digest', 'u:p'), getData('/a'));
    const replies = await client.replies(3);
    expect(replies.map(({ xid }) => xid)).toEqual([-4, 2, 3]);
    expect(replies.map((reply) => reply.err)).toEqual([ok, ok, ok]);
  });

  it.each([
    ['of an unknown scheme', auth('nope', 'x')],
    ['of scheme world', auth('world', 'anyone')],
    ['of scheme super', auth('super', '')],
    ['of scheme sasl', auth('sasl', 'x')],
    ['of digest without data', auth('digest', null)],
    ['that is cut off', { type: OpCode.auth, body: new Uint8Array(3) }],
    ['that is empty', { type: OpCode.auth, body: new Uint8Array(0) }],
  ])('%s is refused, and the connection closes; the session lives on', async (_name, request) => {
    const client = await world.session();
    expect(await err(client, request)).toBe(authFailed);
    await client.closed();
    const again = await world.session(client.credentials);
    expect(await err(again, getData('/'))).toBe(ok);
  });

  it('is looked at no more once one was refused', async () => {
    const client = await world.session();
    const before = world.port.tree.nodes.size;
    client.send(auth('nope', 'x'), auth('digest', 'u:p'), create('/a'));
    expect((await client.reply()).err).toBe(authFailed);
    await client.closed();
    expect([client.pending, world.port.tree.nodes.size]).toEqual([0, before]);
  });

  it('is forgotten with the connection, and not stored with the session', async () => {
    const client = await user('u:p');
    await client.done(create('/a', { acl: aclOf(Permission.all, 'auth', '') }));
    const again = await world.session(client.credentials);
    expect(await err(again, getData('/a'))).toBe(noAuth);
    await again.done(auth('digest', 'u:p'));
    expect(await err(again, getData('/a'))).toBe(ok);
  });

  it('cannot make a connection gather ids without end', async () => {
    const client = await world.session();
    for (let i = 0; i < 63; i++) await client.done(auth('digest', `u${i}:p`));
    await client.done(auth('digest', 'u0:p'));
    expect(await err(client, auth('digest', 'one:more'))).toBe(authFailed);
    await client.closed();
  });
});

/** Every operation on `/n`, which it needs, and on `/n/c` where the parent decides. */
const OPERATIONS: readonly (readonly [string, number, Request])[] = [
  ['getData', Permission.read, getData('/n')],
  ['exists', Permission.read, exists('/n')],
  ['getChildren', Permission.read, getChildren('/n')],
  ['getChildren2', Permission.read, getChildren2('/n')],
  ['getAllChildrenNumber', Permission.read, getAllChildrenNumber('/n')],
  ['getACL', Permission.read | Permission.admin, getAcl('/n')],
  ['setData', Permission.write, setData('/n', 'x')],
  ['setACL', Permission.admin, setAcl('/n', aclOf(Permission.all, 'world', 'anyone'))],
  ['create', Permission.create, create('/n/d')],
  ['create2', Permission.create, create2('/n/d')],
  ['createContainer', Permission.create, createContainer('/n/d')],
  ['createTTL', Permission.create, createTtl('/n/d', 1000)],
  ['delete', Permission.delete, remove('/n/c')],
];

const SINGLE = [1, 2, 4, 8, 16];

describe.each(OPERATIONS)('%s', (_name, needed, request) => {
  it.each(SINGLE)('with permission %i alone', async (perms) => {
    const owner = await user('owner:x');
    const guest = await user('u:p');
    const acl = [...aclOf(Permission.all, 'auth', ''), ...aclOf(perms, 'digest', DIGEST_OF_U_P)];
    await owner.done(create('/n'));
    await owner.done(create('/n/c'));
    await owner.done(setAcl('/n', acl));
    expect(await err(guest, request)).toBe((perms & needed) === 0 ? noAuth : ok);
  });
});

describe('every part of a multi', () => {
  it('is checked, and one that is refused takes all back', async () => {
    const owner = await user('owner:x');
    await owner.done(create('/n', { acl: aclOf(Permission.all, 'auth', '') }));
    await owner.done(create('/open'));
    const guest = await world.session();
    for (const part of [
      { type: OpCode.setData, request: { path: '/n', data: null, version: -1 } },
      { type: OpCode.check, request: { path: '/n', version: -1 } },
      { type: OpCode.delete, request: { path: '/n', version: -1 } },
    ] as const) {
      const before = {
        type: OpCode.setData,
        request: { path: '/open', data: null, version: -1 },
      } as const;
      const reply = await guest.done(multi([before, part]));
      const isDelete = part.type === OpCode.delete;
      // Deletion is the parent's to allow, and the root is open.
      expect(reply.body.includes(0x9a)).toBe(!isDelete);
    }
  });
});

describe('an access control list', () => {
  it.each<[string, Acl[], number]>([
    ['that is empty', [], invalidAcl],
    ['of an unknown scheme', aclOf(31, 'nope', 'x'), invalidAcl],
    ['of scheme super', aclOf(31, 'super', ''), invalidAcl],
    ['of scheme world with another id', aclOf(31, 'world', 'me'), invalidAcl],
    ['of scheme auth without a login', aclOf(31, 'auth', ''), invalidAcl],
    ['of scheme ip with no address', aclOf(31, 'ip', '300.0.0.1'), invalidAcl],
    ['of scheme ip with too many bits', aclOf(31, 'ip', '10.0.0.0/33'), invalidAcl],
    ['of scheme digest without a colon', aclOf(31, 'digest', 'u'), invalidAcl],
    ['of scheme digest', aclOf(31, 'digest', DIGEST_OF_U_P), ok],
    ['of scheme ip with bits', aclOf(31, 'ip', '10.0.0.0/8'), ok],
  ])('%s', async (_name, acl, expected) => {
    const client = await world.session();
    await client.done(create('/there'));
    expect(await err(client, create('/a', { acl }))).toBe(expected);
    expect(await err(client, setAcl('/there', acl))).toBe(expected);
  });

  it('of scheme auth becomes one entry for each digest id of the connection', async () => {
    const client = await user('u:p');
    await client.done(auth('digest', 'v:q'));
    await client.done(create('/a', { acl: aclOf(5, 'auth', 'ignored') }));
    const { acl } = (await client.done(getAcl('/a'))).as(getAclResponse);
    expect(acl.map(({ perms, id }) => [perms, id.scheme, id.id.split(':')[0]])).toEqual([
      [5, 'digest', 'u'],
      [5, 'digest', 'v'],
    ]);
  });

  it('is changed against its own version', async () => {
    const client = await world.session();
    await client.done(create('/a'));
    const open = aclOf(31, 'world', 'anyone');
    expect(await err(client, setAcl('/a', open, 1))).toBe(ErrorCode.badVersion);
    expect(await err(client, setAcl('/a', open, 0))).toBe(ok);
    expect(await err(client, setAcl('/a', open, 0))).toBe(ErrorCode.badVersion);
  });

  it('shows no digest to who may not change it', async () => {
    const client = await world.session();
    const acl = [
      ...aclOf(Permission.read, 'world', 'anyone'),
      ...aclOf(31, 'digest', DIGEST_OF_U_P),
    ];
    await client.done(create('/a', { acl }));
    const seen = async () => (await client.done(getAcl('/a'))).as(getAclResponse).acl[1]?.id.id;
    expect(await seen()).toBe('u:x');
    await client.done(auth('digest', 'u:p'));
    expect(await seen()).toBe(DIGEST_OF_U_P);
  });
});

describe('scheme ip', () => {
  it('is the address that the connection comes from, and counts bits', async () => {
    const owner = await world.session();
    await owner.done(create('/a', { acl: aclOf(Permission.read, 'ip', '10.1.0.0/16') }));
    const from = async (address: string) => {
      const client = world.connect(address);
      await client.handshake();
      return err(client, getData('/a'));
    };
    expect(await from('10.1.2.3')).toBe(ok);
    expect(await from('10.2.0.1')).toBe(noAuth);
    expect(await from('::1')).toBe(noAuth);
  });
});

describe('the super user', () => {
  it('passes every list, and no other check', async () => {
    const owner = await user('owner:x');
    await owner.done(create('/a', { acl: aclOf(Permission.all, 'auth', '') }));
    const superUser = await user('super:admin');
    expect(await err(superUser, setData('/a', 'x'))).toBe(ok);
    expect(await err(superUser, setAcl('/a', aclOf(31, 'world', 'anyone')))).toBe(ok);
    expect(await err(superUser, remove('/zookeeper'))).toBe(ErrorCode.badArguments);
  });

  it('is nobody unless the server says who', async () => {
    world = await worldWith({ superDigest: null });
    const owner = await user('owner:x');
    await owner.done(create('/a', { acl: aclOf(Permission.all, 'auth', '') }));
    expect(await err(await user('super:admin'), getData('/a'))).toBe(noAuth);
  });

  it('is not who sends the digest in place of the password', async () => {
    const owner = await user('owner:x');
    await owner.done(create('/a', { acl: aclOf(Permission.all, 'auth', '') }));
    expect(await err(await user(SUPER_DIGEST), getData('/a'))).toBe(noAuth);
  });
});

describe('skipACL', () => {
  it('lets everybody do everything', async () => {
    world = await worldWith({ skipAcl: true });
    const owner = await user('owner:x');
    await owner.done(create('/a', { acl: aclOf(Permission.all, 'auth', '') }));
    const guest = await world.session();
    expect(await err(guest, setData('/a', 'x'))).toBe(ok);
  });
});

describe('enforced authentication', () => {
  const enforced = (...schemes: string[]) => worldWith({ enforcedAuthSchemes: new Set(schemes) });

  it.each<[string, Request]>([
    ['a read', getData('/')],
    ['a write', create('/a')],
    ['a ping', ping],
    ['a check', check('/')],
    ['an operation that nobody knows', { type: 77, body: new Uint8Array(0) }],
  ])('answers %s before it with an error of zxid 0 and closes', async (_name, request) => {
    world = await enforced('digest');
    const client = await world.session();
    const before = world.zxid;
    client.send(request, auth('digest', 'u:p'), create('/b'));
    expect(await client.reply()).toMatchObject({ err: sessionClosedRequireSaslAuth, zxid: 0 });
    await client.closed();
    expect([client.pending, world.zxid]).toEqual([0, before]);
  });

  it('opens the connection once an id of a scheme is held, and for good', async () => {
    world = await enforced('digest');
    const client = await world.session();
    client.send(auth('digest', 'u:p'), create('/a'), getData('/a'), ping);
    const replies = await client.replies(4);
    expect(replies.map((reply) => reply.err)).toEqual([ok, ok, ok, ok]);
    const again = await world.session(client.credentials);
    expect(await err(again, getData('/'))).toBe(sessionClosedRequireSaslAuth);
  });

  it('is not satisfied by another scheme', async () => {
    world = await enforced('super');
    const client = await user('u:p');
    expect(await err(client, getData('/'))).toBe(sessionClosedRequireSaslAuth);
    expect(await err(await user('super:admin'), getData('/'))).toBe(ok);
  });

  it('is satisfied by the address where that is a scheme', async () => {
    world = await enforced('ip', 'digest');
    expect(await err(await world.session(), getData('/'))).toBe(ok);
  });

  it('refuses a frame that is too short to be a request', async () => {
    world = await enforced('digest');
    const client = await world.session();
    client.sendRaw(frameOf(new Uint8Array(7)));
    await client.closed();
    expect(client.pending).toBe(0);
  });

  it('lets a connection that never proves itself be with its session until that expires', async () => {
    world = await worldWith({ enforcedAuthSchemes: new Set(['digest']), tickTimeMs: 500 });
    const client = await world.session({ timeoutMs: 2000 });
    await client.closed();
    expect(world.port.role.sessionsExpired).toBe(1);
  });
});
