import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Clock } from '@aviary/foundation';
import { FOUR_LETTER_WORDS } from '@aviary/protocol';
import { goldenExchanges, goldenRecordings } from '../../../test/golden/exchanges.js';
import { GoldenClock, recordedTimes } from './golden-clock.js';
import { GoldenReplay } from './golden-replay.js';
import { ServerWorld, type ServerWorldOptions } from './server-world.js';

/** In the order in which they were recorded, on one server. */
const STORY = [
  'handshake',
  'session-end',
  'four-letter-words',
  'refused',
  'create',
  'create-errors',
  'read',
  'write',
  'acl',
  'auth',
  'quota',
  'multi',
  'multi-read',
  'watch',
  'set-watches',
  'add-watch',
  'remove-watches',
];

/** A header: xid, the zxid of answers to operations that nobody knows, UNIMPLEMENTED. */
const notForClients = (xid: string) => `${xid}fffffffffffffffffffffffa`;

/**
 * What ours sends where the recordings say that it differs: one entry for each frame or end that is
 * recorded, null where ours is the same. What is not here is met, though the recording marks it.
 */
const OURS: Readonly<Record<string, readonly (string | null)[]>> = {
  // 3.8.0 cannot be told why; 3.8.6, 3.9.3 and newer answer as we do.
  'refused/check-alone': [null, `${notForClients('00000001')} closed`],
  'refused/create-session-inside': [null, `00000010${notForClients('00000001')}`],
  'refused/delete-container': [null, null, `00000010${notForClients('00000002')}`],
  // An auth packet that cannot be read is a failed authentication: the client need not guess.
  'refused/auth-cut': [null, 'fffffffc0000000000000000ffffff8d closed'],
  // Who may not read a node learns nothing of it by exists (ZOOKEEPER-2590).
  'acl/exists-without-permission': ['000000100000000b00000000000000a6ffffff9a'],
  // Watch types 4 and 5 came with 3.9: the first removes, then there is none left.
  'remove-watches/type-persistent': [
    null,
    '000000100000001e000000000000013400000000',
    '000000100000001f0000000000000134ffffff87',
  ],
  'remove-watches/null-path': ['00000010000000200000000000000134fffffffb'],
  // Ours cannot switch reconfig on yet.
  'other-settings/reconfig-standalone': ['00000010000000040000000000000005ffffff85'],
};

interface Recorded {
  readonly recordings: readonly string[];
  /** The low forty bits of this are what the recorded session ids begin with. */
  readonly sessionClockMs: number;
  readonly settings: ServerWorldOptions['server'];
}

const MAIN_SERVER: Recorded = {
  recordings: STORY,
  sessionClockMs: 0x41c854,
  settings: {
    extendedTypesEnabled: true,
    enforceQuota: true,
    superDigest: 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=',
    reaperIntervalMs: 1000,
    fourLetterWords: new Set(FOUR_LETTER_WORDS),
  },
};

const OTHER_SERVER: Recorded = {
  recordings: ['other-settings'],
  sessionClockMs: 0x4209ef,
  settings: { extendedTypesEnabled: false },
};

/** A server with the settings of the recorded one, and its times. */
async function serverOf({ recordings, sessionClockMs, settings }: Recorded): Promise<ServerWorld> {
  const times = recordedTimes(recordings);
  const clocks: GoldenClock[] = [];
  const clock = (simulated: Clock): Clock => {
    const golden = new GoldenClock(simulated, times, sessionClockMs);
    clocks.push(golden);
    return golden;
  };
  const world = await ServerWorld.start({ clock, server: { tickTimeMs: 500, ...settings } });
  const { tree, writes } = world.port;
  for (const golden of clocks) golden.nextZxid = () => tree.lastZxid + writes.outstanding + 1;
  return world;
}

describe.each([MAIN_SERVER, OTHER_SERVER])(
  'the recordings of Apache ZooKeeper, replayed on our server, byte for byte',
  (recorded) => {
    let replay: GoldenReplay;

    beforeAll(async () => {
      replay = new GoldenReplay(await serverOf(recorded));
    });

    describe.each(recorded.recordings)('%s', (recording) => {
      it.each(goldenExchanges(recording).map((exchange) => [exchange.name, exchange] as const))(
        '%s',
        async (_name, exchange) => {
          const comparisons = await replay.play(exchange);
          const ours = OURS[`${recording}/${exchange.name}`] ?? [];
          expect(comparisons.map((comparison) => comparison.ours)).toEqual(
            comparisons.map((comparison, step) => ours[step] ?? comparison.recorded),
          );
        },
      );

      it('the recorder hangs up', () => replay.endRecording());
    });
  },
);

describe('the table of differences', () => {
  const names = goldenRecordings().flatMap((recording) =>
    goldenExchanges(recording).map(({ name }) => `${recording}/${name}`),
  );

  it('names exchanges that exist', () => {
    expect(Object.keys(OURS).filter((name) => !names.includes(name))).toEqual([]);
  });

  it('leaves no recording out', () => {
    expect([...STORY, 'other-settings'].sort()).toEqual(goldenRecordings());
  });
});
