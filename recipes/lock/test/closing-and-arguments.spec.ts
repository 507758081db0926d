import { InvalidArgumentError, InvalidPathError } from '@aviary/client';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { LockClient, LocksClosedError } from '../src/index.js';
import { LockWorld, STEADY, rejection, type Service } from './lock-world.js';

let world: LockWorld;
let ann: Service;
let bob: Service;

beforeEach(async () => {
  world = await LockWorld.start({ network: STEADY });
  ann = await world.connected('ann');
  bob = await world.connected('bob');
});

/** Looked at in the turn in which `close` resolves, without letting time pass. */
const left = (path: string): number => {
  const { tree } = world.port;
  const node = tree.findText(path);
  return node === -1 ? 0 : tree.countDescendants(node);
};

describe('a lock client that is closed', () => {
  it('has left the queues in which it waited when that is done', async () => {
    await world.acquire(bob, 'a');
    const waiting = rejection(world.begin(ann, () => ann.locks.acquire('a')));
    await world.pass(100);
    await world.in(ann, () => ann.locks.close());
    expect(left('/locks/a')).toBe(1);
    expect(await waiting).toBeInstanceOf(LocksClosedError);
  });

  it('has left the queue for permits, too', async () => {
    const permit = (service: Service) => service.locks.acquirePermit('s', { limit: 1 });
    await world.in(bob, () => permit(bob));
    const waiting = rejection(world.begin(ann, () => permit(ann)));
    await world.pass(100);
    await world.in(ann, () => ann.locks.close());
    expect(left('/locks/s/locks')).toBe(0);
    expect(await waiting).toBeInstanceOf(LocksClosedError);
  });

  it('has no node of a downgrade that was under way', async () => {
    const writing = await world.in(ann, () => ann.locks.acquireWrite('a'));
    const reading = rejection(world.begin(ann, () => writing.downgrade()));
    await world.pass(5);
    await world.in(ann, () => ann.locks.close());
    expect(left('/locks/a')).toBe(0);
    await reading;
  });
});

const untyped = () =>
  ann.locks as unknown as Record<'acquire' | 'acquirePermit' | 'acquireAll', Untyped>;
type Untyped = (...args: unknown[]) => Promise<unknown>;

describe('what a caller without types may write', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'a controller',
      () => untyped().acquire('a', { signal: new AbortController() }),
      /AbortSignal/,
    ],
    ['no options', () => untyped().acquirePermit('a'), /limit must be .*, not undefined/],
    ['no locks', () => untyped().acquireAll(), /acquireAll: give it a list/],
    ['a string of locks', () => untyped().acquireAll('ab'), /acquireAll: give it a list/],
    ['signals of all', () => untyped().acquireAll(['a'], { signal: {} }), /AbortSignal/],
  ])('%s', async (_what, ask, problem) => {
    const error = await rejection(world.in(ann, ask));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(String(error)).toMatch(problem);
  });

  it('paths are told by what they are of', async () => {
    const limit = (path: string) =>
      rejection(world.in(ann, () => ann.locks.acquirePermit('a', { limit: path })));
    expect(String(await limit(''))).toMatch(/the path of a limit must be a string/);
    expect(String(await limit('../x'))).toMatch(/InvalidPathError: the path of a limit: .*"\.\."/);
    expect(await rejection(world.in(ann, () => untyped().acquireAll([null])))).toBeInstanceOf(
      InvalidPathError,
    );
  });

  it.each([{ root: 5 }, { identity: {} }, { onForeignContender: 'ignore' }, { acl: [] }])(
    'options %j',
    (options) => {
      expect(() => new LockClient(ann.zk, options as never)).toThrow(InvalidArgumentError);
    },
  );
});

it('everything can be surveyed', async () => {
  expect(await world.in(ann, () => ann.locks.deadlocks('/'))).toEqual([]);
});
