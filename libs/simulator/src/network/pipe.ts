import { fingerprint } from '../fingerprint.js';
import type { SimulatedEvent } from '../time/event-queue.js';
import type { Fabric } from './fabric.js';
import { retransmitUs } from './network-model.js';
import type { SimulatedStream } from './simulated-stream.js';

/** What travels in order: bytes, or one of the two marks at the ends of a direction. */
export type Cargo = Uint8Array | 'open' | 'fin';

interface Segment {
  readonly arrivesAtUs: number;
  readonly bytes: Cargo;
}

interface QueuedBuffer {
  readonly bytes: Uint8Array;
  readonly fingerprint: number;
  taken: number;
}

/** At most so many segments are made of one write that is cut. */
const CUTS_MAX = 4;

/**
 * One direction of a connection: the sender's queue, the kernels and the wire between them.
 *
 * Bytes go from the queue (the process's memory) to the kernel as far as the window allows, then
 * travel in segments that arrive in order. They occupy the window until the reader has read them
 * and an acknowledgement came back over the reverse link.
 */
export class Pipe {
  private readonly fabric: Fabric;
  private readonly sender: SimulatedStream;
  private readonly receiver: SimulatedStream;

  private readonly queue: QueuedBuffer[] = [];
  private waitingBytes = 0;
  private occupiedBytes = 0;
  private pumpIsDue = false;
  private finish: 'no' | 'afterQueue' | 'sent' = 'no';

  private wire: Segment[] = [];
  private lastArrivalUs = 0;
  private wireIsFreeAtUs = 0;
  private arrival: SimulatedEvent | null = null;
  private silentSinceUs: number | null = null;
  private retries = 0;

  private arrived: Uint8Array[] = [];
  private arrivedUnread = 0;
  private finArrived = false;
  private unacknowledged = 0;
  private ackIsDue = false;
  private unheardSinceUs = 0;
  private isDead = false;

  constructor(fabric: Fabric, sender: SimulatedStream, receiver: SimulatedStream) {
    this.fabric = fabric;
    this.sender = sender;
    this.receiver = receiver;
  }

  /** Bytes that the sender's kernel has not taken. */
  get queuedBytes(): number {
    return this.waitingBytes;
  }

  /** Bytes that lie in the receiver's kernel. */
  get unreadBytes(): number {
    return this.arrivedUnread;
  }

  /** Whether the reader has something to learn: bytes or the end. */
  get isReadable(): boolean {
    return this.arrivedUnread > 0 || this.finArrived;
  }

  /** Whether the end has arrived and all before it was read. */
  get isAtEnd(): boolean {
    return this.finArrived && this.arrivedUnread === 0;
  }

  /** Whether the end was sent, after everything else. */
  get isFinished(): boolean {
    return this.finish === 'sent';
  }

  /** Sends the mark that makes the server accept. */
  open(): void {
    this.transmit('open');
  }

  /** @returns true: the kernel has all of `bytes`. false: they are queued. */
  write(bytes: Uint8Array): boolean {
    if (this.isDead || bytes.length === 0) return true;
    const { model, random } = this.fabric;
    const fits = this.occupiedBytes + bytes.length <= model.windowBytes;
    if (fits && this.queue.length === 0 && !random.chance(model.deferProbability)) {
      this.transmitCut(new Uint8Array(bytes));
      return true;
    }
    this.queue.push({ bytes, fingerprint: fingerprint(bytes), taken: 0 });
    this.waitingBytes += bytes.length;
    this.pumpSoon();
    return false;
  }

  /** Sends the end after what is queued. */
  end(): void {
    if (this.finish !== 'no') return;
    this.finish = 'afterQueue';
    this.finishIfFlushed();
  }

  /** Drops the queue and sends the end after what the kernel has taken. */
  endWithoutQueue(): void {
    this.dropQueue();
    if (this.finish === 'sent') return;
    this.finish = 'afterQueue';
    this.finishIfFlushed();
  }

  /** Drops what has not arrived, and all that is written from now on. */
  discardUnsent(): void {
    this.isDead = true;
    this.dropQueue();
    this.wire = [];
    if (this.arrival !== null) this.fabric.timeline.cancel(this.arrival);
    this.arrival = null;
  }

  /** Drops what has arrived and was not read. */
  discardUnread(): void {
    this.arrived = [];
    this.arrivedUnread = 0;
  }

  /** Moves up to `limit` arrived bytes to `into` at `offset`. @returns How many. */
  read(into: Uint8Array, offset: number, limit: number): number {
    let filled = 0;
    while (filled < limit) {
      const first = this.arrived[0];
      if (first === undefined) break;
      const length = Math.min(first.length, limit - filled);
      into.set(length < first.length ? first.subarray(0, length) : first, offset + filled);
      filled += length;
      if (length === first.length) this.arrived.shift();
      else this.arrived[0] = first.subarray(length);
    }
    this.arrivedUnread -= filled;
    this.acknowledge(filled);
    return filled;
  }

  private dropQueue(): void {
    this.queue.length = 0;
    this.waitingBytes = 0;
  }

  private pumpSoon(): void {
    if (this.pumpIsDue) return;
    this.pumpIsDue = true;
    this.fabric.timeline.schedule(1, null, () => {
      this.pumpIsDue = false;
      this.pump();
    });
  }

