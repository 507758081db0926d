import { readInt32, type Zxid } from '@aviary/foundation';
import { quorumPacketTypeName } from './packet-types.js';
import { PeerWireError } from './peer-wire-error.js';
import { readZxid } from './wide-integers.js';

/**
 * A packet where it came: `zookeeper.jute`, module org.apache.zookeeper.server.quorum, class
 * QuorumPacket. Bodies are read by the functions of `packet-bodies.ts`.
 */
export interface QuorumPacket {
  readonly type: number;
  /** -1 where the type has none. */
  readonly zxid: Zxid;
  readonly bytes: Uint8Array;
  /** The whole packet is `bytes[start..end)`: to be handed on as it is. */
  readonly start: number;
  readonly end: number;
  /** Null and empty data are different values. */
  readonly isDataNull: boolean;
  /** The data is `bytes[dataStart..dataEnd)`. */
  readonly dataStart: number;
  readonly dataEnd: number;
}

/** What a {@link QuorumPacketReader} hands packets to. */
export interface QuorumPacketSink {
  /**
   * One whole packet, good for this call only: the reader uses the object and its bytes again.
   * Returns false to stop: the rest of the chunk, from `stoppedAt` on, is then not looked at.
   */
  onPacket(packet: QuorumPacket): boolean;
}

/** Type, zxid, length of the data. */
const HEAD_BYTES = 16;
const COUNT_BYTES = 4;
/** Two lengths. */
const ID_BYTES_MIN = 8;
const HELD_BYTES_MIN = 512;
/** A larger buffer goes when its packet is done: one long transaction should not cost for ever. */
const HELD_BYTES_KEPT_MAX = 64 * 1024;

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What the bytes up to `needed` end with; `end`: they are the packet. */
type Stage = 'head' | 'authinfoCount' | 'authinfoStringLength' | 'end';

/**
 * Cuts a stream between leader and learner into packets. They have no length in front, so each is
 * followed from field to field.
 *
 * Packets inside a chunk are handed over in place, and nothing is allocated for them. The part of a
 * packet at the end of a chunk is copied, into a buffer that grows as its bytes arrive and never
 * ahead of them, so that an announced length costs nothing.
 *
 * The bytes of a snapshot stand between a SNAP packet and the next one. Who expects them stops at
 * that packet, gives what is behind `stoppedAt` to a reader of snapshots, which alone can tell where
 * they end, and pushes here again from there on.
 */
export class QuorumPacketReader {
  /** A started packet, valid up to `heldLength`. Invariant: between packets `heldLength` is 0. */
  private held: Uint8Array = NO_BYTES;
  private heldLength = 0;

  private stage: Stage = 'head';
  /** Bytes of the packet, from its start, that have to be there for the next look. */
  private needed = HEAD_BYTES;
  private dataLength = 0;
  private stringsLeft = 0;

  private readonly packet = {
    type: 0,
    zxid: 0,
    bytes: NO_BYTES,
    start: 0,
    end: 0,
    isDataNull: true,
    dataStart: 0,
    dataEnd: 0,
  };

  private fault: PeerWireError | null = null;

  /** Up to where the last chunk was used when the sink stopped; else its end. */
  stoppedAt = 0;

  /**
   * @param dataBytesMax The longest data that is taken, in bytes; the same again is taken of authinfo.
   */
  constructor(readonly dataBytesMax: number) {}

  /** Bytes of a packet that has started and is not yet whole. */
  get heldBytes(): number {
    return this.heldLength;
  }

  /**
   * Takes `chunk[start..end)` and hands every packet that it completes to `sink`, in order.
   *
   * @throws {PeerWireError} What came is no packet, or a longer one than is taken. The packets before
   * it were handed over; the stream is of no use now, and every later call throws the same.
   */
  push(chunk: Uint8Array, start: number, end: number, sink: QuorumPacketSink): void {
    if (this.fault !== null) throw this.fault;
    let at = start;
    if (this.heldLength > 0) {
      at = this.completeHeld(chunk, start, end);
      if (!this.scan(this.held, 0, this.heldLength)) {
        this.stoppedAt = end;
        return;
      }
      if (!this.handOverHeld(sink)) {
        this.stoppedAt = at;
        return;
      }
    }
    while (this.scan(chunk, at, end)) {
      const from = at;
      at += this.needed;
      if (!this.handOver(chunk, from, sink)) {
        this.stoppedAt = at;
        return;
      }
    }
    if (at < end) this.hold(chunk, at, end);
    this.stoppedAt = end;
  }

