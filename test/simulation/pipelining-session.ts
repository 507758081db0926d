import { assert, type ByteStream, type StreamHandler } from '@aviary/foundation';
import { JuteReader, JuteWriter, type Codec } from '@aviary/jute';
import {
  FrameReader,
  OpCode,
  connectRequest,
  connectResponse,
  getDataResponse,
  pathWatchRequest,
  readOnlyField,
  replyHeader,
  setDataRequest,
  statResponse,
  syncRequest,
  watcherEvent,
  type FrameSink,
} from '@aviary/protocol';
import type {
  PendingRegisterRead,
  PendingRegisterWrite,
  PendingWrite,
  SessionEntry,
  SimulatedProcess,
} from '@aviary/simulator';
import { KEYS, type Histories } from './register-client.js';

const TIMEOUT_MS = 2000;
const RETRY_MS = 100;
const SILENCE_MS = 1500;
const REST_MS_MAX = 60;
const IN_FLIGHT = 12;
const NO_PASSWORD = new Uint8Array(16);

/** A request that waits for its reply. */
interface Sent {
  readonly xid: number;
  readonly request: number;
  readonly key: string;
  readonly watches: boolean;
  readonly isSync: boolean;
  /** What the histories are told when the reply comes; of a read the first two are null. */
  readonly register: PendingRegisterWrite | null;
  readonly write: PendingWrite | null;
  readonly read: PendingRegisterRead | null;
}

/** How a session goes about its requests. */
export interface PipeliningHabits {
  /** Whether a read shows the newest state only behind a sync: there are many servers. */
  readonly syncs?: boolean;
  /** How long it says nothing at most between two bursts. */
  readonly restMsMax?: number;
}

/**
 * A session that speaks the protocol by itself, with a dozen requests in flight, and notes every
 * reply and event in the order in which they come: what the server promises to one session cannot be
 * seen through a client that keeps those promises itself.
 */
export class PipeliningSession implements StreamHandler, FrameSink {
  /** What the present session saw; a new session begins a new list. */
  entries: SessionEntry[] = [];
  /** What each session saw that is over. */
  readonly finished: SessionEntry[][] = [];
  /** Replies to requests that nobody made, or out of their order. */
  readonly breaches: string[] = [];

