import { describe, expect, it } from '@jest/globals';
import { ErrorCode, OpCode, opCodeName } from '@aviary/protocol';
import { checkLogs, soundLogs } from '../log-replay.js';
import { auth, getData, type Request } from '../requests.js';
import { ServerWorld } from '../server-world.js';
import {
  frameOf,
  handshakeFrame,
  requestFrame,
  type Reply,
  type WireClient,
} from '../wire-client.js';
import {
  FOREIGN_TYPES,
  MULTIS,
  PATHS,
  createOfBytes,
  requestsOn,
  startingWithPath,
  withNullPath,
} from './broken-requests.js';

/** Sends requests in one chunk; every one is answered, in order, and the connection goes on. */
async function answersTo(client: WireClient, requests: readonly Request[]): Promise<Reply[]> {
  const xids = client.send(...requests);
  const replies: Reply[] = [];
  for (const xid of xids) {
    const reply = await client.reply();
    expect(reply.xid).toBe(xid);
    replies.push(reply);
  }
  expect((await client.call(getData('/'))).err).toBe(ErrorCode.ok);
  return replies;
}

async function expectSoundLogs(world: ServerWorld): Promise<void> {
  expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
}

describe('a request that is cut at every byte', () => {
  const kinds = requestsOn('/node').map((request) => [opCodeName(request.type), request] as const);

  it.each(kinds)(
    '%s: each cut is answered, and nothing is logged that cannot be read',
    async (_name, request) => {
      const world = await ServerWorld.start({
        server: { limits: { outstandingPerConnectionMax: 50 } },
      });
      const client = await world.session();
      const { type, body } = request;
      const cuts = Array.from({ length: body.length }, (_, end) => ({
        type,
        body: body.subarray(0, end),
      }));
      const replies = await answersTo(client, cuts);
      const errors = new Set(replies.map(({ err }) => err));
      // What a cut leaves whole may be carried out: a flag or a version at its end is not made up.
      for (const err of errors) expect(err).toBe(ErrorCode.marshallingError);
      await expectSoundLogs(world);
    },
  );

  it('a handshake: each cut is closed without a word', async () => {
    const world = await ServerWorld.start();
    const record = handshakeFrame({ readOnly: null }).subarray(4);
    for (let end = 0; end < record.length; end++) {
      const client = world.connect();
      client.sendRaw(frameOf(record.subarray(0, end)));
      await world.pass(1);
      expect([client.isClosed, client.pending]).toEqual([true, 0]);
    }
    expect(world.zxid).toBe(0);
  });

  it('an auth packet: each cut is a refusal', async () => {
    const world = await ServerWorld.start();
    const { type, body } = auth('digest', 'u:p');
    for (let end = 0; end < body.length; end++) {
      const client = await world.session();
      expect((await client.call({ type, body: body.subarray(0, end) })).err).toBe(
        ErrorCode.authFailed,
      );
      await client.closed();
    }
  });

  it('a frame: its connection may end at every byte of it', async () => {
    const world = await ServerWorld.start();
    const frame = requestFrame(1, requestsOn('/node')[0]!);
    for (let end = 0; end < frame.length; end++) {
      const client = await world.session({ timeoutMs: 1000 });
      client.sendRaw(frame.subarray(0, end));
      client.link.drop();
    }
    await world.pass(1);
    expect([world.port.connections.size, world.port.heldBytes]).toEqual([0, 0]);
    expect(world.port.tree.nodes.size).toBe(4);
    await expectSoundLogs(world);
  });
});

describe('a request whose path is null', () => {
  it.each(startingWithPath('/a').map((request) => [opCodeName(request.type), request] as const))(
    '%s is answered',
    async (_name, request) => {
      const world = await ServerWorld.start();
      const client = await world.session();
      const [reply] = await answersTo(client, [withNullPath(request)]);
      const isEchoed = request.type === OpCode.sync || request.type === OpCode.getEphemerals;
      expect(reply!.err).toBe(isEchoed ? ErrorCode.ok : ErrorCode.marshallingError);
      await expectSoundLogs(world);
    },
  );
});

describe('a path that is unusual or wrong', () => {
  it.each(PATHS.map((path) => [path.slice(0, 20), path] as const))(
    'does no harm in any request: %j',
    async (_shown, path) => {
      const world = await ServerWorld.start();
      const client = await world.session();
      const requests = requestsOn(path).filter(({ type }) => type !== OpCode.setWatches2);
      for (const request of requests) {
        client.send(request);
        await world.pass(20);
      }
      client.takeFrames();
      expect((await client.call(getData('/'))).err).toBe(ErrorCode.ok);
      await expectSoundLogs(world);
    },
  );
});

describe('a multi that is wrong', () => {
  it.each(MULTIS.map((request, i) => [i, request] as const))(
    'in way %i is answered as a whole',
    async (_i, request) => {
      const world = await ServerWorld.start();
      const client = await world.session();
      const nodes = world.port.tree.nodes.size;
      await answersTo(client, [request]);
      expect(world.port.tree.nodes.size).toBe(nodes);
      await expectSoundLogs(world);
    },
  );
});

describe('an operation that clients may not send', () => {
  it.each(FOREIGN_TYPES.map((type) => [type]))(
    '%i is refused, ends the connection and logs nothing',
    async (type) => {
      const world = await ServerWorld.start();
      const client = await world.session();
      const before = world.zxid;
      client.send({ type, body: requestsOn('/a')[0]!.body }, getData('/'));
      expect(await client.reply()).toMatchObject({ err: ErrorCode.unimplemented, zxid: -1 });
      await client.closed();
      expect([client.pending, world.zxid]).toEqual([0, before]);
    },
  );
});

describe('a path that is not UTF-8', () => {
  it.each(['2fff', '2fc0af', '2fe28228', '2feda080', '2ff0808080', '2ff4908080', '2f61c3'])(
    '%s is refused: two paths must not become one',
    async (path) => {
      const world = await ServerWorld.start();
      const client = await world.session();
      const nodes = world.port.tree.nodes.size;
      const [reply] = await answersTo(client, [createOfBytes(Buffer.from(path, 'hex'))]);
      expect([ErrorCode.badArguments, ErrorCode.marshallingError]).toContain(reply!.err);
      expect(world.port.tree.nodes.size).toBe(nodes);
    },
  );
});
