import { describe, expect, it } from '@jest/globals';
import { ElectionPortError } from '../../src/election/acceptor.js';
import { Scene } from './scene.js';

/** Lets the first `failures` attempts to listen fail. */
function refuseToListen(scene: Scene, failures: number, code = 'EADDRINUSE'): () => number {
  let attempts = 0;
  scene.ours.wrapNetwork = (network) => ({
    resolve: (host) => network.resolve(host),
    connect: (to, timeoutMs) => network.connect(to, timeoutMs),
    listen: (options, onAccept) => {
      attempts++;
      if (attempts > failures) return network.listen(options, onAccept);
      return Promise.reject(Object.assign(new Error(code), { code }));
    },
  });
  return () => attempts;
}

describe('the election port', () => {
  it('is tried again a second later while somebody has it', async () => {
    const scene = new Scene(1, [2, 3]);
    const attempts = refuseToListen(scene, 2);
    await scene.start();
    expect(attempts()).toBe(3);
    expect(scene.world.virtualMs).toBeGreaterThanOrEqual(2000);
    expect(scene.world.virtualMs).toBeLessThan(2100);
    expect(scene.ours.log.lines).toHaveLength(1);
  });

  it('that stays taken is an error that says what to do', async () => {
    const scene = new Scene(1, [2, 3]);
    const attempts = refuseToListen(scene, Infinity);
    scene.ours.start();
    await scene.reach(() => scene.ours.startFailure !== null);
    expect(attempts()).toBe(3);
    expect(scene.ours.startFailure).toBeInstanceOf(ElectionPortError);
    expect(scene.ours.startFailure).toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringMatching(
        /^Cannot listen for elections on .*:3888 .*end the process that/,
      ),
    });
  });

  it('is tried without end if asked to', async () => {
    const scene = new Scene(1, [2, 3], { given: { bindRetry: 0 } });
    refuseToListen(scene, 10);
    await scene.start();
    expect(scene.world.virtualMs).toBeGreaterThan(10_000);
  });

  it('waits for our own name, however long it takes', async () => {
    const scene = new Scene(1, [2, 3]);
    const { address } = scene.ours.host;
    scene.world.fabric.setName('s1', []);
    scene.world.after(60_000, () => scene.world.fabric.setName('s1', [address]));
    scene.ours.start();
    await scene.world.reach(() => scene.ours.hasStarted, { virtualMsMax: 62_000 });
    expect(scene.ours.log.lines.length).toBeLessThan(4);
  });

  it('listens where it can if our name stands for other machines too', async () => {
    const scene = new Scene(1, [2, 3]);
    scene.world.fabric.setName('s1', ['10.7.7.7', scene.ours.host.address]);
    await scene.start();
    scene.connect(3, scene.peer(3).initial());
    await scene.reach(() => scene.ours.port.connected.length === 1);
  });

  it('is open on every interface if asked to', async () => {
    const scene = new Scene(1, [2, 3], { given: { listensOnAllInterfaces: true } });
    scene.world.fabric.setName('s1', ['10.7.7.7']);
    await scene.start();
    scene.connect(3, scene.peer(3).initial());
    await scene.reach(() => scene.ours.port.connected.length === 1);
  });

  it('closes with all that belongs to it, also while it opens', async () => {
    const scene = new Scene(2, [1, 3]);
    scene.peer(1).listen();
    await scene.start();
    const third = scene.connect(3, scene.peer(3).initial());
    const silent = scene.connect(3);
    await scene.reach(() => scene.ours.port.connected.length === 2);
    scene.ours.run((port) => void port.close());
    await scene.reach(() => third.isClosed && silent.isClosed);
    expect(await scene.world.run({ virtualMsMax: 100_000, until: () => false })).toBe('idle');

    refuseToListen(scene, Infinity);
    scene.ours.start({ bindRetry: 0 });
    await scene.pass(1500);
    scene.ours.run((port) => void port.close());
    await scene.reach(() => scene.ours.hasStarted);
    expect(await scene.world.run({ virtualMsMax: 100_000, until: () => false })).toBe('idle');
  });
});