  private stream: ByteStream | null = null;
  private frames = new FrameReader(1 << 20);
  private isConnected = false;
  private sessionId = 0n;
  private password: Uint8Array = NO_PASSWORD;
  private lastZxid = 0n;
  private sent: Sent[] = [];
  private requests = 0;
  private xid = 0;
  private chunks = 0;
  private isResting = false;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly histories: Histories,
    private readonly habits: PipeliningHabits = {},
  ) {
    process.run(() => this.connect());
  }

  private connect(): void {
    const { network, clock } = this.process;
    network
      .resolve('server')
      .then((addresses) =>
        network.connect({ address: this.chosen(addresses), port: 2181 }, TIMEOUT_MS),
      )
      .then(
        (stream) => this.greet(stream),
        () => clock.setTimer(RETRY_MS, () => this.connect()),
      );
  }

  /** Which server is tried next. */
  private chosen(addresses: readonly string[]): string {
    if (addresses.length < 2) return addresses[0] ?? '';
    return addresses[this.process.random.uint32() % addresses.length] ?? '';
  }

  /** Gives up a connection on which nothing comes: the server may be gone without a word. */
  private watchSilence(stream: ByteStream): void {
    const heard = this.chunks;
    this.process.clock.setTimer(SILENCE_MS, () => {
      if (this.stream !== stream) return;
      if (this.chunks === heard) stream.destroy();
      else this.watchSilence(stream);
    });
  }

  private greet(stream: ByteStream): void {
    this.stream = stream;
    this.watchSilence(stream);
    this.frames = new FrameReader(1 << 20);
    this.isConnected = false;
    this.sent = [];
    stream.start(this);
    const hello = new JuteWriter();
    connectRequest.write(hello, {
      protocolVersion: 0,
      lastZxidSeen: this.lastZxid,
      timeOut: TIMEOUT_MS,
      sessionId: this.sessionId,
      passwd: this.password,
    });
    readOnlyField.write(hello, { readOnly: false });
    this.sendFrame(hello.take());
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.chunks++;
    const fault = this.frames.push(bytes, start, end, this);
    if (fault !== null) this.breaches.push(`a frame of ${fault.announcedBytes} bytes`);
    if (this.isConnected && this.sent.length === 0) this.sendBurst();
  }

  /** Many requests in one turn, then nothing until all are answered and a moment has passed. */
  private sendBurst(): void {
    if (this.isResting) return;
    this.isResting = true;
    this.process.clock.setTimer(
      this.process.random.uint32() % (this.habits.restMsMax ?? REST_MS_MAX),
      () => {
        this.isResting = false;
        if (!this.isConnected || this.stream === null) return;
        while (this.sent.length < IN_FLIGHT) this.sendNext();
      },
    );
  }

  onDrained(): void {
    // Requests are small and few: what the stream has queued does not matter.
  }

  onClosed(): void {
    this.stream = null;
    this.isConnected = false;
    // One-shot watches went with the connection, and are not set again.
    this.finished.push(this.entries);
    this.entries = [];
    this.process.clock.setTimer(RETRY_MS, () => this.connect());
  }

  onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    const reader = new JuteReader(bytes, start, end);
    if (this.isConnected) this.onReply(reader);
    else this.onGreeting(reader);
    return true;
  }

  private onGreeting(reader: JuteReader): void {
    const { timeOut, sessionId, passwd } = connectResponse.read(reader);
    if (timeOut <= 0) {
      this.sessionId = 0n;
      this.password = NO_PASSWORD;
      return;
    }
    if (this.sessionId !== 0n && this.sessionId !== sessionId) {
      this.breaches.push('a reconnect silently became another session');
    }
    this.sessionId = sessionId;
    this.password = passwd ?? NO_PASSWORD;
    this.isConnected = true;
  }

  private onReply(reader: JuteReader): void {
    const header = replyHeader.read(reader);
    if (header.xid === -1) {
      this.entries.push({ kind: 'event', key: watcherEvent.read(reader).path });
      return;
    }
    const sent = this.sent.shift();
    if (sent?.xid !== header.xid) {
      this.breaches.push(`reply ${header.xid} came where ${sent?.xid ?? 'none'} was due`);
      return;
    }
    if (header.zxid > this.lastZxid) this.lastZxid = header.zxid;
    this.note(sent, Number(header.zxid), header.err, reader);
  }

  private note(sent: Sent, zxid: number, err: number, reader: JuteReader): void {
    const reply = { kind: 'reply', request: sent.request, zxid } as const;
    if (err !== 0) {
      sent.register?.notApplied();
      sent.write?.notApplied();
      this.entries.push(reply);
      return;
    }
    this.histories.answered++;
    if (sent.isSync) {
      this.entries.push(reply);
      return;
    }
    const isWrite = sent.write !== null;
    const { data, stat } = isWrite
      ? { data: null, ...statResponse.read(reader) }
      : getDataResponse.read(reader);
    sent.register?.applied(stat.version);
    sent.write?.acknowledged(Number(stat.mzxid));
    sent.read?.returned(stat.version, new TextDecoder().decode(data ?? new Uint8Array(0)));
    const observed = { key: sent.key, zxid: Number(stat.mzxid) };
    const entry = { ...reply, isWrite, observed };
    this.entries.push(sent.watches ? { ...entry, watch: sent.key } : entry);
  }

  private sendNext(): void {
    const { random } = this.process;
    const key = KEYS[random.uint32() % KEYS.length];
    assert(key !== undefined, 'there are keys');
    const isWrite = random.uint32() % 3 === 0;
    const watches = !isWrite && random.uint32() % 4 === 0;
    const xid = ++this.xid;
    const request = ++this.requests;
    const { registers, writes } = this.histories;
    if (!isWrite) {
      this.sendRead(xid, request, key, watches);
      return;
    }
    const value = `${this.process.host.name}-${request}`;
    const register = registers.write(key, value);
    const write = writes.begin(key, value);
    this.sent.push({ xid, request, key, watches, register, write, read: null, isSync: false });
    const data = new TextEncoder().encode(value);
    this.send(xid, OpCode.setData, setDataRequest, { path: key, data, version: -1 });
  }

  /** A read that must be newest, or, of many servers, one that may be old if no sync goes before. */
  private sendRead(firstXid: number, firstRequest: number, key: string, watches: boolean): void {
    let [xid, request] = [firstXid, firstRequest];
    const isNewest = this.habits.syncs !== true || this.process.random.uint32() % 2 === 0;
    const read = isNewest ? this.histories.registers.read(key) : null;
    const blank = { key, register: null, write: null };
    if (this.habits.syncs === true && isNewest) {
      this.sent.push({ ...blank, xid, request, watches: false, read: null, isSync: true });
      this.send(xid, OpCode.sync, syncRequest, { path: key });
      xid = ++this.xid;
      request = ++this.requests;
    }
    this.sent.push({ ...blank, xid, request, watches, read, isSync: false });
    this.send(xid, OpCode.getData, pathWatchRequest, { path: key, watch: watches });
  }

  private send<T>(xid: number, type: number, codec: Codec<T>, body: T): void {
    const writer = new JuteWriter();
    writer.int(xid);
    writer.int(type);
    codec.write(writer, body);
    this.sendFrame(writer.take());
  }

  private sendFrame(payload: Uint8Array): void {
    const writer = new JuteWriter();
    writer.buffer(payload);
    this.stream?.write(writer.take());
  }
}
