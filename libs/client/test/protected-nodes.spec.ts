import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OpCode } from '@aviary/protocol';
import fc from 'fast-check';
import {
  AbortedError,
  DeadlineExceededError,
  InvalidPathError,
  NoNodeError,
  NotEmptyError,
  SessionExpiredError,
  type ZooKeeper,
} from '../src/index.js';
import type { Treatment } from './fake-ensemble.js';
import { Fixture, rejection } from './fixture.js';

let fixture: Fixture;
let zk: ZooKeeper;

beforeEach(async () => {
  fixture = await Fixture.start();
  zk = await fixture.connected();
  await run(zk.create('/q'));
});

afterEach(() => fixture.stop());

const run = <T>(promise: Promise<T>) => fixture.settled(promise);
const names = () => [...fixture.ensemble.tree.get('/q').children].sort();
const ephemeral = { mode: 'ephemeralSequential' } as const;

/** The first request with this operation is treated so, the others are served. */
function treatFirst(opCode: number, as: Treatment): void {
  let done = false;
  fixture.ensemble.treat = (request) => {
    if (done || request.opCode !== opCode) return 'serve';
    done = true;
    return as;
  };
}

const inCuratorsForm =
  /^\/q\/_c_[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}-lock-\d{10}$/;

describe('a protected create', () => {
  it('makes one node, under a name that carries an id', async () => {
    const node = await run(zk.createProtected('/q/lock-', 'me', ephemeral));
    expect(node.path).toMatch(inCuratorsForm);
    expect(node.path).toContain(`_c_${node.protectionId}-lock-`);
    expect(node.sessionId).toBe(zk.sessionId);
    expect(node.stat.ephemeralOwner).toBe(zk.sessionId);
    expect((await run(zk.get(node.path))).data?.toString()).toBe('me');
    const other = await run(zk.createProtected('/q/lock-', 'me', ephemeral));
    expect(other.protectionId).not.toBe(node.protectionId);
  });

  it.each<[Treatment, string]>([
    ['closeBefore', 'was not applied'],
    ['closeAfter', 'was applied'],
  ])('makes one node when the answer is lost (%s) and the request %s', async (treatment) => {
    treatFirst(OpCode.create2, treatment);
    const node = await run(zk.createProtected('/q/lock-', '', ephemeral));
    expect(names()).toEqual([node.path.slice(3)]);
    expect(node.stat.czxid).toBe(fixture.ensemble.tree.get(node.path).stat.czxid);
  });

  it('removes the node behind a caller who has left', async () => {
    treatFirst(OpCode.create2, 'silent');
    const late = zk.createProtected('/q/lock-', '', { ...ephemeral, deadlineMs: 500 });
    expect(await rejection(run(late))).toBeInstanceOf(DeadlineExceededError);
    fixture.ensemble.closeConnections();
    await fixture.clock.advance(10_000);
    expect(names()).toEqual([]);
    const controller = new AbortController();
    treatFirst(OpCode.create2, 'silent');
    const { signal } = controller;
    const aborted = rejection(run(zk.createProtected('/q/lock-', '', { ...ephemeral, signal })));
    await fixture.clock.advance(100);
    expect(names().length).toBe(1);
    controller.abort();
    expect(await aborted).toBeInstanceOf(AbortedError);
    fixture.ensemble.closeConnections();
    await fixture.clock.advance(10_000);
    expect(names()).toEqual([]);
  });

  it('happens in one session or not at all', async () => {
    const old = zk.sessionId!;
    treatFirst(OpCode.create2, 'closeAfter');
    const creating = rejection(run(zk.createProtected('/q/lock-', '', ephemeral)));
    await fixture.clock.settle();
    fixture.ensemble.expire(old);
    expect(await creating).toBeInstanceOf(SessionExpiredError);
    await fixture.clock.advance(10_000);
    expect(names()).toEqual([]);
    const bound = { ...ephemeral, inSession: old };
    const refused = await rejection(run(zk.createProtected('/q/lock-', '', bound)));
    expect(refused).toBeInstanceOf(SessionExpiredError);
  });

  it('refuses what the server or the rules refuse', async () => {
    const missing = await rejection(run(zk.createProtected('/no/lock-', '', ephemeral)));
    expect(missing).toBeInstanceOf(NoNodeError);
    const wrong = await rejection(run(zk.createProtected('q', '', ephemeral)));
    expect(wrong).toBeInstanceOf(InvalidPathError);
  });

  it('leaves one node or none, whatever happens', async () => {
    const treatments = fc.array(
      fc.constantFrom<Treatment>('serve', 'closeBefore', 'closeAfter', 'silent'),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(
        treatments,
        fc.integer({ min: 1, max: 8_000 }),
        async (faults, deadlineMs) => {
          const left = [...faults];
          fixture.ensemble.treat = () => left.shift() ?? 'serve';
          const options = { mode: 'persistentSequential', deadlineMs } as const;
          const made = await run(
            zk.createProtected('/q/x-', '', options).then(
              (node) => node.path.slice(3),
              () => null,
            ),
          );
          fixture.ensemble.treat = () => 'serve';
          fixture.ensemble.closeConnections();
          await fixture.clock.advance(20_000);
          expect(names()).toEqual(made === null ? [] : [made]);
          if (made !== null) await run(zk.delete(`/q/${made}`));
        },
      ),
      { seed: 11, numRuns: 100 },
    );
  });
});

describe('a guaranteed delete', () => {
  it('goes on over broken connections until the node is gone', async () => {
    const { path } = await run(zk.create('/q/a'));
    const left: Treatment[] = ['closeBefore', 'closeBefore', 'closeAfter'];
    fixture.ensemble.treat = (request) =>
      request.opCode === OpCode.delete ? (left.shift() ?? 'serve') : 'serve';
    await run(zk.deleteGuaranteed(path));
    expect(left).toEqual([]);
    expect(names()).toEqual([]);
    await run(zk.deleteGuaranteed(path));
  });

  it('goes on in the next session, unless the node has gone with the last one', async () => {
    const { path } = await run(zk.create('/q/a'));
    const mine = await run(zk.createProtected('/q/m-', '', ephemeral));
    await fixture.ensemble.stop();
    await fixture.clock.settle();
    const plain = zk.deleteGuaranteed(path);
    const owned = zk.deleteGuaranteed(mine.path, { inSession: mine.sessionId });
    await fixture.clock.advance(20_000);
    await owned;
    await fixture.listen();
    await run(plain);
    expect(names()).toEqual([]);
  });

  it('ends with the client, and with a refusal', async () => {
    await run(zk.create('/q/a'));
    expect(await rejection(run(zk.deleteGuaranteed('/q')))).toBeInstanceOf(NotEmptyError);
    await fixture.ensemble.stop();
    await fixture.clock.settle();
    const plain = rejection(run(zk.deleteGuaranteed('/q/a')));
    const { sessionId } = zk;
    const owned = zk.deleteGuaranteed('/q/a', { inSession: sessionId! });
    await run(zk.close({ deadlineMs: 100 }));
    expect((await plain).name).toBe('ClosedError');
    await owned;
  });
});
