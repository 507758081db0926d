import { readInt32 } from '@aviary/foundation';
import { ErrorCode, OpCode, Xid, replyHeader } from '@aviary/protocol';
import { JuteReader } from '@aviary/jute';
import { SYSTEM_PRINCIPAL } from '@aviary/znodes';
import type { GoldenExchange, GoldenStep } from '../../../test/golden/exchanges.js';
import type { ServerWorld } from './server-world.js';
import { inOneOrder } from './unordered-replies.js';
import { frameOf, type WireClient } from './wire-client.js';

/** What uses up a zxid. */
const WRITES = new Set<number>([
  OpCode.create,
  OpCode.create2,
  OpCode.createContainer,
  OpCode.createTTL,
  OpCode.delete,
  OpCode.deleteContainer,
  OpCode.setData,
  OpCode.setACL,
  OpCode.multi,
  OpCode.reconfig,
  OpCode.createSession,
  OpCode.closeSession,
]);

/** Where the session id and the password stand in a ConnectRequest and in a ConnectResponse. */
const REQUEST_SESSION_AT = 20;
const REQUEST_PASSWORD_AT = 32;
const RESPONSE_SESSION_AT = 12;
const RESPONSE_PASSWORD_AT = 24;
const PASSWORD_BYTES = 16;
const EVENT_ZXID_AT = 8;
const ZXID_BYTES = 8;

/** How long the recorder waited where a few transactions show up in its background, or many. */
const BACKGROUND_MS = 1_500;
const LONG_BACKGROUND_MS = 12_000;
const MANY = 3;
const STEP_MS = 100;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** One thing that a server sent, as it was recorded and as ours did. */
export interface Comparison {
  readonly recorded: string;
  readonly ours: string;
}

/** What one connection of a recording is about to be told. */
interface Talk {
  readonly client: WireClient;
  hasGreeted: boolean;
  isAnswered: boolean;
  /** Operation of the requests without an answer, by xid. */
  readonly asked: Map<number, number>;
}

/**
 * Plays recorded exchanges on our server, one after the other, and notes what it answers.
 *
 * Passwords are ours, so they are put in where the recording has others. Sessions that ended in the
 * background of the recording end here too, as soon as a recorded zxid shows that they had; what
 * else used up zxids there and does not here is made up for by error transactions.
 */
export class GoldenReplay {
  private readonly talks = new Map<string, Talk>();
  private readonly passwords = new Map<string, Uint8Array>();

  constructor(private readonly world: ServerWorld) {}

  /** What was said and how it compares; a step that has no counterpart ends the exchange. */
  async play(exchange: GoldenExchange): Promise<Comparison[]> {
    const comparisons: Comparison[] = [];
    const { steps } = exchange;
    for (const [index, step] of steps.entries()) {
      switch (step.kind) {
        case 'sent':
          await this.catchUp(steps.slice(index));
          this.send(step.connection, step.bytes);
          break;
        case 'sentRaw':
          this.talk(step.connection).client.sendRaw(step.bytes);
          break;
        case 'received':
          comparisons.push(await this.receive(step.connection, step.bytes, exchange));
          break;
        case 'dropped':
          this.talk(step.connection).client.link.drop();
          break;
        case 'closed':
          comparisons.push(await this.closed(step.connection));
          break;
        case 'receivedRaw':
          break;
      }
    }
    return comparisons;
  }

  /** The recorder closes its connections at the end of a recording. */
  endRecording(): void {
    for (const { client } of this.talks.values()) client.link.drop();
    this.talks.clear();
  }

  private talk(connection: string): Talk {
    let talk = this.talks.get(connection);
    if (talk === undefined) {
      const client = this.world.connect();
      talk = { client, hasGreeted: false, isAnswered: false, asked: new Map() };
      this.talks.set(connection, talk);
    }
    return talk;
  }

  private send(connection: string, recorded: Uint8Array): void {
    const talk = this.talk(connection);
    const bytes = recorded.slice();
    if (!talk.hasGreeted) {
      talk.hasGreeted = true;
      this.putInPassword(bytes);
    } else if (bytes.length >= 12) {
      const type = readInt32(bytes, 8);
      talk.asked.set(type === OpCode.ping ? Xid.ping : readInt32(bytes, 4), type);
    }
    talk.client.sendRaw(bytes);
  }

