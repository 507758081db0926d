import { describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { checkLogs, soundLogs } from './log-replay.js';
import { create, remove } from './requests.js';
import { ServerWorld } from './server-world.js';
import { Reply, handshakeFrame, requestFrame } from './wire-client.js';

describe('what is sent behind a handshake', () => {
  it('meets the tree with all that was asked for before', async () => {
    const world = await ServerWorld.start();
    const owner = await world.session();
    const newcomer = world.connect();
    owner.send(create('/a'));
    // One turn of the event loop, so one write to the disk: the tree changes while it is answered.
    newcomer.sendRaw(Buffer.concat([handshakeFrame(), requestFrame(1, create('/a/child'))]));
    owner.send(remove('/a'));
    await newcomer.greeted();
    expect(new Reply(await newcomer.frame()).err).toBe(ErrorCode.noNode);
    expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
  });
});
