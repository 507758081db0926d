import { decode, encode } from '@aviary/jute';
import {
  ErrorCode,
  OpCode,
  connectRequest,
  connectResponse,
  opCodeName,
  readOnlyField,
  replyHeader,
  REPLY_HEADER_BYTES,
  Xid,
} from '@aviary/protocol';
import type { TestServer } from '../servers.js';
import { framed, opcodeOf, requestFrame, xidOf, type Sender } from './encoding.js';
import { Normaliser } from './normalised.js';
import { RawConnection } from './raw-connection.js';
import {
  describeError,
  type Introduction,
  type Operation,
  type PathRef,
  type Step,
} from './steps.js';

/** How long sessions live that nobody wants to see expire. */
const TIMEOUT_MS = 60_000;
const EXPIRING_TIMEOUT_MS = 1_000;
const FUTURE_ZXIDS = 1_000_000n;

/** With these the server closes the connection, but when the next ping comes it may not have yet. */
const CLOSING_ERRORS: readonly number[] = [ErrorCode.unimplemented, ErrorCode.authFailed];

const HANDSHAKE_BYTES_WITHOUT_READ_ONLY = 36;

interface Session {
  readonly id: bigint;
  readonly password: Uint8Array;
}

class Place {
  connection: RawConnection | null = null;
  session: Session | null = null;
  seenZxid = 0n;
  nextXid = 1;
  /** What it has authenticated with, and does again on every connection. */
  readonly credentials: Operation[] = [];
}

/** One of two servers, with the places that connect to it: does steps, tells in text what it saw. */
export class Side {
  private readonly places: Place[];
  private readonly created: string[] = [];
  private readonly normaliser = new Normaliser();
  /** What was seen of the step under way, or of the last one. */
  lines: string[] = [];

  constructor(
    readonly server: TestServer,
    placeCount: number,
  ) {
    this.places = Array.from({ length: placeCount }, () => new Place());
  }

  /** Does a step, waits until all that it causes has arrived, and returns that, a line for each. */
  async perform(step: Step): Promise<string[]> {
    this.lines = [];
    switch (step.do) {
      case 'send':
        await this.send(step.at, step.operations);
        break;
      case 'connect':
        await this.connect(step.at, step.as, step.timeoutMs);
        break;
      case 'drop':
        await this.drop(this.place(step.at));
        break;
      case 'expire':
        await this.expire(step.at);
        break;
      case 'bytes':
        await this.sendBytes(Buffer.from(step.hex, 'hex'));
        break;
      case 'words':
        await this.compareWords();
        break;
      case 'restart':
        await this.restart(step.how);
        break;
    }
    await this.settle();
    return this.lines;
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    for (const place of this.places) await this.drop(place);
  }

  /** The reply to one operation of a place, with what came before it, as text. */
  async ask(at: number, operation: Operation): Promise<string> {
    return (await this.perform({ do: 'send', at, operations: [operation] })).join('\n');
  }

  private place(at: number): Place {
    const place = this.places[at];
    if (place === undefined) throw new Error(`there is no place ${at}`);
    return place;
  }

  private note(at: number, line: string): void {
    this.lines.push(`${at} < ${line}`);
  }

  // Connections:

  private async drop(place: Place): Promise<void> {
    await place.connection?.drop();
    place.connection = null;
  }

  private async connected(at: number): Promise<RawConnection> {
    const place = this.place(at);
    if (place.connection === null && place.session !== null) {
      await this.connect(at, 'again', TIMEOUT_MS);
    }
    if (place.connection === null) await this.connect(at, 'new', TIMEOUT_MS);
    if (place.connection === null) throw new Error(`${this.server.kind} gives no session`);
    return place.connection;
  }

