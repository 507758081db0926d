import { OpCode } from '@aviary/protocol';
import type { SeededRandom } from '@aviary/simulator';
import { create, createEphemeral, getData, setWatches, sync } from '../requests.js';
import { frameOf, handshakeFrame, requestFrame } from '../wire-client.js';
import { hostileRequest } from './broken-requests.js';

/** What an attacker does on one connection, in order. */
export type Move =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'stopReading' }
  | { readonly kind: 'end' }
  | { readonly kind: 'break' };

export interface Attack {
  readonly name: string;
  moves(random: SeededRandom, victim: Victim): Move[];
}

/** The session of somebody else, of which an attacker knows the id. */
export interface Victim {
  readonly sessionId: bigint;
}

const send = (...bytes: readonly Uint8Array[]): Move => ({
  kind: 'send',
  bytes: Buffer.concat(bytes),
});
const wait = (ms: number): Move => ({ kind: 'wait', ms });

const LENGTHS: readonly [number, ...number[]] = [
  -1, -2, -0x8000_0000, 0, 1, 7, 0x0f_ffff, 0x10_0000, 0x7fff_ffff, 0x4142_4344,
];

function lengthOf(bytes: number): Uint8Array {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(bytes);
  return prefix;
}

const LARGE = create('/large', { data: new Uint8Array(300_000) });

/** A session, and in the same chunk what is sent inside. */
const inside = (...bytes: readonly Uint8Array[]): Move =>
  send(handshakeFrame({ timeoutMs: 2000 }), ...bytes);

export const ATTACKS: readonly [Attack, ...Attack[]] = [
  {
    name: 'lengths before the handshake',
    moves: (random) => [send(lengthOf(random.pick(LENGTHS)), random.bytes(random.below(200)))],
  },
  {
    name: 'lengths inside a session',
    moves: (random) => [inside(lengthOf(random.pick(LENGTHS)), random.bytes(random.below(200)))],
  },
  {
    name: 'garbage',
    moves: (random) => [
      send(random.bytes(1 + random.below(5000))),
      wait(100),
      send(random.bytes(50)),
    ],
  },
  { name: 'silence', moves: () => [wait(60_000)] },
  {
    name: 'a handshake byte by byte',
    moves: (random) => {
      const bytes = handshakeFrame();
      const each = [...bytes].flatMap((byte) => [send(Uint8Array.of(byte)), wait(300)]);
      return each.slice(0, random.below(each.length));
    },
  },
  {
    name: 'half a handshake, then gone',
    moves: (random) => [
      send(handshakeFrame().subarray(0, random.below(49))),
      random.chance(0.5) ? { kind: 'break' } : { kind: 'end' },
    ],
  },
  {
    name: 'wrong handshakes',
    moves: (random, { sessionId }) => [
      send(
        handshakeFrame({
          sessionId: random.chance(0.5) ? sessionId : BigInt(random.uint32()) << 30n,
          password: random.chance(0.2) ? null : random.bytes(random.pick([0, 15, 16, 17])),
          timeoutMs: random.pick([-1, 0, 0x7fff_ffff]),
          readOnly: random.pick([true, false, null]),
          lastZxidSeen: random.pick([0n, 0n, 1n << 62n, -1n]),
        }),
        handshakeFrame(),
      ),
    ],
  },
  {
    name: 'a handshake after the handshake',
    moves: (random) => [inside(handshakeFrame()), wait(random.below(50)), send(handshakeFrame())],
  },
  {
    name: 'hostile requests',
    moves: (random) => {
      const frames = Array.from({ length: 1 + random.below(40) }, (_, i) =>
        requestFrame(random.chance(0.1) ? random.uint32() | 0 : i + 1, hostileRequest(random)),
      );
      return [inside(...frames), wait(200), { kind: 'end' }];
    },
  },
  {
    name: 'hostile requests, each by itself',
    moves: (random) => [
      inside(),
      ...Array.from({ length: 20 }, (_, i) => [
        send(requestFrame(i + 1, hostileRequest(random))),
        wait(random.below(20)),
      ]).flat(),
    ],
  },
  {
    name: 'frames shorter than a header',
    moves: (random) => [inside(frameOf(random.bytes(random.below(8))))],
  },
  {
    name: 'half-sent large requests',
    moves: () => [inside(requestFrame(1, LARGE).subarray(0, 200_000)), wait(30_000)],
  },
  {
    name: 'a reader that does not read',
    moves: (random) => [
      inside(requestFrame(1, LARGE)),
      wait(100),
      { kind: 'stopReading' },
      send(...Array.from({ length: 200 }, (_, i) => requestFrame(i + 2, getData('/large')))),
      wait(random.below(20_000)),
      { kind: 'break' },
    ],
  },
  {
    name: 'a flood that nobody waits for',
    moves: (random) => [
      inside(
        ...Array.from({ length: 400 }, (_, i) =>
          requestFrame(i, i % 2 === 0 ? createEphemeral(`/flood${random.uint32()}`) : sync('/')),
        ),
      ),
      random.chance(0.5) ? { kind: 'break' } : wait(1000),
    ],
  },
  {
    name: 'lists that promise more than they hold',
    moves: (random) => {
      const { body } = setWatches(0, { data: ['/a'] });
      const broken = Uint8Array.from(body);
      broken.set(lengthOf(random.pick([-1, -2, 0x7fff_ffff, 0x00ff_ffff])), 8);
      const type = random.pick([OpCode.setWatches, OpCode.setWatches2]);
      return [inside(requestFrame(-8, { type, body: broken }))];
    },
  },
  {
    name: 'words',
    moves: (random) => [
      send(Buffer.from(random.pick(['ruok', 'mntr', 'wchc', 'dump', 'abcd', 'ruo']))),
    ],
  },
];
