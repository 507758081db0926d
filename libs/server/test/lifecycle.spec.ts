import { describe, expect, it } from '@jest/globals';
import { getData } from './requests.js';
import { ServerWorld } from './server-world.js';

/** Nothing happens any more: no timer, no byte, no disk. */
async function expectStill({ world }: ServerWorld): Promise<void> {
  const { eventsDone } = world;
  await world.run({ virtualMsMax: 3_600_000 });
  expect(world.eventsDone).toBe(eventsDone);
}

describe('a server that is stopped', () => {
  it('while it starts serves nobody and leaves nothing behind', async () => {
    const world = new ServerWorld();
    const started = world.begin();
    const stopped = world.server.stop();
    await world.world.settle(Promise.allSettled([started, stopped]));
    expect(world.server.state).toBe('stopped');
    expect(world.port.isServing).toBe(false);
    await expectStill(world);
  });

  it('twice is stopped once, and both calls end when it is', async () => {
    const world = await ServerWorld.start();
    const client = await world.session();
    const both = [world.server.stop(), world.server.stop()];
    await world.world.settle(Promise.all(both));
    expect([world.server.state, client.isClosed]).toEqual(['stopped', true]);
  });

  it('leaves no timer behind', async () => {
    const world = await ServerWorld.start();
    await (await world.session()).done(getData('/'));
    await world.stop();
    await world.pass(100);
    await expectStill(world);
  });
});

describe('a server whose port is taken', () => {
  it('does not start, and leaves nothing running', async () => {
    const world = new ServerWorld({ server: { clientPort: 2181 } });
    const begun = world.host.restart();
    await world.world.settle(begun.network.listen({ address: null, port: 2181 }, () => undefined));
    const failed = world.startIn(begun);
    await expect(world.world.settle(failed)).rejects.toThrow(/EADDRINUSE/);
    expect(world.server.state).toBe('failed');
    expect(world.port.isServing).toBe(false);
    await expectStill(world);
  });
});