  private async connect(at: number, as: Introduction, timeoutMs: number): Promise<void> {
    const place = this.place(at);
    const previous = place.connection;
    if (as !== 'takeover') await this.drop(place);
    const connection = await RawConnection.open(this.server.port);
    connection.send(handshake(place, as, timeoutMs));
    const response = await connection.next();
    if (as === 'takeover' && previous !== null) {
      while ((await previous.next()) !== null);
      this.note(at, 'the connection before is closed');
    }
    if (response === null) {
      this.note(at, 'closed instead of a handshake');
      return;
    }
    const { timeOut, sessionId, passwd, protocolVersion } = decode(connectResponse, response);
    const tail = response.length - HANDSHAKE_BYTES_WITHOUT_READ_ONLY;
    const words = `version=${protocolVersion} timeout=${timeOut} password=${passwd?.length}`;
    this.note(at, `${this.normaliser.session(sessionId)} ${words} readOnly field=${tail}`);
    if (timeOut === 0) {
      const isClosed = (await connection.next()) === null;
      this.note(at, isClosed ? 'refused and closed' : 'refused and not closed');
      if (as === 'again' || as === 'takeover') place.session = null;
      await this.drop(place);
      return;
    }
    place.connection = connection;
    place.session = { id: sessionId, password: passwd ?? new Uint8Array() };
    for (const credential of place.credentials) await this.sendAll(at, connection, [credential]);
  }

  private async expire(at: number): Promise<void> {
    const place = this.place(at);
    await this.connected(at);
    const before = await this.lastZxid();
    // With nothing to do on the connection it does not matter when the session ends.
    const credentials = place.credentials.splice(0);
    await this.connect(at, 'again', EXPIRING_TIMEOUT_MS);
    place.credentials.push(...credentials);
    await this.drop(place);
    await this.server.until(
      'the end of a session',
      () => this.lastZxid(),
      (now) => now > before,
    );
  }

  private async lastZxid(): Promise<bigint> {
    return BigInt(/Zxid: (0x[0-9a-f]+)/.exec(await this.server.ask('srvr'))?.[1] ?? '0');
  }

  private async restart(how: 'kill' | 'stop'): Promise<void> {
    if (how === 'kill') await this.server.kill();
    else await this.server.stop();
    for (const place of this.places) await this.drop(place);
    await this.server.start();
  }

  private async sendBytes(bytes: Uint8Array): Promise<void> {
    const connection = await RawConnection.open(this.server.port);
    connection.send(bytes);
    for (;;) {
      const frame = await connection.next();
      if (frame === null) break;
      this.lines.push(`stranger < ${Buffer.from(frame).toString('hex')}`);
    }
    this.lines.push('stranger < closed');
  }

  private async compareWords(): Promise<void> {
    const server = this.server;
    this.lines.push(`zxid ${await this.lastZxid()}`);
    this.lines.push(`ephemerals ${await server.metric('zk_ephemerals_count')}`);
    if (server.kind === 'aviary') {
      const count = await server.metric('zk_digest_mismatches_count');
      if (count > 0) this.lines.push(`${count} digest mismatches`);
    }
    this.lines.push(`ruok ${await server.ask('ruok')}`);
    this.lines.push(`isro ${await server.ask('isro')}`);
  }

  // Requests:

  private async send(at: number, operations: readonly Operation[]): Promise<void> {
    const connection = await this.connected(at);
    await this.sendAll(at, connection, operations, (operation) => {
      if (operation.op === 'auth') this.place(at).credentials.push(operation);
    });
  }

  private async sendAll(
    at: number,
    connection: RawConnection,
    operations: readonly Operation[],
    onSuccess: (operation: Operation) => void = () => undefined,
  ): Promise<void> {
    const place = this.place(at);
    const sender: Sender = { pathOf: (path) => this.pathOf(path), seenZxid: place.seenZxid };
    const frames = operations.map((operation) =>
      requestFrame(xidOf(operation, place.nextXid++), operation, sender),
    );
    connection.send(Buffer.concat(frames));
    for (const operation of operations) {
      const code = await this.readReply(at, connection, operation);
      if (code === null) return;
      if (code === 0) onSuccess(operation);
    }
  }

