import { describe, expect, it } from '@jest/globals';
import { killNine, worstPowerCut } from '@aviary/simulator';
import { JuteReader } from '@aviary/jute';
import { connectResponse } from '@aviary/protocol';
import { SessionIdentityError } from '@aviary/server';
import {
  goldenDiskFile,
  goldenExchanges,
  goldenRecordings,
} from '../../../test/golden/exchanges.js';
import { createEphemeral, getData } from './requests.js';
import { ServerWorld, VERSION_DIRECTORY } from './server-world.js';

const IDENTITY = `${VERSION_DIRECTORY}/session-identity.json`;
const DAY_MS = 86_400_000;

/**
 * What `new java.util.Random(seed).nextBytes(new byte[16])` gives: the linear congruential generator
 * that the documentation of java.util.Random prescribes.
 */
function javaRandomBytes(seed: bigint): Uint8Array {
  const mask = (1n << 48n) - 1n;
  let state = (seed ^ 0x5deece66dn) & mask;
  const bytes = new DataView(new ArrayBuffer(16));
  for (let at = 0; at < 16; at += 4) {
    state = (state * 0x5deece66dn + 0xbn) & mask;
    bytes.setInt32(at, Number(BigInt.asIntN(32, state >> 16n)), true);
  }
  return new Uint8Array(bytes.buffer);
}

const javaPassword = (session: bigint) => javaRandomBytes(session ^ 0xb3415c00n);

/** Sessions and passwords that Apache ZooKeeper gave out. */
function recordedPasswords(): [bigint, Uint8Array][] {
  const pairs = new Map<bigint, Uint8Array>();
  for (const { steps } of goldenRecordings().flatMap((recording) => goldenExchanges(recording))) {
    const greeted = new Set<string>();
    for (const step of steps) {
      if (step.kind !== 'received' || greeted.has(step.connection)) continue;
      greeted.add(step.connection);
      if (step.bytes.length !== 41) continue;
      const { sessionId, passwd } = connectResponse.read(new JuteReader(step.bytes, 4));
      if (sessionId >> 56n === 1n && passwd?.length === 16) pairs.set(sessionId, passwd);
    }
  }
  return [...pairs];
}

describe('session ids', () => {
  it('are never given twice, over restarts, crashes and clocks that step back', async () => {
    const world = await ServerWorld.start();
    const ids: bigint[] = [];
    for (let run = 0; run < 8; run++) {
      for (let i = 0; i < 5; i++) ids.push((await world.session()).credentials.sessionId);
      world.host.stepWallClock(run % 2 === 0 ? -DAY_MS : -1);
      await world.restart(run % 3 === 0 ? killNine : worstPowerCut);
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => id >> 56n === 1n)).toBe(true);
  });

  it('are given out by no server whose own id would make them mean something else', async () => {
    for (const serverId of [0, 255, 256, -1]) {
      await expect(ServerWorld.start({ server: { serverId } })).rejects.toThrow(/from 1 to 254/);
    }
  });

  it('begin with the id of the server, also where that makes them negative', async () => {
    const world = await ServerWorld.start({ server: { serverId: 200 } });
    const { sessionId } = (await world.session()).credentials;
    expect(sessionId).toBeLessThan(0n);
    expect(BigInt.asUintN(64, sessionId) >> 56n).toBe(200n);
    const again = await world.session((await world.session()).credentials);
    await again.done(createEphemeral('/mine'));
    const { stat } = (await again.done(getData('/mine'))).body.length
      ? { stat: world.port.tree.ephemerals }
      : { stat: null };
    expect(stat?.size).toBe(1);
  });
});

