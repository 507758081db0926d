import { describe, expect, it } from '@jest/globals';
import { ErrorCode, OpCode } from '@aviary/protocol';
import { create, createEphemeral, exists, getData, setData, sync } from '../requests.js';
import { EnsembleWorld, type TestMember } from './ensemble-world.js';

const SHORT_TIMEOUT_MS = 400;

/** Three members; of those that do not lead the one that will, should the leader be gone. */
async function startWithHeir(): Promise<{
  world: EnsembleWorld;
  leader: TestMember;
  heir: TestMember;
}> {
  const world = await EnsembleWorld.start();
  const { leader } = world;
  const others = [...world.members.values()].filter((member) => member !== leader);
  const heir = others.reduce((one, other) => (one.id > other.id ? one : other));
  return { world, leader, heir };
}

/** What `from` tells its leader is lost from now on. */
function silence(world: EnsembleWorld, from: TestMember): void {
  world.world.cutOneWay(from.host.name, world.leader.host.name);
}

async function succeed(world: EnsembleWorld, leader: TestMember, heir: TestMember): Promise<void> {
  leader.kill();
  world.world.heal();
  await world.reach(() => heir.server.mode === 'leader');
}

describe('what the clients of a member have asked for, when it leads itself', () => {
  it('is refused for a session that has ended meanwhile: its node would stay for ever', async () => {
    const { world, leader, heir } = await startWithHeir();
    const client = await world.session(heir, { timeoutMs: SHORT_TIMEOUT_MS });
    silence(world, heir);
    client.send(createEphemeral('/ghost'));
    await world.reach(() => client.isClosed);
    expect(heir.server.mode).toBe('follower');
    await succeed(world, leader, heir);
    await world.settle();
    const check = await world.session(heir);
    expect((await check.call(exists('/ghost'))).err).toBe(ErrorCode.noNode);
  });

  it('is refused if a leader refuses it', async () => {
    const { world, leader, heir } = await startWithHeir();
    const client = await world.session(heir);
    silence(world, heir);
    client.send({ type: OpCode.reconfig, body: new Uint8Array(20) });
    await succeed(world, leader, heir);
    expect((await client.reply()).err).toBe(ErrorCode.reconfigDisabled);
    expect(client.isClosed).toBe(false);
  });

  it('ends their sessions if it was that', async () => {
    const { world, leader, heir } = await startWithHeir();
    const client = await world.session(heir);
    await client.done(createEphemeral('/bye'));
    silence(world, heir);
    client.send({ type: OpCode.closeSession, body: new Uint8Array(0) });
    await succeed(world, leader, heir);
    await world.reach(() => heir.server.state.tree.sessions.size === 0, 1000);
    await world.pass(30_000);
    const check = await world.session(heir);
    expect((await check.call(exists('/bye'))).err).toBe(ErrorCode.noNode);
    expect(heir.log.lines.filter((line) => line.includes('expired'))).toEqual([]);
  });
});

describe('a session that had just come to a member when the leader died', () => {
  it('has its requests answered in their order', async () => {
    const { world, leader, heir } = await startWithHeir();
    const before = await world.session(heir);
    const other = await world.session(heir);
    await other.done(create('/node'));
    const client = world.clientOf(heir);
    const delay = { minMs: 20, maxMs: 20 };
    world.world.setLink(heir.host.name, leader.host.name, { delay });
    client.offer(before.credentials);
    // The leader knows of the question, and the answer is on its way.
    await world.pass(30);
    silence(world, heir);
    other.send(setData('/node', 'other'));
    await client.greeted();
    const xids = client.send(
      getData('/node'),
      setData('/node', 'own'),
      getData('/node'),
      sync('/'),
    );
    await succeed(world, leader, heir);
    const replies = await client.replies(xids.length);
    expect(replies.map(({ xid }) => xid)).toEqual(xids);
  });
});
