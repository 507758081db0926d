import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ByteStream } from '@aviary/foundation';
import { FrameReader } from '@aviary/protocol';
import { goldenExchanges } from '../../../test/golden/exchanges.js';
import { CoordinationError, OPEN_ACL, ZooKeeper } from '../src/index.js';
import { handshakeFrame } from './server-frames.js';
import { SeededRandom, VirtualClock, VirtualNetwork } from './virtual-world.js';

/** Plays back recorded answers of a real server, and keeps what the client sent. */
class Tape {
  readonly clock = new VirtualClock();
  readonly network = new VirtualNetwork(this.clock);
  readonly zk: ZooKeeper;
  readonly sent: string[] = [];
  private answers: Uint8Array[] = [];
  private stream: ByteStream | null = null;
  private frames = new FrameReader(1 << 20);

  constructor() {
    const { clock, network } = this;
    void network.listen({ address: '127.0.0.1', port: 1 }, (stream) => this.accept(stream));
    this.zk = new ZooKeeper({
      servers: '127.0.0.1:1',
      clock,
      network,
      random: new SeededRandom(1),
    });
  }

  /** The first exchange of its kind: one frame out, one frame in. */
  load(recording: string, exchange: string): string {
    const found = goldenExchanges(recording).find(({ name }) => name === exchange);
    const [sent, received] = found?.steps ?? [];
    if (sent?.kind !== 'sent' || received?.kind !== 'received') throw new Error('no such exchange');
    this.answers = [received.bytes];
    return withoutXid(sent.bytes.subarray(4));
  }

  private accept(stream: ByteStream): void {
    this.stream = stream;
    let handshaken = false;
    stream.start({
      onBytes: (bytes, start, end) => {
        this.frames.push(bytes, start, end, {
          onFrame: (frame, from, to) => {
            if (handshaken) this.answer(frame.slice(from, to));
            else stream.write(handshakeFrame({ sessionId: 1n, timeoutMs: 10_000 }));
            handshaken = true;
            return true;
          },
        });
      },
      onDrained: () => undefined,
      onClosed: () => undefined,
    });
  }

  private answer(frame: Uint8Array): void {
    this.sent.push(withoutXid(frame));
    const answer = this.answers.shift();
    if (answer === undefined) return;
    // Recorded with the xid of another conversation.
    const patched = answer.slice();
    patched.set(frame.subarray(0, 4), 4);
    this.stream?.write(patched);
  }
}

function withoutXid(frame: Uint8Array): string {
  return Buffer.from(frame.subarray(4)).toString('hex');
}

let tape: Tape;

beforeEach(() => {
  tape = new Tape();
});

afterEach(async () => {
  const closing = tape.zk.close({ deadlineMs: 1 });
  await tape.clock.advance(10);
  await closing;
});

type Call = (zk: ZooKeeper) => Promise<unknown>;

