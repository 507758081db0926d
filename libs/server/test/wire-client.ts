import { readInt32, writeInt32 } from '@aviary/foundation';
import { JuteReader, decode, encode, type Codec } from '@aviary/jute';
import {
  FrameReader,
  OpCode,
  PASSWORD_BYTES,
  Xid,
  connectRequest,
  connectResponse,
  readOnlyField,
  replyHeader,
  watcherEvent,
} from '@aviary/protocol';
import type { DirectLink } from './direct-link.js';
import type { Request } from './requests.js';
import type { ServerWorld } from './server-world.js';

/** What a client frame reader takes: everything. */
const FRAME_BYTES_MAX = 0x7fff_ffff;
const NO_PASSWORD = new Uint8Array(PASSWORD_BYTES);
const SPECIAL_XIDS = new Map<number, number>([
  [OpCode.ping, Xid.ping],
  [OpCode.auth, Xid.auth],
  [OpCode.setWatches, Xid.setWatches],
  [OpCode.setWatches2, Xid.setWatches],
]);

/** The answer to a handshake. `sessionId` 0: there is no such session. */
export interface Greeting {
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Uint8Array;
  /** Bytes of the frame without its length: 37 with the field `readOnly`, 36 without. */
  readonly frameBytes: number;
}

/** A reply: its header, and a body to decode. */
export class Reply {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  readonly body: Uint8Array;

  constructor(frame: Uint8Array) {
    const reader = new JuteReader(frame);
    const { xid, zxid, err } = replyHeader.read(reader);
    this.xid = xid;
    this.zxid = Number(zxid);
    this.err = err;
    this.body = frame.subarray(reader.position);
  }

  as<T>(codec: Codec<T>): T {
    if (this.err !== 0) throw new Error(`a reply with error ${this.err} has no body`);
    return decode(codec, this.body);
  }
}

/** A notification. */
export interface Notification {
  readonly type: number;
  readonly path: string;
  readonly zxid: number;
}

/** What a handshake may say. */
export interface HandshakeOptions {
  readonly timeoutMs?: number;
  readonly lastZxidSeen?: bigint;
  readonly sessionId?: bigint;
  readonly password?: Uint8Array | null;
  /** Null: the field is left out, as old clients do. */
  readonly readOnly?: boolean | null;
}

/** Puts a length in front. */
export function frameOf(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  writeInt32(frame, 0, payload.length);
  frame.set(payload, 4);
  return frame;
}

/** A ConnectRequest, with its length. */
export function handshakeFrame(options: HandshakeOptions = {}): Uint8Array {
  const { readOnly = false } = options;
  const record = encode(connectRequest, {
    protocolVersion: 0,
    lastZxidSeen: options.lastZxidSeen ?? 0n,
    timeOut: options.timeoutMs ?? 10_000,
    sessionId: options.sessionId ?? 0n,
    passwd: options.password === undefined ? NO_PASSWORD : options.password,
  });
  const field = readOnly === null ? new Uint8Array(0) : encode(readOnlyField, { readOnly });
  return frameOf(Buffer.concat([record, field]));
}

/** A request, with its length. */
export function requestFrame(xid: number, { type, body }: Request): Uint8Array {
  const payload = new Uint8Array(8 + body.length);
  writeInt32(payload, 0, xid);
  writeInt32(payload, 4, type);
  payload.set(body, 8);
  return frameOf(payload);
}

/** A client that speaks in frames, keeps every byte apart, and helps nobody. */
export class WireClient {
  greeting: Greeting | null = null;
  private readonly frames = new FrameReader(FRAME_BYTES_MAX);
  private readonly inbox: Uint8Array[] = [];
  private nextXid = 1;

  constructor(
    readonly world: Pick<ServerWorld, 'reach'>,
    readonly link: DirectLink,
  ) {
    link.whenReceived((bytes) => this.take(bytes));
  }

  get isClosed(): boolean {
    return this.link.isClosed;
  }

  /** Frames that have come and were not looked at. */
  get pending(): number {
    return this.inbox.length;
  }

  /** Sends requests in one chunk; returns their xids. */
  send(...requests: readonly Request[]): number[] {
    const xids = requests.map(({ type }) => SPECIAL_XIDS.get(type) ?? this.nextXid++);
    this.link.send(Buffer.concat(requests.map((request, i) => requestFrame(xids[i]!, request))));
    return xids;
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.link.send(bytes);
  }

  /** Lets time pass until a frame is there, and takes it. */
  async frame(): Promise<Uint8Array> {
    await this.world.reach(() => this.inbox.length > 0);
    return this.inbox.shift()!;
  }

  /** Takes every frame that is there. */
  takeFrames(): Uint8Array[] {
    return this.inbox.splice(0);
  }

  /** The next frame as a reply; events that come before it are an error. */
  async reply(): Promise<Reply> {
    const reply = new Reply(await this.frame());
    if (reply.xid === Xid.notification) throw new Error('an event where a reply was expected');
    return reply;
  }

  async replies(count: number): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count) replies.push(await this.reply());
    return replies;
  }

  /** Sends a request and takes its reply, which must be the next frame. */
  async call(request: Request): Promise<Reply> {
    const [xid] = this.send(request);
    const reply = await this.reply();
    if (reply.xid !== xid) throw new Error(`a reply to ${reply.xid} instead of ${xid}`);
    return reply;
  }

  /** As {@link call}, for what must succeed. */
  async done(request: Request): Promise<Reply> {
    const reply = await this.call(request);
    if (reply.err !== 0) throw new Error(`operation ${request.type} failed with ${reply.err}`);
    return reply;
  }

  /** The next frame as an event. */
  async event(): Promise<Notification> {
    const reply = new Reply(await this.frame());
    if (reply.xid !== Xid.notification) throw new Error(`a reply to ${reply.xid} and no event`);
    const { type, path } = reply.as(watcherEvent);
    return { type, path, zxid: reply.zxid };
  }

  /** Sends a handshake without waiting. */
  offer(options: HandshakeOptions = {}): void {
    this.link.send(handshakeFrame(options));
  }

  /** Takes the answer to a handshake. */
  async greeted(): Promise<Greeting> {
    const frame = await this.frame();
    const { timeOut, sessionId, passwd } = decode(connectResponse, frame);
    this.greeting = {
      timeoutMs: timeOut,
      sessionId,
      password: passwd ?? NO_PASSWORD,
      frameBytes: frame.length,
    };
    return this.greeting;
  }

  async handshake(options: HandshakeOptions = {}): Promise<Greeting> {
    this.offer(options);
    return this.greeted();
  }

  /** Lets time pass until the server closes. */
  async closed(): Promise<void> {
    await this.world.reach(() => this.isClosed);
  }

  /** What takes this client's session up again. */
  get credentials(): { sessionId: bigint; password: Uint8Array } {
    if (this.greeting === null) throw new Error('there was no handshake');
    const { sessionId, password } = this.greeting;
    return { sessionId, password };
  }

  private take(bytes: Uint8Array): void {
    this.frames.push(bytes, 0, bytes.length, {
      onFrame: (chunk, start, end) => {
        this.inbox.push(chunk.slice(start, end));
        return true;
      },
    });
  }
}

/** The type of a frame that is no handshake: -1 in the xid marks an event. */
export function isEvent(frame: Uint8Array): boolean {
  return readInt32(frame, 0) === Xid.notification;
}