  /** Moves bytes of `chunk` to the held packet until it is whole; returns where the rest starts. */
  private completeHeld(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.scan(this.held, 0, this.heldLength)) {
      const taken = Math.min(this.needed - this.heldLength, end - at);
      this.hold(chunk, at, at + taken);
      at += taken;
    }
    return at;
  }

  private hold(chunk: Uint8Array, start: number, end: number): void {
    const length = this.heldLength + end - start;
    if (this.held.length < length) {
      const grown = new Uint8Array(Math.max(length, HELD_BYTES_MIN, this.heldLength * 2));
      grown.set(this.held.subarray(0, this.heldLength));
      this.held = grown;
    }
    this.held.set(chunk.subarray(start, end), this.heldLength);
    this.heldLength = length;
  }

  private handOverHeld(sink: QuorumPacketSink): boolean {
    const { held } = this;
    this.heldLength = 0;
    if (held.length > HELD_BYTES_KEPT_MAX) this.held = NO_BYTES;
    return this.handOver(held, 0, sink);
  }

  private handOver(bytes: Uint8Array, start: number, sink: QuorumPacketSink): boolean {
    const { packet } = this;
    packet.type = readInt32(bytes, start);
    packet.zxid = this.zxidAt(bytes, start + 4);
    packet.bytes = bytes;
    packet.start = start;
    packet.end = start + this.needed;
    packet.isDataNull = this.dataLength < 0;
    packet.dataStart = start + HEAD_BYTES;
    packet.dataEnd = packet.dataStart + Math.max(0, this.dataLength);
    this.stage = 'head';
    this.needed = HEAD_BYTES;
    const goesOn = sink.onPacket(packet);
    packet.bytes = NO_BYTES;
    return goesOn;
  }

  private zxidAt(bytes: Uint8Array, at: number): Zxid {
    try {
      return readZxid(bytes, at);
    } catch (error) {
      if (error instanceof PeerWireError) this.fault = error;
      throw error;
    }
  }

  /** Follows the packet at `bytes[start..end)` as far as it goes; returns whether it is whole. */
  private scan(bytes: Uint8Array, start: number, end: number): boolean {
    while (this.stage !== 'end' && end - start >= this.needed) this.step(bytes, start);
    return end - start >= this.needed;
  }

  private step(bytes: Uint8Array, start: number): void {
    const number = readInt32(bytes, start + this.needed - 4);
    if (this.stage === 'head') this.takeDataLength(number, bytes, start);
    else if (this.stage === 'authinfoCount') this.takeIdCount(number, bytes, start);
    else this.takeStringLength(number, bytes, start);
  }

  private takeDataLength(length: number, bytes: Uint8Array, start: number): void {
    const isTooLong = length > this.dataBytesMax;
    if (length < -1 || isTooLong) this.refuse(`${length} bytes of data`, isTooLong, bytes, start);
    this.dataLength = length;
    this.needed += Math.max(0, length) + COUNT_BYTES;
    this.stage = 'authinfoCount';
  }

  private takeIdCount(count: number, bytes: Uint8Array, start: number): void {
    const isTooLong = count * ID_BYTES_MIN > this.dataBytesMax;
    if (count < -1 || isTooLong) this.refuse(`${count} ids`, isTooLong, bytes, start);
    this.stringsLeft = 2 * Math.max(0, count);
    this.followStrings();
  }

  private takeStringLength(length: number, bytes: Uint8Array, start: number): void {
    const authinfoStart = HEAD_BYTES + Math.max(0, this.dataLength) + COUNT_BYTES;
    const isTooLong = this.needed + length - authinfoStart > this.dataBytesMax;
    if (length < -1 || isTooLong) this.refuse(`${length} bytes of an id`, isTooLong, bytes, start);
    this.needed += Math.max(0, length);
    this.stringsLeft -= 1;
    this.followStrings();
  }

  private followStrings(): void {
    this.stage = this.stringsLeft === 0 ? 'end' : 'authinfoStringLength';
    if (this.stringsLeft > 0) this.needed += COUNT_BYTES;
  }

  private refuse(what: string, isTooLong: boolean, bytes: Uint8Array, start: number): never {
    const why = isTooLong
      ? `over the limit of ${this.dataBytesMax} bytes; set jute.maxbuffer to one value on all servers`
      : 'which no server says';
    const type = quorumPacketTypeName(readInt32(bytes, start));
    this.fault = new PeerWireError(`packet ${type} announces ${what}, ${why}`);
    throw this.fault;
  }
}