/** Recording, exchange, call, what it gives. */
const calls: [string, string, Call, unknown][] = [
  ['read', 'exists', (zk) => zk.exists('/read'), { ephemeralOwner: 0n }],
  ['read', 'exists-missing', (zk) => zk.exists('/read/no'), null],
  ['read', 'getData-missing', (zk) => zk.get('/read/no'), 'NoNodeError'],
  ['read', 'get-null', (zk) => zk.get('/read/null'), { data: null }],
  ['read', 'getData-watch', (zk) => zk.getAndWatch('/read/data'), { stat: { dataLength: 4 } }],
  ['read', 'getChildren2-missing', (zk) => zk.children('/read/no'), 'NoNodeError'],
  ['read', 'sync', (zk) => zk.sync('/read'), undefined],
  ['read', 'ephemerals-none', (zk) => zk.ephemerals('/'), []],
  ['read', 'all-children-number-leaf', (zk) => zk.countDescendants('/read/null'), 0],
  ['write', 'set-data', (zk) => zk.set('/write/a', 'three'), { dataLength: 5 }],
  ['write', 'set-data-null', (zk) => zk.set('/write/a', null, { version: 2 }), { version: 3 }],
  ['write', 'set-data-missing', (zk) => zk.set('/write/no', ''), 'NoNodeError'],
  ['write', 'delete-not-empty', (zk) => zk.delete('/write/parent'), 'NotEmptyError'],
  ['write', 'delete-version', (zk) => zk.delete('/write/a', { version: 3 }), undefined],
  ['write', 'delete-root', (zk) => zk.delete('/'), 'BadArgumentsError'],
  ['create', 'create2', (zk) => zk.create('/create/b', 'abc'), { path: '/create/b' }],
  [
    'create',
    'create2-null',
    (zk) => zk.create('/create/null2', null),
    { stat: { dataLength: 0, version: 0 } },
  ],
  [
    'create',
    'create2-ephemeral',
    (zk) => zk.create('/create/e', 'x', { mode: 'ephemeral' }),
    { path: '/create/e' },
  ],
  [
    'create',
    'create2-sequential',
    (zk) => zk.create('/create/t-', '', { mode: 'persistentSequential' }),
    { path: expect.stringMatching(/^\/create\/t-\d{10}$/) },
  ],
  [
    'create',
    'create-container',
    (zk) => zk.create('/create/c', '', { mode: 'container' }),
    { path: '/create/c', stat: { ephemeralOwner: 0n } },
  ],
  [
    'create',
    'create-ttl',
    (zk) => zk.create('/create/ttl', '', { mode: 'persistentWithTtl', ttlMs: 600_000 }),
    { path: '/create/ttl' },
  ],
  ['multi', 'empty', (zk) => zk.transaction().commit(), []],
  [
    'multi',
    'versions',
    (zk) =>
      zk
        .transaction()
        .set('/multi/a', '', { version: 1 })
        .set('/multi/a', null, { version: 2 })
        .check('/multi/a', { version: 3 })
        .commit(),
    [{ version: 2 }, { version: 3 }, undefined],
  ],
  [
    'multi',
    'failed-alone',
    (zk) => zk.transaction().check('/multi/no').commit(),
    'TransactionFailedError',
  ],
  [
    'multi-read',
    'both-kinds',
    (zk) =>
      zk.multiRead([
        { kind: 'get', path: '/reads' },
        { kind: 'children', path: '/reads/null' },
        { kind: 'get', path: '/reads/null' },
      ]),
    [
      { status: 'fulfilled', value: { data: Buffer.from('data') } },
      { status: 'fulfilled', value: [] },
      { status: 'fulfilled', value: { data: null } },
    ],
  ],
  [
    'multi-read',
    'some-fail',
    (zk) =>
      zk.multiRead([
        { kind: 'get', path: '/reads/no' },
        { kind: 'get', path: '/reads/closed' },
        { kind: 'children', path: '/reads/no' },
        { kind: 'get', path: '/reads' },
      ]),
    [
      { status: 'rejected', reason: { name: 'NoNodeError' } },
      { status: 'rejected', reason: { name: 'NoAuthError' } },
      { status: 'rejected', reason: { name: 'NoNodeError' } },
      { status: 'fulfilled', value: { stat: { version: 0 } } },
    ],
  ],
  ['acl', 'get-acl-missing', (zk) => zk.getAcl('/acl/no'), 'NoNodeError'],
  ['acl', 'set-acl-missing', (zk) => zk.setAcl('/acl/no', OPEN_ACL), 'NoNodeError'],
];

describe('calls against what a real server said', () => {
  it.each(calls)('%s: %s', async (recording, exchange, call, expected) => {
    const recorded = tape.load(recording, exchange);
    const outcome = call(tape.zk).catch((error: unknown) => {
      if (error instanceof CoordinationError) return error.name;
      throw error;
    });
    await tape.clock.advance(10);
    const actual = await Promise.race([outcome, Promise.resolve('no answer')]);
    expect(tape.sent).toEqual([recorded]);
    if (typeof expected === 'object' && expected !== null) expect(actual).toMatchObject(expected);
    else expect(actual).toEqual(expected);
  });
});
