import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { FOUR_LETTER_WORDS } from '@aviary/protocol';
import { FOUR_LETTER_WORDS_DEFAULT } from '@aviary/server';
import { goldenExchanges } from '../../../test/golden/exchanges.js';
import { create, createEphemeral, exists, getData } from './requests.js';
import { ServerWorld } from './server-world.js';
import { handshakeFrame, type WireClient } from './wire-client.js';

const LINES_ALIKE = /^(\t| \/|zk_|\d+ expire at )/;

/** What a server wrote in one recorded exchange, as text. */
function recordedWord(word: string): string {
  const exchange = goldenExchanges('four-letter-words').find(({ name }) => name === word);
  const step = exchange?.steps.find(({ kind }) => kind === 'receivedRaw');
  if (step?.kind !== 'receivedRaw') throw new Error(`${word} is not recorded`);
  return Buffer.from(step.bytes).toString();
}

const recordedFile = (word: string) =>
  readFileSync(new URL(`./four-letter-words/${word}.txt`, import.meta.url), 'utf8');

/** The text with everything that differs from server to server and from moment to moment replaced. */
function shapeOf(text: string): string[] {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d UTC \d{4}/, '<date>')
      .replace(
        /^(Zookeeper version: |zookeeper\.version=)\d+\.\d+\.\d+-.*, built on .* UTC$/,
        '$1<v>',
      )
      .replace(/=\/\S*/g, '=<path>')
      .replace(/0x[0-9a-f]+/g, '<hex>')
      .replace(/\/\d+\.\d+\.\d+\.\d+:\d+/g, '<address>')
      .replace(/-?\d+\.\d+/g, '<decimal>')
      .replace(/-?\d+/g, '<n>'),
  );
  return lines.filter((line, i) => line !== lines[i - 1] || !LINES_ALIKE.test(line));
}

let world: ServerWorld;

const start = (words: readonly string[] = FOUR_LETTER_WORDS) =>
  ServerWorld.start({
    server: { fourLetterWords: new Set(words), tickTimeMs: 500 },
    environment: [
      ['host.name', 'here'],
      ['os.name', 'Linux'],
    ],
  });

/** What comes back until the server closes. */
async function ask(...parts: readonly string[]): Promise<string> {
  const client = world.connect();
  const text = rawText(client);
  for (const part of parts) client.sendRaw(Buffer.from(part));
  await client.closed();
  return text();
}

function rawText(client: WireClient): () => string {
  const chunks: Uint8Array[] = [];
  client.link.whenReceived((bytes) => void chunks.push(bytes));
  return () => Buffer.concat(chunks).toString();
}

/** As the recording was made: a session with a watch and an ephemeral node. */
async function sessionLikeTheRecorded(): Promise<WireClient> {
  const client = await world.session({ timeoutMs: 10_000 });
  await client.done(createEphemeral('/words'));
  await client.done(getData('/words', true));
  return client;
}

beforeEach(async () => {
  world = await start();
});

describe('a four-letter word is answered line for line as by Apache ZooKeeper', () => {
  it.each(['ruok', 'isro', 'srvr', 'stat', 'cons', 'wchs', 'wchc', 'wchp', 'dirs', 'srst', 'crst'])(
    '%s',
    async (word) => {
      await sessionLikeTheRecorded();
      // The recorded server had a connection that said nothing, too: the one that asked.
      expect(shapeOf(await ask(word))).toEqual(shapeOf(recordedWord(word)));
    },
  );

  it('conf', async () => {
    expect(shapeOf(await ask('conf'))).toEqual(shapeOf(recordedFile('conf')));
  });

  it('dump, except that connections are not kept by their expiry', async () => {
    for (const timeoutMs of [4_000, 6_000]) (await world.session({ timeoutMs })).link.drop();
    await sessionLikeTheRecorded();
    const cut = (text: string) => text.slice(0, text.indexOf('Connections Sets'));
    const text = await ask('dump');
    expect(shapeOf(cut(text))).toEqual(shapeOf(cut(recordedWord('dump'))));
    expect(text).toMatch(/\nConnections Sets \(1\)\/\(2\):\n2 connections:\n(\tip: .*\n){2}$/);
  });

  it('envi, whose names are those of the process that hosts the server', async () => {
    const text = await ask('envi');
    expect(text).toMatch(/^Environment:\nzookeeper\.version=\d+\.\d+\.\d+-/);
    expect(text.endsWith('host.name=here\nos.name=Linux\n')).toBe(true);
    const names = recordedFile('envi')
      .split('\n')
      .slice(1, 3)
      .map((line) => line.split('=')[0]);
    expect(names).toEqual(['zookeeper.version', 'host.name']);
  });

  it("mntr: names of ours that are not ZooKeeper's are few and known", async () => {
    await sessionLikeTheRecorded();
    const namesIn = (text: string) =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => /^(zk_\w+)\t\S.*$/.exec(line)?.[1] ?? line);
    const recorded = new Set(namesIn(recordedWord('mntr')));
    const ours = namesIn(await ask('mntr'));
    expect(ours.filter((name) => !recorded.has(name))).toEqual([
      'zk_connections_cut',
      'zk_held_bytes',
      'zk_large_replies',
    ]);
    expect(ours).toEqual(
      expect.arrayContaining([
        'zk_version',
        'zk_server_state',
        'zk_uptime',
        'zk_znode_count',
        'zk_num_alive_connections',
        'zk_approximate_data_size',
        'zk_watch_count',
        'zk_ephemerals_count',
        'zk_avg_latency',
        'zk_outstanding_requests',
        'zk_packets_received',
        'zk_sum_fsynctime',
      ]),
    );
  });
});

