import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectError, type ByteStream, type Listener } from '@aviary/foundation';
import type { NetworkHarness } from './harness.js';
import { RecordingHandler } from './recording-handler.js';

/** `length` bytes that differ from one another and from those of another `salt`. */
function pattern(length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + salt * 7 + (at >> 8)) & 0xff;
  return bytes;
}

/** The two ends of a connection, neither of which was started. */
interface Pair {
  readonly listener: Listener;
  readonly near: ByteStream;
  readonly far: ByteStream;
}

/** Both ends started. */
interface Conversation extends Pair {
  readonly atNear: RecordingHandler;
  readonly atFar: RecordingHandler;
}

/** What every `Network` does while no fault is planned. */
export function describeNetworkContract(name: string, make: () => Promise<NetworkHarness>): void {
  describe(`Network of ${name}`, () => {
    let harness: NetworkHarness;
    let listeners: Listener[];

    beforeEach(async () => {
      harness = await make();
      listeners = [];
    });
    afterEach(async () => {
      for (const listener of listeners) await settle(listener.close());
      await harness.dispose();
    });

    const settle = <T>(promise: Promise<T>) => harness.settle(promise);
    const until = (condition: () => boolean) => harness.until(condition);

    async function listen(onAccept: (stream: ByteStream) => void): Promise<Listener> {
      const { server, address } = harness;
      const listener = await settle(server.listen({ address, port: 0 }, onAccept));
      listeners.push(listener);
      return listener;
    }

    function connect(listener: Listener): Promise<ByteStream> {
      const to = { address: harness.address, port: listener.local.port };
      return settle(harness.client.connect(to, 5_000));
    }

    async function connected(): Promise<Pair> {
      const accepted: ByteStream[] = [];
      const listener = await listen((stream) => accepted.push(stream));
      const near = await connect(listener);
      await until(() => accepted.length === 1);
      return { listener, near, far: accepted[0]! };
    }

    async function talking(): Promise<Conversation> {
      const pair = await connected();
      const { near, far } = pair;
      return { ...pair, atNear: new RecordingHandler(near), atFar: new RecordingHandler(far) };
    }

    it('carries bytes both ways, in order, however they are cut', async () => {
      const { near, far, atNear, atFar } = await talking();
      const sent: Uint8Array[] = [];
      for (let round = 0; round < 200; round++) {
        const bytes = Buffer.from(pattern((round * 37) % 900, round));
        sent.push(new Uint8Array(bytes));
        if (near.write(bytes)) bytes.fill(0);
        far.write(pattern(round, 255 - round));
      }
      const total = sent.reduce((sum, bytes) => sum + bytes.length, 0);
      await until(() => atFar.length === total && atNear.length === (199 * 200) / 2);
      expect(Buffer.from(atFar.bytes()).equals(Buffer.concat(sent))).toBe(true);
      near.destroy();
      await until(() => atFar.isClosed);
    });

    it('names the ends', async () => {
      const { near, far, listener } = await connected();
      expect(listener.local.address).toBe(harness.address);
      expect(listener.local.port).toBeGreaterThan(0);
      expect(near.remote).toEqual(listener.local);
      expect(far.remote.port).toBeGreaterThan(0);
      new RecordingHandler(near);
      new RecordingHandler(far);
      near.destroy();
      far.destroy();
    });

    it('keeps what arrives before the start', async () => {
      const { near, far } = await connected();
      const atNear = new RecordingHandler(near);
      near.write(pattern(50, 1));
      far.write(pattern(10, 2));
      await until(() => atNear.length === 10);
      const atFar = new RecordingHandler(far);
      await until(() => atFar.length === 50);
      expect(atFar.bytes()).toEqual(pattern(50, 1));
      near.destroy();
      await until(() => atFar.isClosed);
    });

    it('holds back a writer whose reader pauses, and lets it go on', async () => {
      const { near, far, atNear, atFar } = await talking();
      far.pause();
      const chunkBytes = 64 * 1024;
      let chunks = 0;
      while (near.queuedBytes < 1024 * 1024 && chunks < 2_000) {
        const isTaken = near.write(pattern(chunkBytes, chunks++));
        expect(isTaken).toBe(near.queuedBytes === 0);
      }
      expect(near.queuedBytes).toBeGreaterThanOrEqual(1024 * 1024);
      expect(atNear.drains).toBe(0);
      far.resume();
      await until(() => atFar.length === chunks * chunkBytes && atNear.drains > 0);
      expect(near.queuedBytes).toBe(0);
      const expected = Array.from({ length: chunks }, (_, chunk) => pattern(chunkBytes, chunk));
      expect(Buffer.from(atFar.bytes()).equals(Buffer.concat(expected))).toBe(true);
      near.destroy();
      await until(() => atFar.isClosed);
    });

    it('hands over nothing while paused', async () => {
      const { near, far, atNear, atFar } = await talking();
      atFar.onEachBytes = () => far.pause();
      near.write(pattern(20, 1));
      await until(() => atFar.length > 0);
      const seen = atFar.length;
      near.write(pattern(20, 2));
      far.write(pattern(5, 3));
      await until(() => atNear.length === 5);
      expect(atFar.length).toBe(seen);
      atFar.onEachBytes = null;
      far.resume();
      await until(() => atFar.length === 40);
      near.destroy();
      await until(() => atFar.isClosed);
    });

    it('sends everything before an end, and closes both sides without a reason', async () => {
      const { near, atNear, atFar } = await talking();
      for (let round = 0; round < 30; round++) near.write(pattern(40_000, round));
      near.end();
      near.end();
      await until(() => atNear.isClosed && atFar.isClosed);
      expect(atFar.length).toBe(1_200_000);
      expect([atNear.reason, atFar.reason]).toEqual([null, null]);
    });

    it('drops what is written after an end', async () => {
      const { near, atNear, atFar } = await talking();
      near.write(pattern(10, 1));
      near.end();
      expect(near.write(pattern(10, 2))).toBe(true);
      await until(() => atNear.isClosed && atFar.isClosed);
      expect(atFar.length).toBe(10);
      expect(near.write(pattern(10, 2))).toBe(true);
    });

    it('closes after an end though the peer does not read', async () => {
      const { near, far, atNear, atFar } = await talking();
      near.write(pattern(1, 0));
      await until(() => atFar.length === 1);
      far.pause();
      near.write(pattern(10, 1));
      near.end();
      await until(() => atNear.isClosed);
      expect(atFar.length).toBe(1);
      far.resume();
      await until(() => atFar.isClosed);
      expect(atFar.length).toBe(11);
    });

    it('hands over nothing after an end, and reads on so that its last words arrive', async () => {
      const { near, far, atNear, atFar } = await talking();
      atFar.onEachBytes = () => {
        far.pause();
        far.write(pattern(1_000, 1));
        far.end();
        far.pause();
      };
      near.write(pattern(10, 2));
      await until(() => atFar.length > 0);
      for (let round = 0; round < 20; round++) near.write(pattern(100, round));
      await until(() => atNear.isClosed && atFar.isClosed);
      expect(atNear.length).toBe(1_000);
      expect(atFar.length).toBeLessThanOrEqual(10);
      expect([atNear.reason, atFar.reason]).toEqual([null, null]);
    });

    it('tells a handler that comes too late', async () => {
      const { near, far } = await connected();
      near.destroy();
      const atFar = new RecordingHandler(far);
      await until(() => atFar.isClosed);
      const atNear = new RecordingHandler(near);
      expect(atNear.isClosed).toBe(false);
      await until(() => atNear.isClosed);
    });

    it('sends a part of a buffer', async () => {
      const { near, atNear, atFar } = await talking();
      near.write(pattern(100, 1), 10, 20);
      near.write(pattern(100, 1), 95);
      await until(() => atFar.length === 15);
      expect(atFar.bytes().subarray(0, 10)).toEqual(pattern(100, 1).subarray(10, 20));
      near.destroy();
      await until(() => atNear.isClosed && atFar.isClosed);
    });

    it('closes at once when destroyed, and tells the peer', async () => {
      const { near, atNear, atFar } = await talking();
      near.destroy();
      expect(atNear.isClosed).toBe(false);
      expect(near.write(pattern(3, 1))).toBe(true);
      await until(() => atNear.isClosed && atFar.isClosed);
      expect(atNear.reason).toBeNull();
      expect(atFar.length).toBe(0);
    });

    it('never calls a handler from within a call', async () => {
      const { near, far, atNear, atFar } = await talking();
      atFar.onEachBytes = () => {
        far.pause();
        far.resume();
        far.write(pattern(300_000, 1));
        far.write(pattern(300_000, 2));
      };
      near.write(pattern(1, 0));
      await until(() => atNear.length === 600_000);
      atFar.onEachBytes = () => far.destroy();
      near.write(pattern(1, 0));
      await until(() => atFar.isClosed && atNear.isClosed);
      expect(atFar.depthMax).toBe(1);
      expect(atNear.depthMax).toBe(1);
    });

    it('refuses where nobody listens, also after a listener was closed', async () => {
      const { listener, near, atNear, atFar } = await talking();
      await settle(listener.close());
      const error = await settle(
        harness.client
          .connect({ address: harness.address, port: listener.local.port }, 5_000)
          .catch((reason: unknown) => reason),
      );
      expect(error).toBeInstanceOf(ConnectError);
      expect((error as ConnectError).code).toBe('ECONNREFUSED');
      near.write(pattern(9, 1));
      await until(() => atFar.length === 9);
      near.destroy();
      await until(() => atFar.isClosed && atNear.isClosed);
    });

    it('does not listen twice on one port', async () => {
      const listener = await listen(() => undefined);
      const { port } = listener.local;
      const error = await settle(
        harness.server
          .listen({ address: harness.address, port }, () => undefined)
          .catch((reason: unknown) => reason),
      );
      expect((error as { code?: string }).code).toBe('EADDRINUSE');
    });

    it('resolves numeric addresses to themselves, names to addresses, and nonsense to an error', async () => {
      expect(await settle(harness.client.resolve('127.0.0.1'))).toEqual(['127.0.0.1']);
      expect(await settle(harness.client.resolve('::1'))).toEqual(['::1']);
      expect((await settle(harness.client.resolve('localhost'))).length).toBeGreaterThan(0);
      // No name server is asked for a label that is longer than labels can be.
      const nonsense = `${'long'.repeat(20)}.invalid`;
      const error = await settle(
        harness.client.resolve(nonsense).catch((reason: unknown) => reason),
      );
      expect(error).toBeInstanceOf(ConnectError);
    });
  });
}
