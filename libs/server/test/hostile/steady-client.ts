import type { ByteStream, StreamHandler } from '@aviary/foundation';
import { JuteReader, decode } from '@aviary/jute';
import {
  ErrorCode,
  FrameReader,
  connectResponse,
  replyHeader,
  type FrameSink,
} from '@aviary/protocol';
import type { SimulatedProcess } from '@aviary/simulator';
import { create, getData, setData, type Request } from '../requests.js';
import { handshakeFrame, requestFrame } from '../wire-client.js';

const CONNECT_MS = 5000;
const REST_MS = 20;
const NODE = '/steady';

/**
 * A well-behaved client: it writes a number, reads it back and compares, over and over, and notes
 * whatever should not happen to it.
 */
export class SteadyClient implements StreamHandler, FrameSink {
  readonly complaints: string[] = [];
  rounds = 0;
  sessionId = 0n;
  /** The longest that it had to wait for an answer. */
  slowestMs = 0;
  private stream: ByteStream | null = null;
  private readonly frames = new FrameReader(0x7fff_ffff);
  private isGreeted = false;
  private isOver = false;
  private xid = 0;
  private askedMs = 0;
  private asked: 'create' | 'set' | 'get' = 'create';

  constructor(
    private readonly process: SimulatedProcess,
    private readonly target: { readonly address: string; readonly port: number },
  ) {}

  begin(): void {
    this.process.network.connect(this.target, CONNECT_MS).then(
      (stream) => {
        this.stream = stream;
        stream.start(this);
        stream.write(handshakeFrame({ timeoutMs: 4000 }));
      },
      (error: unknown) => this.complaints.push(String(error)),
    );
  }

  /** The last of its rounds ends; no more is asked. */
  rest(): void {
    this.isOver = true;
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.frames.push(bytes, start, end, this) !== null) this.complaints.push('a broken frame');
  }

  onDrained(): void {
    // Its requests are small and few.
  }

  onClosed(): void {
    this.complaints.push('the connection was closed');
  }

  onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isGreeted) {
      this.isGreeted = true;
      this.sessionId = decode(connectResponse, bytes.slice(start, end)).sessionId;
      this.ask(create(NODE), 'create');
      return true;
    }
    const reader = new JuteReader(bytes, start, end);
    const { xid, err } = replyHeader.read(reader);
    this.slowestMs = Math.max(this.slowestMs, this.process.clock.monotonicMs() - this.askedMs);
    if (xid !== this.xid) this.complaints.push(`reply ${xid} in place of ${this.xid}`);
    if (err !== ErrorCode.ok) this.complaints.push(`${this.asked} failed with ${err}`);
    else if (this.asked === 'get') this.compare(Buffer.from(reader.buffer() ?? []).toString());
    this.goOn();
    return true;
  }

  private compare(value: string): void {
    if (value !== String(this.rounds)) this.complaints.push(`${value} in place of ${this.rounds}`);
  }

  private goOn(): void {
    if (this.asked === 'set') {
      this.ask(getData(NODE), 'get');
      return;
    }
    if (this.isOver) return;
    this.rounds++;
    this.process.clock.setTimer(REST_MS, () => this.ask(setData(NODE, String(this.rounds)), 'set'));
  }

  private ask(request: Request, asked: 'create' | 'set' | 'get'): void {
    this.asked = asked;
    this.askedMs = this.process.clock.monotonicMs();
    this.stream?.write(requestFrame(++this.xid, request));
  }
}