describe('passwords', () => {
  it('are good after a restart, and after a power cut', async () => {
    const world = await ServerWorld.start();
    const { credentials } = await world.session();
    for (const kill of [killNine, worstPowerCut]) {
      await world.restart(kill);
      expect(await world.connect().handshake(credentials)).toMatchObject(credentials);
    }
  });

  it('cannot be computed from the id, as those of ZooKeeper can', async () => {
    const world = await ServerWorld.start();
    const { sessionId, password } = (await world.session()).credentials;
    expect(password).not.toEqual(javaPassword(sessionId));
    const forger = world.connect();
    const guess = { sessionId, password: javaPassword(sessionId) };
    expect((await forger.handshake(guess)).sessionId).toBe(0n);
  });

  it('differ from server to server', async () => {
    const [one, other] = [
      await ServerWorld.start({ seed: 1 }),
      await ServerWorld.start({ seed: 2 }),
    ];
    const mine = (await one.session()).credentials;
    expect((await other.connect().handshake(mine)).sessionId).toBe(0n);
  });

  it('stand in no line of the log', async () => {
    const world = await ServerWorld.start();
    const { credentials } = await world.session({ timeoutMs: 6_000 });
    const thief = world.connect();
    await thief.handshake({ ...credentials, password: new Uint8Array(16) });
    await world.pass(20_000);
    const secret = (JSON.parse(identityText(world)) as { secret: string }).secret;
    const text = world.log.lines.join('\n');
    expect(text).not.toContain(Buffer.from(credentials.password).toString('hex'));
    expect(text).not.toContain(secret);
  });
});

function identityText(world: ServerWorld): string {
  return Buffer.from(world.host.drive.contentsOf(IDENTITY) ?? []).toString();
}

describe('the data directory of an Apache ZooKeeper', () => {
  const session = 0x100000ccc360000n;

  async function takenOver(): Promise<ServerWorld> {
    const world = new ServerWorld();
    const names = ['snapshot.0', 'snapshot.23', 'log.1'];
    const files = names.map((name) => [name, goldenDiskFile(`standalone/${name}`)] as const);
    await world.install(Object.fromEntries(files));
    await world.boot();
    return world;
  }

  it('was made by a server whose passwords we know how to compute', () => {
    const recorded = recordedPasswords();
    expect(recorded.length).toBeGreaterThan(40);
    for (const [id, password] of recorded) expect(javaPassword(id)).toEqual(password);
  });

  it('brings its sessions along, which reconnect with their passwords', async () => {
    const world = await takenOver();
    expect(world.port.tree.ephemeralCount).toBe(3);
    const credentials = { sessionId: session, password: javaPassword(session) };
    const greeting = await world.connect().handshake(credentials);
    expect(greeting.sessionId).toBe(session);
    // Again after a restart: both the old password and the one that the client was told now.
    const told = { sessionId: session, password: greeting.password };
    await world.restart(worstPowerCut);
    expect((await world.connect().handshake(credentials)).sessionId).toBe(session);
    expect((await world.connect().handshake(told)).sessionId).toBe(session);
  });

  it('lets nobody else in by such a password', async () => {
    const world = await takenOver();
    const { sessionId } = (await world.session()).credentials;
    const forged = { sessionId, password: javaPassword(sessionId) };
    expect((await world.connect().handshake(forged)).sessionId).toBe(0n);
  });

  it('lets a session go that is not taken up again, with its ephemeral nodes', async () => {
    const world = await takenOver();
    await world.reach(() => world.port.tree.ephemeralCount === 0);
    expect(world.port.tree.sessions.size).toBe(0);
  });
});

describe('a damaged session identity', () => {
  it.each([
    ['no JSON', 'x'],
    ['no secret', '{}'],
    ['a short secret', '{"secret":"00"}'],
    ['nothing', ''],
  ])('stops the start with a sentence that says what to do: %s', async (_name, text) => {
    const world = new ServerWorld();
    await world.install({ 'session-identity.json': new Uint8Array(Buffer.from(text)) });
    await expect(world.boot()).rejects.toThrow(SessionIdentityError);
    await expect(world.boot()).rejects.toThrow(/session-identity\.json: .*restore the file/);
  });

  it('is no fault of an unfinished write', async () => {
    const world = new ServerWorld();
    await world.install({ 'tmp.session-identity.json': Uint8Array.of(0x7b) });
    await world.boot();
    expect((await world.session()).credentials.sessionId).not.toBe(0n);
  });
});
