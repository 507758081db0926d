import { describe, expect, it } from '@jest/globals';
import { ErrorCode } from '@aviary/protocol';
import { killNine, worstPowerCut } from '@aviary/simulator';
import { checkLogs, soundLogs } from './log-replay.js';
import { createEphemeral, create, exists, getData, ping, setData } from './requests.js';
import { ServerWorld } from './server-world.js';

/** Longer than anybody should wait. */
const HELD_MS = 8000;
const isCommit = ({ kind }: { kind: string }) => kind === 'commit';

describe('before the disk has synced it', () => {
  it('no write is answered, seen by others or told to watchers', async () => {
    const world = await ServerWorld.start();
    const [writer, reader, watcher] = await world.sessions(3);
    await watcher!.call(exists('/a', true));
    world.slowCommits(HELD_MS);
    writer!.send(create('/a'), setData('/a', '1'));
    await world.pass(HELD_MS / 2);
    expect((await reader!.call(ping)).err).toBe(ErrorCode.ok);
    expect((await reader!.call(exists('/a'))).err).toBe(ErrorCode.noNode);
    expect([writer!.pending, watcher!.pending]).toEqual([0, 0]);
    await world.pass(HELD_MS);
    expect([writer!.pending, watcher!.pending]).toEqual([2, 1]);
  });

  it('no refusal of a write is answered either: its zxid must not be given twice', async () => {
    const world = await ServerWorld.start();
    const writer = await world.session();
    world.slowCommits(HELD_MS);
    writer.send(create('/none/a'));
    await world.pass(HELD_MS / 2);
    expect(writer.pending).toBe(0);
    expect((await writer.reply()).err).toBe(ErrorCode.noNode);
  });

  it('no session is given out', async () => {
    const world = await ServerWorld.start();
    world.slowCommits(HELD_MS);
    const client = world.connect();
    client.offer();
    await world.pass(HELD_MS / 2);
    expect(client.pending).toBe(0);
    expect((await client.greeted()).sessionId).not.toBe(0n);
  });
});

describe('what was answered', () => {
  it.each([
    ['kill -9', killNine],
    ['a power cut that takes all that was not synced', worstPowerCut],
  ])('is there after %s, and what was not may be gone', async (_name, kill) => {
    const world = await ServerWorld.start();
    const client = await world.session();
    for (let i = 0; i < 50; i++) await client.done(create(`/n${i}`, { data: String(i) }));
    await client.done(createEphemeral('/mine'));
    world.slowCommits(HELD_MS);
    client.send(create('/unanswered'));
    await world.restart(kill);
    const again = await world.session(client.credentials);
    for (let i = 0; i < 50; i++) {
      const { body } = await again.done(getData(`/n${i}`));
      expect(Buffer.from(body.subarray(4, 4 + String(i).length)).toString()).toBe(String(i));
    }
    expect((await again.call(exists('/mine'))).err).toBe(ErrorCode.ok);
    expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
  });
});

describe('a sync that fails', () => {
  it.each(['EIO', 'ENOSPC', 'EDQUOT'])(
    'with %s stops the server with one clear sentence; nothing is answered, nothing tried again',
    async (code) => {
      const world = await ServerWorld.start();
      const [writer, reader] = await world.sessions(2);
      await writer!.done(create('/before'));
      let commits = 0;
      world.host.drive.plan({
        on: (operation) => isCommit(operation) && ++commits > 0,
        action: { kind: 'fail', code },
      });
      const commitsBefore = commits;
      writer!.send(create('/a'), create('/b'));
      await world.reach(() => world.failures.length > 0);
      expect(world.failures).toHaveLength(1);
      expect(world.failures[0]).toMatch(
        new RegExp(
          `^The transaction log cannot be written \\(.*${code}.*\\): nothing more is acknowledged, the server stops\\.$`,
        ),
      );
      expect(world.failures[0]).toMatch(/\(commit \/data\/version-2\/\S*log\.\w+: /);
      expect(world.server.state).toBe('failed');
      expect([writer!.pending, writer!.isClosed, reader!.isClosed]).toEqual([0, true, true]);
      const late = world.connect();
      late.offer();
      await world.pass(HELD_MS);
      expect([late.pending, late.isClosed, commits - commitsBefore]).toEqual([0, true, 1]);
      await world.stop();
      await world.restart(worstPowerCut);
      const again = await world.session(writer!.credentials);
      expect((await again.call(exists('/before'))).err).toBe(ErrorCode.ok);
      expect(await checkLogs(world)).toEqual(soundLogs(world.zxid));
    },
  );
});

describe('a disk that is full', () => {
  it('stops the server; after there is room again it starts by itself, with all that was answered', async () => {
    const world = await ServerWorld.start({ disk: { capacityBytes: 400_000 } });
    const client = await world.session();
    let answered = 0;
    const data = new Uint8Array(10_000);
    while (world.failures.length === 0) {
      client.send(create(`/n${answered}`, { data }));
      await world.reach(() => client.pending > 0 || world.failures.length > 0);
      if (client.pending === 0) break;
      expect((await client.reply()).err).toBe(ErrorCode.ok);
      answered++;
    }
    expect(answered).toBeGreaterThan(5);
    expect(world.failures).toHaveLength(1);
    expect(world.failures[0]).toContain('ENOSPC');
    await world.stop();
    world.host.drive.model = { ...world.host.drive.model, capacityBytes: Infinity };
    await world.restart(worstPowerCut);
    const again = await world.session(client.credentials);
    for (let i = 0; i < answered; i++) {
      expect((await again.call(exists(`/n${i}`))).err).toBe(ErrorCode.ok);
    }
    await again.done(create('/after'));
  });

  it('while a snapshot is written costs that snapshot and nothing else', async () => {
    const world = await ServerWorld.start({ server: { snapCount: 20 } });
    const client = await world.session();
    const isSnapshot = ({ kind, path }: { kind: string; path: string }) =>
      kind === 'write' && path.includes('snapshot');
    const fault = { kind: 'fail', code: 'ENOSPC' } as const;
    world.host.drive.plan({ on: isSnapshot, nth: 'all', action: fault });
    for (let i = 0; i < 100; i++) await client.done(create(`/n${i}`));
    expect(world.failures).toEqual([]);
    expect(world.log.lines.join('\n')).toMatch(/snapshot\.\w+ could not be written/);
    world.host.drive.clearRules();
    await world.restart(worstPowerCut);
    const again = await world.session(client.credentials);
    expect((await again.call(exists('/n99'))).err).toBe(ErrorCode.ok);
  });
});