  /** Moves queued bytes to the kernel as far as there is room. */
  private pump(): void {
    const hadQueue = this.queue.length > 0;
    for (let head = this.queue[0]; head !== undefined; head = this.queue[0]) {
      const room = this.fabric.model.windowBytes - this.occupiedBytes;
      if (room <= 0) return;
      const length = Math.min(room, head.bytes.length - head.taken);
      const part = head.bytes.subarray(head.taken, head.taken + length);
      this.transmitCut(new Uint8Array(part));
      head.taken += length;
      this.waitingBytes -= length;
      if (head.taken < head.bytes.length) continue;
      this.queue.shift();
      if (fingerprint(head.bytes) !== head.fingerprint) {
        this.fabric.timeline.misuse('a buffer that a stream had kept was changed before it left');
      }
    }
    if (hadQueue) this.sender.onFlushed();
    this.finishIfFlushed();
  }

  private finishIfFlushed(): void {
    if (this.finish !== 'afterQueue' || this.queue.length > 0) return;
    this.finish = 'sent';
    this.transmit('fin');
    this.sender.onFinished();
  }

  private transmitCut(bytes: Uint8Array): void {
    const { model, random } = this.fabric;
    this.occupiedBytes += bytes.length;
    let rest = bytes;
    if (random.chance(model.cutProbability)) {
      for (let cuts = random.between(1, CUTS_MAX - 1); cuts > 0 && rest.length > 1; cuts--) {
        const length = random.between(1, rest.length - 1);
        this.transmit(rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    }
    this.transmit(rest);
  }

  private transmit(bytes: Cargo): void {
    if (this.isDead) return;
    const { fabric } = this;
    const link = fabric.links.modelOf(this.sender.host, this.receiver.host);
    const nowUs = fabric.timeline.nowUs;
    const length = typeof bytes === 'string' ? 0 : bytes.length;
    const sendUs = Math.ceil((length * 1_000_000) / link.bytesPerSecond);
    this.wireIsFreeAtUs = Math.max(this.wireIsFreeAtUs, nowUs) + sendUs;
    let atUs = this.wireIsFreeAtUs + fabric.delayUs(this.sender.host, this.receiver.host);
    if (fabric.random.chance(link.lossProbability)) atUs += retransmitUs(fabric.model, 0);
    this.lastArrivalUs = Math.max(this.lastArrivalUs, atUs);
    this.wire.push({ arrivesAtUs: this.lastArrivalUs, bytes });
    if (this.arrival === null) this.awaitArrival(this.lastArrivalUs - nowUs);
  }

  private awaitArrival(delayUs: number): void {
    this.arrival = this.fabric.timeline.schedule(Math.max(0, delayUs), null, () => {
      this.arrival = null;
      this.arrive();
    });
  }

  /** Brings what is due to the receiver's kernel. */
  private arrive(): void {
    const nowUs = this.fabric.timeline.nowUs;
    if (!this.fabric.canReach(this.sender.host, this.receiver.host)) {
      this.repeatLater(() => this.arrive());
      return;
    }
    this.silentSinceUs = null;
    this.retries = 0;
    let isNews = false;
    for (let head = this.wire[0]; head !== undefined; head = this.wire[0]) {
      if (head.arrivesAtUs > nowUs) break;
      if (!this.receiver.takesSegment(head.bytes)) {
        this.wire = [];
        this.fabric.sendReset(this.receiver.host, this.sender);
        return;
      }
      this.wire.shift();
      isNews = this.take(head.bytes) || isNews;
    }
    if (isNews) this.receiver.onReadable();
    const next = this.wire[0];
    if (next !== undefined) this.awaitArrival(next.arrivesAtUs - nowUs);
  }

  /** @returns Whether the reader has something new. */
  private take(bytes: Cargo): boolean {
    if (bytes === 'open') {
      this.receiver.onOpened();
      return false;
    }
    if (bytes === 'fin') {
      this.finArrived = true;
      return true;
    }
    this.arrived.push(bytes);
    this.arrivedUnread += bytes.length;
    return true;
  }

  /** Tries again as TCP does, ever more slowly, until the sender's kernel gives up. */
  private repeatLater(again: () => void): void {
    const { timeline, model } = this.fabric;
    this.silentSinceUs ??= timeline.nowUs;
    if (timeline.nowUs - this.silentSinceUs >= model.giveUpMs * 1000) {
      this.sender.onBroken('ETIMEDOUT');
      return;
    }
    this.arrival = timeline.schedule(retransmitUs(model, this.retries++), null, () => {
      this.arrival = null;
      again();
    });
  }

  /** The reader has read: the window opens once the news of it is back at the sender. */
  private acknowledge(length: number): void {
    this.unacknowledged += length;
    if (this.ackIsDue || length === 0) return;
    this.ackIsDue = true;
    this.scheduleAck(this.fabric.delayUs(this.receiver.host, this.sender.host), 0);
  }

  private scheduleAck(delayUs: number, tries: number): void {
    this.fabric.timeline.schedule(delayUs, null, () => {
      if (this.isDead) return;
      if (!this.fabric.canReach(this.receiver.host, this.sender.host)) {
        this.repeatAck(tries);
        return;
      }
      this.ackIsDue = false;
      this.occupiedBytes -= this.unacknowledged;
      this.unacknowledged = 0;
      this.pump();
    });
  }

  private repeatAck(tries: number): void {
    const { timeline, model } = this.fabric;
    if (tries === 0) this.unheardSinceUs = timeline.nowUs;
    if (timeline.nowUs - this.unheardSinceUs >= model.giveUpMs * 1000) {
      this.sender.onBroken('ETIMEDOUT');
    } else {
      this.scheduleAck(retransmitUs(model, tries), tries + 1);
    }
  }
}
