import { describe, expect, it } from '@jest/globals';
import { create, ping } from '../requests.js';
import { EnsembleWorld } from './ensemble-world.js';

const SLOW_SYNC_MS = 80;

/** Three members, of which the leader's disk is the slowest: the others commit without it. */
async function withSlowLeader(): Promise<EnsembleWorld> {
  const world = await EnsembleWorld.start();
  const { drive } = world.leader.host;
  drive.model = { ...drive.model, syncDelay: { minMs: SLOW_SYNC_MS, maxMs: SLOW_SYNC_MS } };
  return world;
}

describe('a session that the leader has not applied yet', () => {
  it('is open to it: the first request is no request of an expired session', async () => {
    const world = await withSlowLeader();
    const client = await world.session(world.follower);
    expect((await client.call(create('/first'))).err).toBe(0);
  });

  it('can be taken to another member', async () => {
    const world = await withSlowLeader();
    const [one, other] = [...world.members.values()].filter((each) => each !== world.leader);
    const client = await world.session(one!);
    const moved = await world.session(other!, client.credentials);
    expect(moved.greeting?.sessionId).toBe(client.credentials.sessionId);
    expect((await moved.call(ping)).err).toBe(0);
  });

  it('ends when it is not heard of, as every other', async () => {
    const world = await withSlowLeader();
    const client = await world.session(world.follower, { timeoutMs: 400 });
    client.link.drop();
    const { tree } = world.leader.server.state;
    await world.reach(() => tree.sessions.size === 1);
    await world.reach(() => tree.sessions.size === 0, 2000);
  });
});