  /** The password that our server gave, unless the recording sends a wrong one. */
  private putInPassword(handshake: Uint8Array): void {
    const session = hex(handshake.subarray(REQUEST_SESSION_AT, REQUEST_SESSION_AT + 8));
    const at = REQUEST_PASSWORD_AT;
    const recorded = handshake.subarray(at, at + PASSWORD_BYTES);
    const ours = this.passwords.get(`${session} ${hex(recorded)}`);
    if (ours !== undefined) handshake.set(ours, at);
  }

  private async receive(
    connection: string,
    recorded: Uint8Array,
    exchange: GoldenExchange,
  ): Promise<Comparison> {
    const talk = this.talk(connection);
    const expected = recorded.slice();
    const payload = await talk.client.frame();
    const ours = frameOf(payload);
    if (!talk.isAnswered) {
      talk.isAnswered = true;
      this.takePassword(expected, ours);
    } else if (exchange.differsInEventZxidOnly && readInt32(ours, 4) === Xid.notification) {
      // What it must be instead is tested where events are.
      expected.fill(0, EVENT_ZXID_AT, EVENT_ZXID_AT + ZXID_BYTES);
      ours.fill(0, EVENT_ZXID_AT, EVENT_ZXID_AT + ZXID_BYTES);
    }
    const type = talk.asked.get(readInt32(ours, 4)) ?? OpCode.notification;
    return {
      recorded: hex(inOneOrder(type, expected)),
      ours: hex(inOneOrder(type, ours)),
    };
  }

  private takePassword(expected: Uint8Array, ours: Uint8Array): void {
    const at = RESPONSE_PASSWORD_AT;
    const session = hex(expected.subarray(RESPONSE_SESSION_AT, RESPONSE_SESSION_AT + 8));
    const recorded = expected.slice(at, at + PASSWORD_BYTES);
    if (recorded.every((byte) => byte === 0)) return;
    this.passwords.set(`${session} ${hex(recorded)}`, ours.slice(at, at + PASSWORD_BYTES));
    expected.fill(0, at, at + PASSWORD_BYTES);
    ours.fill(0, at, at + PASSWORD_BYTES);
  }

  private async closed(connection: string): Promise<Comparison> {
    const { client } = this.talk(connection);
    await client.closed();
    const more = client.takeFrames().map(hex).join(' ');
    return { recorded: 'closed', ours: more === '' ? 'closed' : `${more} closed` };
  }

  /** Brings our zxid to where the recorded one was when the first of `steps` was sent. */
  private async catchUp(steps: readonly GoldenStep[]): Promise<void> {
    const wanted = this.zxidBefore(steps);
    if (wanted === null || this.world.port.writes.outstanding > 0) return;
    const isLong = wanted - this.world.zxid >= MANY;
    const limitMs = isLong ? LONG_BACKGROUND_MS : BACKGROUND_MS;
    for (let ms = 0; ms < limitMs && this.world.zxid < wanted; ms += STEP_MS) {
      // The recorder was quicker than the timeouts of those that it talked to.
      for (const { client } of this.talks.values()) this.touch(client);
      await this.world.pass(STEP_MS);
    }
    while (this.world.zxid < wanted) await this.useUpZxid();
  }

  private touch(client: WireClient): void {
    const { port } = this.world;
    for (const { session, stream } of port.connections) {
      if (stream !== client.link.server || session === null) continue;
      port.sessions.touch(session, port.clock.monotonicMs());
    }
  }

  private async useUpZxid(): Promise<void> {
    const { writes, clock } = this.world.port;
    const origin = { sessionHigh: 0, sessionLow: 0, xid: 0, who: SYSTEM_PRINCIPAL };
    writes.submitError(ErrorCode.noNode, OpCode.create, origin, null, clock.monotonicMs());
    await this.world.reach(() => writes.outstanding === 0);
  }

  /** The last zxid before a request, as the reply to it tells; null: it tells nothing. */
  private zxidBefore([sent, ...later]: readonly GoldenStep[]): number | null {
    if (sent?.kind !== 'sent' || sent.bytes.length < 12) return null;
    const talk = this.talks.get(sent.connection);
    if (talk?.hasGreeted !== true) return null;
    const type = readInt32(sent.bytes, 8);
    const xid = type === OpCode.ping ? Xid.ping : readInt32(sent.bytes, 4);
    for (const step of later) {
      if (step.kind !== 'received' || step.connection !== sent.connection) continue;
      const header = replyHeader.read(new JuteReader(step.bytes, 4));
      if (header.xid !== xid) continue;
      const zxid = Number(header.zxid);
      if (zxid <= 0) return null;
      return WRITES.has(type) ? zxid - 1 : zxid;
    }
    return null;
  }
}
