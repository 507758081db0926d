import { describe, expect, it } from '@jest/globals';
import { silentLog } from '@aviary/foundation';
import { parseEnsembleConfig, readNotification } from '@aviary/protocol';
import { World } from '@aviary/simulator';
import type { ServerId } from '@aviary/zab';
import { recordedStreams } from '../../../../test/golden/wire/streams.js';
import { ElectionPort } from '../../src/election/election-port.js';
import { electionAddressesOf, electionMembership } from '../../src/election/membership.js';
import { WirePeer, type WireConnection } from './wire-peer.js';

const HOST = '127.0.0.1';
const streams = recordedStreams('bootstrap').filter(({ port }) => port === 'election');

function recorded(connection: number, from: ServerId) {
  const stream = streams.find(
    (one) => one.connection === `conn#${connection}` && one.from === String(from),
  );
  if (stream === undefined) throw new Error(`conn#${connection} has nothing from ${from}`);
  return stream;
}

const said = (connection: number, from: ServerId, message: number): Uint8Array =>
  recorded(connection, from).messages[message]!.bytes;

const shown = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The text that the recorded servers sent. */
const configText = readNotification(said(2, 2, 1), 4, said(2, 2, 1).length).config!;
const config = parseEnsembleConfig(configText);
const portOf = (id: ServerId): number => electionAddressesOf(config.members.get(id)!)[0]!.port;

/** One of the recorded servers is ours; what the others said is said again. */
class Replay {
  readonly world = new World({ seed: 3 });
  readonly decisions: string[] = [];
  readonly port: ElectionPort;
  private readonly process = this.world.addHost('all').boot();
  private readonly peers = new Map<ServerId, WirePeer>();

  constructor(readonly me: ServerId) {
    const { clock, random, network } = this.process;
    this.port = new ElectionPort(
      {
        me,
        ownAddresses: [{ host: HOST, port: portOf(me) }],
        membership: electionMembership(me, config),
        configText: () => configText,
        handshakeTimeoutMs: 4000,
      },
      { clock, random, network, log: silentLog },
      {
        decided: (state, leader) => this.decisions.push(`${state} ${leader}`),
        abandon: () => undefined,
        sawLooking: () => undefined,
        sawNewerConfig: () => undefined,
      },
    );
    for (const id of config.members.keys()) {
      if (id !== me) this.peers.set(id, new WirePeer(id, this.process));
    }
  }

  peer(id: ServerId): WirePeer {
    return this.peers.get(id)!;
  }

  async start(): Promise<void> {
    for (const [id, peer] of this.peers) if (id !== 4) peer.listen(portOf(id));
    let isOpen = false;
    this.run(() => void this.port.start().then(() => (isOpen = true)));
    await this.reach(() => isOpen);
    this.run(() => this.port.look(0, 0));
  }

  run(action: () => void): void {
    this.process.run(action);
  }

  connect(id: ServerId, ...bytes: readonly Uint8Array[]): WireConnection {
    return this.peer(id).connect({ address: HOST, port: portOf(this.me) }, ...bytes);
  }

  /** What came on `connection` is what `from` said on connection `number` of the recording. */
  async expectRecorded(connection: WireConnection, number: number, from: ServerId): Promise<void> {
    const expected = recorded(number, from).bytes;
    await this.reach(() => connection.received.length >= expected.length);
    expect(shown(connection.received)).toBe(shown(expected));
  }

  reach(condition: () => boolean): Promise<void> {
    return this.world.reach(condition, { virtualMsMax: 1000 });
  }
}

describe('byte for byte as recorded from ZooKeeper:', () => {
  it('a server with a peer on either side elects the last one, and tells an observer', async () => {
    const replay = new Replay(2);
    await replay.start();
    const call = (): WireConnection | undefined => replay.peer(3).accepted[0];
    await replay.reach(() => call()?.isClosed === true);
    await replay.expectRecorded(call()!, 3, 2);

    const third = replay.connect(3, said(5, 3, 0));
    await replay.reach(() => third.received.length === recorded(5, 2).messages[0]!.bytes.length);
    const first = replay.peer(1).accepted[0]!;
    first.send(said(2, 1, 0), said(2, 1, 1));
    third.send(said(5, 3, 1));
    await replay.reach(() => first.received.length === recorded(2, 2).bytes.length);
    first.send(said(2, 1, 2));
    await replay.reach(() => replay.decisions.length > 0);
    expect(replay.decisions).toEqual(['following 3']);
    await replay.expectRecorded(first, 2, 2);
    await replay.expectRecorded(third, 5, 2);

    replay.run(() => replay.port.settled(1));
    const observer = replay.connect(4, said(10, 4, 0), said(10, 4, 1));
    await replay.expectRecorded(observer, 10, 2);
  });

  it('the server with the largest id is elected, and tells an observer', async () => {
    const replay = new Replay(3);
    await replay.start();
    await replay.reach(() => [1, 2].every((id) => replay.peer(id).accepted.length > 0));
    const [first, second] = [1, 2].map((id) => replay.peer(id).accepted[0]!) as [
      WireConnection,
      WireConnection,
    ];
    first.send(...recorded(4, 1).messages.map(({ bytes }) => bytes));
    second.send(...recorded(5, 2).messages.map(({ bytes }) => bytes));
    await replay.reach(() => replay.decisions.length > 0);
    expect(replay.decisions).toEqual(['leading 3']);
    await replay.expectRecorded(first, 4, 3);
    await replay.expectRecorded(second, 5, 3);

    replay.run(() => replay.port.settled(1));
    const observer = replay.connect(4, said(11, 4, 0), said(11, 4, 1));
    await replay.expectRecorded(observer, 11, 3);
  });

  it('the server with the smallest id calls the others, and follows', async () => {
    const replay = new Replay(1);
    await replay.start();
    await replay.reach(() => [2, 3].every((id) => replay.peer(id).accepted[0]?.isClosed === true));
    await replay.expectRecorded(replay.peer(2).accepted[0]!, 0, 1);
    await replay.expectRecorded(replay.peer(3).accepted[0]!, 1, 1);
    const second = replay.connect(
      2,
      ...recorded(2, 2)
        .messages.map(({ bytes }) => bytes)
        .slice(0, 2),
    );
    await replay.reach(() => second.received.length === 2 * said(2, 1, 0).length);
    const third = replay.connect(3, said(4, 3, 0));
    await replay.reach(() => third.received.length === said(4, 1, 0).length);
    third.send(said(4, 3, 1));
    second.send(said(2, 2, 2));
    await replay.reach(() => replay.decisions.length > 0);
    expect(replay.decisions).toEqual(['following 3']);
    await replay.expectRecorded(second, 2, 1);
    await replay.expectRecorded(third, 4, 1);
  });
});