  private pathOf(path: PathRef): string {
    if (typeof path === 'string') return path;
    return this.created.at(-1 - path.recent) ?? '/never-created';
  }

  /** Notes what comes up to the next reply; its error code, or null if there is none. */
  private async readReply(
    at: number,
    connection: RawConnection,
    operation: Operation,
  ): Promise<number | null> {
    const place = this.place(at);
    const opcode = opcodeOf(operation);
    for (;;) {
      const frame = await connection.next();
      if (frame === null) {
        this.note(at, 'closed');
        place.connection = null;
        return null;
      }
      const { xid, zxid, err } = decode(replyHeader, frame);
      const body = frame.subarray(REPLY_HEADER_BYTES);
      if (xid === Xid.notification) {
        this.note(at, this.normaliser.event(body));
        continue;
      }
      if (zxid > place.seenZxid) place.seenZxid = zxid;
      const text = err === 0 ? this.normaliser.reply(opcode, body) : hexOf(body);
      if (err === 0) this.noteCreated(opcode, text);
      this.note(at, `${opCodeName(opcode)} xid=${xid} zxid=${zxid} ${describeError(err)} ${text}`);
      if (!CLOSING_ERRORS.includes(err)) return err;
      await this.readToPong(at, connection);
      return null;
    }
  }

  private noteCreated(opcode: number, text: string): void {
    if (opcode === OpCode.multi) return;
    const path = /"path":"(.*?-\d{10})"/.exec(text)?.[1];
    if (path !== undefined) this.created.push(path);
  }

  /** Every open connection answers once more: what was sent before has arrived then. */
  private async settle(): Promise<void> {
    for (const { connection } of this.places) {
      connection?.send(requestFrame(Xid.ping, { op: 'ping' }, noSender));
    }
    const zxids = new Set<bigint>();
    for (const [at, place] of this.places.entries()) {
      const zxid = place.connection === null ? null : await this.readToPong(at, place.connection);
      if (zxid !== null) zxids.add(zxid);
    }
    if (zxids.size > 0) this.lines.push(`all at zxid ${[...zxids].join(' and ')}`);
  }

  /** Notes what comes up to the answer to a ping; its zxid, or null if the connection ends. */
  private async readToPong(at: number, connection: RawConnection): Promise<bigint | null> {
    for (;;) {
      const frame = await connection.next();
      if (frame === null) {
        this.note(at, 'closed');
        this.place(at).connection = null;
        return null;
      }
      const { xid, zxid } = decode(replyHeader, frame);
      if (xid === Xid.ping) return zxid;
      const isEvent = xid === Xid.notification;
      const body = frame.subarray(REPLY_HEADER_BYTES);
      this.note(at, isEvent ? this.normaliser.event(body) : `unasked ${hexOf(frame)}`);
    }
  }
}

const NO_SESSION: Session = { id: 0n, password: new Uint8Array(16) };

const noSender: Sender = { pathOf: () => '', seenZxid: 0n };

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function handshake(place: Place, as: Introduction, timeOut: number): Uint8Array {
  const isNew = as === 'new' || as === 'newOldStyle';
  const known = (isNew ? null : place.session) ?? NO_SESSION;
  const password = as === 'wrongPassword' ? new Uint8Array(16).fill(7) : known.password;
  const request = encode(connectRequest, {
    protocolVersion: 0,
    lastZxidSeen: place.seenZxid + (as === 'fromTheFuture' ? FUTURE_ZXIDS : 0n),
    timeOut,
    sessionId: as === 'unknownSession' ? 0x1234_5678n : known.id,
    passwd: as === 'newOldStyle' ? null : password,
  });
  if (as === 'newOldStyle') return framed(request);
  return framed(request, encode(readOnlyField, { readOnly: false }));
}
