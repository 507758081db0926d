import { readInt32, writeInt32, type ByteStream, type StreamHandler } from '@aviary/foundation';
import { NodeNetwork } from '@aviary/host';
import { JuteWriter, type Codec } from '@aviary/jute';
import {
  FrameReader,
  OPEN_ACL,
  OpCode,
  connectRequest,
  createRequest,
  pathWatchRequest,
  readOnlyField,
  setDataRequest,
  type FrameSink,
} from '@aviary/protocol';
import { LatencyHistogram } from './latency-histogram.js';

/** What a run of the load does. */
export interface Load {
  readonly connections: number;
  /** Requests that each connection keeps in flight. */
  readonly depth: number;
  /** Of 100 requests so many are reads. */
  readonly readPercent: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

/** What a run measured. */
export interface LoadResult {
  readonly operationsPerSecond: number;
  readonly latency: LatencyHistogram;
  /** Replies with an error code, or out of order. */
  readonly errors: number;
}

const KEYS = 1000;
const VALUE_BYTES = 100;
const PARENT = '/aviary-bench';
const SESSION_TIMEOUT_MS = 30_000;
const XID_AT = 4;
const FRAME_MAX = 1 << 22;

function frame<T>(type: number, codec: Codec<T>, body: T): Uint8Array {
  const writer = new JuteWriter();
  writer.int(0);
  writer.int(0);
  writer.int(type);
  codec.write(writer, body);
  const bytes = writer.take();
  writeInt32(bytes, 0, bytes.length - 4);
  return bytes;
}

const value = new Uint8Array(VALUE_BYTES).fill(0x78);
const keyOf = (key: number) => `${PARENT}/k${String(key).padStart(7, '0')}`;

/** Requests as they go out, but for the xid: making them is not what is measured. */
const reads: Uint8Array[] = [];
const writes: Uint8Array[] = [];
for (let key = 0; key < KEYS; key++) {
  const path = keyOf(key);
  reads.push(frame(OpCode.getData, pathWatchRequest, { path, watch: false }));
  writes.push(frame(OpCode.setData, setDataRequest, { path, data: value, version: -1 }));
}

/** One session that keeps a number of requests in flight and answers every reply with the next. */
class LoadConnection implements StreamHandler, FrameSink {
  errors = 0;
  completed = 0;
  latency: LatencyHistogram | null = null;
  closed = false;

  private stream: ByteStream | null = null;
  private readonly frames = new FrameReader(FRAME_MAX);
  private isOpen = false;
  private onOpen: () => void = () => undefined;
  private expected = 1;
  private nextXid = 1;
  private readonly sentMs: Float64Array;
  private out: Uint8Array[] = [];
  private make: (() => Uint8Array) | null = null;
  private onReply: ((err: number) => void) | null = null;

  constructor(depth: number) {
    this.sentMs = new Float64Array(Math.max(depth, 1));
  }

  async open(host: string, port: number): Promise<void> {
    const stream = await new NodeNetwork().connect({ address: host, port }, 10_000);
    this.stream = stream;
    stream.start(this);
    const hello = new JuteWriter();
    hello.int(0);
    connectRequest.write(hello, {
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: SESSION_TIMEOUT_MS,
      sessionId: 0n,
      passwd: new Uint8Array(16),
    });
    readOnlyField.write(hello, { readOnly: false });
    hello.intAt(0, hello.position - 4);
    stream.write(hello.take());
    await new Promise<void>((done) => (this.onOpen = done));
  }

  /** Sends one request and resolves with the error code of its reply. */
  ask(request: Uint8Array): Promise<number> {
    return new Promise((done) => {
      this.onReply = done;
      this.send(request);
      this.flush();
    });
  }

  /** Keeps `depth` requests in flight from now on. */
  run(make: () => Uint8Array): void {
    this.onReply = null;
    this.make = make;
    for (let i = 0; i < this.sentMs.length; i++) this.send(make());
    this.flush();
  }

  stop(): void {
    this.make = null;
    this.stream?.destroy();
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.frames.push(bytes, start, end, this);
    this.flush();
  }

  onDrained(): void {
    // Requests in flight are bounded by the depth: nothing gathers.
  }

  onClosed(): void {
    this.closed = true;
  }

  onFrame(bytes: Uint8Array, start: number): boolean {
    if (!this.isOpen) {
      this.isOpen = true;
      this.onOpen();
      return true;
    }
    const xid = readInt32(bytes, start);
    const err = readInt32(bytes, start + 12);
    if (xid !== this.expected) this.errors++;
    const slot = this.expected++ % this.sentMs.length;
    if (this.onReply !== null) {
      this.onReply(err);
      return true;
    }
    if (err !== 0) this.errors++;
    this.completed++;
    this.latency?.note(performance.now() - (this.sentMs[slot] ?? 0));
    if (this.make !== null) this.send(this.make());
    return true;
  }

  private send(request: Uint8Array): void {
    const xid = this.nextXid++;
    const sent = request.slice();
    writeInt32(sent, XID_AT, xid);
    this.sentMs[xid % this.sentMs.length] = performance.now();
    this.out.push(sent);
  }

  private flush(): void {
    if (this.out.length === 0) return;
    this.stream?.write(this.out.length === 1 ? this.out[0]! : Buffer.concat(this.out));
    this.out = [];
  }
}

/** Creates the keys that the load reads and writes, where they are missing. */
export async function prepareKeys(host: string, port: number): Promise<void> {
  const connection = new LoadConnection(1);
  await connection.open(host, port);
  const acl = OPEN_ACL;
  const paths = [PARENT, ...Array.from({ length: KEYS }, (_, key) => keyOf(key))];
  for (const path of paths) {
    await connection.ask(frame(OpCode.create, createRequest, { path, data: value, acl, flags: 0 }));
  }
  connection.stop();
}

/** Puts a server under a closed-loop load and measures it. */
export async function runLoad(host: string, port: number, load: Load): Promise<LoadResult> {
  const connections = Array.from(
    { length: load.connections },
    () => new LoadConnection(load.depth),
  );
  for (const connection of connections) await connection.open(host, port);
  let turn = 0;
  const make = () => {
    const key = (turn * 7919) % KEYS;
    const isRead = turn++ % 100 < load.readPercent;
    return ((isRead ? reads : writes)[key] ?? reads[0])!;
  };
  for (const connection of connections) connection.run(make);
  await pause(load.warmUpMs);
  const latency = new LatencyHistogram();
  for (const connection of connections) {
    connection.completed = 0;
    connection.latency = latency;
  }
  const startedMs = performance.now();
  await pause(load.measuredMs);
  const seconds = (performance.now() - startedMs) / 1000;
  const completed = connections.reduce((sum, connection) => sum + connection.completed, 0);
  const broken = connections.filter((connection) => connection.closed).length;
  const errors = connections.reduce((sum, connection) => sum + connection.errors, broken);
  for (const connection of connections) connection.stop();
  return { operationsPerSecond: completed / seconds, latency, errors };
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