describe('the figures of a four-letter word', () => {
  const figure = (text: string, name: string) =>
    Number(new RegExp(`^zk_${name}\t(.*)$`, 'm').exec(text)?.[1]);

  it('are those of the tree and of the connections', async () => {
    const client = await sessionLikeTheRecorded();
    await client.done(create('/a', { data: 'xyz' }));
    await client.call(exists('/b', true));
    const text = await ask('mntr');
    expect(figure(text, 'znode_count')).toBe(world.port.tree.nodes.size);
    expect(figure(text, 'ephemerals_count')).toBe(1);
    expect(figure(text, 'watch_count')).toBe(2);
    expect(figure(text, 'global_sessions')).toBe(1);
    expect(figure(text, 'num_alive_connections')).toBe(2);
    expect(figure(text, 'cnt_fsynctime')).toBeGreaterThanOrEqual(3);
    expect(await ask('wchs')).toBe('1 connections watching 2 paths\nTotal watches:2\n');
    expect(await ask('srvr')).toContain(`\nZxid: 0x${world.zxid.toString(16)}\n`);
    const { sessionId } = client.credentials;
    expect(await ask('cons')).toContain(`sid=0x${sessionId.toString(16)},lop=EXIS,`);
    expect(await ask('dirs')).toMatch(/^datadir_size: [1-9]\d*\nlogdir_size: [1-9]\d*\n$/);
  });

  it('start over when they are told to', async () => {
    const client = await sessionLikeTheRecorded();
    expect(await ask('srst')).toBe('Server stats reset.\n');
    expect(await ask('srvr')).toContain('\nReceived: 0\nSent: 0\n');
    expect(await ask('crst')).toBe('Connection stats reset.\n');
    expect(await ask('cons')).toContain('recved=0,sent=0,sid=');
    expect(client.isClosed).toBe(false);
  });
});

describe('a four-letter word is recognised', () => {
  it.each([
    ['r', 'uok'],
    ['ru', 'ok'],
    ['r', 'u', 'o', 'k'],
    ['ruok\n'],
    ['ruok', '\r\n'],
    ['ruokruok'],
  ])('however it is cut: %j %j', async (...parts) => {
    expect(await ask(...parts)).toBe('imok');
  });

  it('by no other letters: an unknown word is a frame that is too long, and the server closes', async () => {
    for (const word of ['abcd', 'RUOK', 'ruo\n', 'GET ', '\x16\x03\x01\x02']) {
      expect(await ask(word)).toBe('');
    }
  });

  it('at the start of a connection only', async () => {
    const client = world.connect();
    const text = rawText(client);
    client.sendRaw(Buffer.concat([handshakeFrame(), Buffer.from('ruok')]));
    await client.closed();
    expect(text()).not.toContain('imok');
  });

  it('and closes the connection, counted no longer against its address', async () => {
    const limited = { limits: { connectionsPerAddressMax: 2 } };
    world = await ServerWorld.start({ server: limited });
    for (let i = 0; i < 10; i++) {
      expect(await ask('ruok')).toBe('imok');
      await world.pass(1);
    }
    expect(world.port.connections.size).toBe(0);
  });
});

describe('the whitelist of four-letter words', () => {
  it('answers by default what is cheap and tells of no session and no setting', async () => {
    world = await ServerWorld.start();
    expect([...FOUR_LETTER_WORDS_DEFAULT]).toEqual(['isro', 'mntr', 'ruok', 'srvr']);
    for (const word of FOUR_LETTER_WORDS) {
      const isAnswered = FOUR_LETTER_WORDS_DEFAULT.includes(word);
      const refusal = `${word} is not executed because it is not in the whitelist.\n`;
      if (isAnswered) expect(await ask(word)).not.toBe(refusal);
      else expect(await ask(word)).toBe(refusal);
    }
  });

  it('may be empty', async () => {
    world = await start([]);
    expect(await ask('ruok')).toBe('ruok is not executed because it is not in the whitelist.\n');
  });

  it('may hold words that this server has no answer to', async () => {
    expect(await ask('hash')).toBe('hash is not supported by this server.\n');
  });
});
