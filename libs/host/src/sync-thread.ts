import type * as FileSystem from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';
import type * as Threads from 'node:worker_threads';

/** Slots of the control block. */
const REQUEST = 0; // counts requests; the thread sleeps on it
const REPLY = 1; // counts replies; the main thread waits on it without blocking
const FD = 2;
const BUFFER = 3; // which buffer, by the order of its registration
const OFFSET = 4;
const LENGTH = 5;
const POSITION_HIGH = 6; // position in the file, in two halves
const POSITION_LOW = 7;
const ERRNO = 8; // of the reply; 0: durable
const SLOTS = 16;

const STOP = -1;
/** What ERRNO says when the thread caught something that is no system error. */
const ERRNO_UNKNOWN = 1;

const slots = {
  REQUEST,
  REPLY,
  FD,
  BUFFER,
  OFFSET,
  LENGTH,
  HIGH: POSITION_HIGH,
  LOW: POSITION_LOW,
  ERRNO,
};

interface ThreadData {
  readonly control: Int32Array;
  readonly slots: typeof slots;
}

/**
 * The whole program of the thread. It is handed over as text, so it may use nothing but its
 * argument and what it requires itself.
 */
function syncLoop(require: NodeJS.Require): void {
  const threads = require('node:worker_threads') as typeof Threads;
  const { parentPort, receiveMessageOnPort } = threads;
  const { writeSync, fdatasyncSync } = require('node:fs') as typeof FileSystem;
  const { control, slots: s } = threads.workerData as ThreadData;
  const buffers: Uint8Array[] = [];
  const slot = (index: number): number => Atomics.load(control, index);
  const bufferAt = (index: number): Uint8Array => {
    for (;;) {
      const known = buffers.at(index);
      if (known !== undefined) return known;
      const received = parentPort ? receiveMessageOnPort(parentPort) : undefined;
      if (received) buffers.push(new Uint8Array(received.message as SharedArrayBuffer));
    }
  };
  const commit = (fd: number): void => {
    const bytes = bufferAt(slot(s.BUFFER));
    let offset = slot(s.OFFSET);
    let left = slot(s.LENGTH);
    let position = slot(s.HIGH) * 0x1_0000_0000 + (slot(s.LOW) >>> 0);
    while (left > 0) {
      const written = writeSync(fd, bytes, offset, left, position);
      offset += written;
      position += written;
      left -= written;
    }
    fdatasyncSync(fd);
  };
  let seen = 0;
  for (;;) {
    while (slot(s.REQUEST) === seen) Atomics.wait(control, s.REQUEST, seen);
    seen = slot(s.REQUEST);
    const fd = slot(s.FD);
    if (fd < 0) return;
    let errno = 0;
    try {
      commit(fd);
    } catch (error) {
      errno = (error as { errno?: number }).errno ?? 1;
    }
    control[s.ERRNO] = errno;
    Atomics.store(control, s.REPLY, seen);
    Atomics.notify(control, s.REPLY);
  }
}

/** Gets null, or the name of a system error and what else is known of it. */
export type SyncAnswer = (errorName: string | null, cause?: Error) => void;

/**
 * A thread that writes and syncs in one trip.
 *
 * Through libuv's pool a durable append is two trips, a write and then an fdatasync, and each costs
 * a wake-up of the pool and one of the event loop. This thread sleeps on a shared counter, does both
 * system calls and wakes the event loop once, and the loop itself never blocks on the disk.
 */
export class SyncThread {
  private readonly control = new Int32Array(
    new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT),
  );
  private readonly worker: Worker;
  private readonly bufferIndex = new Map<ArrayBufferLike, number>();
  private requests = 0;
  /** Answers the commit under way; null while the thread is free. */
  private answer: SyncAnswer | null = null;
  private state: 'runs' | 'stops' | 'ended' = 'runs';

  constructor() {
    this.worker = new Worker(`(${syncLoop.toString()})(require)`, {
      eval: true,
      workerData: { control: this.control, slots } satisfies ThreadData,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
      // What the process was told to load first is not for this small thread: it would not fit.
      execArgv: [],
      env: {},
    });
    this.worker.unref();
    this.worker.on('error', (cause: Error) => this.ended(cause));
    this.worker.on('exit', () => this.ended(new Error('the thread that syncs has ended')));
  }

  /** A buffer that the thread can read. It keeps the memory until it stops. */
  allocate(length: number): Uint8Array {
    const memory = new SharedArrayBuffer(length);
    this.bufferIndex.set(memory, this.bufferIndex.size);
    this.worker.postMessage(memory);
    return new Uint8Array(memory);
  }

  /** Whether `bytes` lies in a buffer of {@link allocate} and the thread is alive and free. */
  canTake(bytes: Uint8Array): boolean {
    return this.answer === null && this.state === 'runs' && this.bufferIndex.has(bytes.buffer);
  }

  /**
   * Writes and syncs; `answer` gets null or the name of the system error, once, also when the
   * thread dies: then nothing is known of the bytes. See `canTake`.
   */
  commit(fd: number, bytes: Uint8Array, position: number, answer: SyncAnswer): void {
    const control = this.control;
    this.answer = answer;
    control[FD] = fd;
    control[BUFFER] = this.bufferIndex.get(bytes.buffer) ?? 0;
    control[OFFSET] = bytes.byteOffset;
    control[LENGTH] = bytes.length;
    control[POSITION_HIGH] = Math.floor(position / 0x1_0000_0000);
    control[POSITION_LOW] = position | 0;
    const before = this.requests;
    this.requests = (before + 1) | 0;
    // A wait does not keep the event loop alive by itself; the thread does while it works.
    this.worker.ref();
    const reply = Atomics.waitAsync(control, REPLY, before);
    Atomics.store(control, REQUEST, this.requests);
    Atomics.notify(control, REQUEST);
    if (reply.async) void reply.value.then(() => this.finish());
    else queueMicrotask(() => this.finish());
  }

  /** Ends the thread, after the commit that is under way. */
  stop(): void {
    if (this.state !== 'runs') return;
    this.state = 'stops';
    if (this.answer === null) this.sendStop();
  }

  private sendStop(): void {
    this.control[FD] = STOP;
    Atomics.store(this.control, REQUEST, (this.requests + 1) | 0);
    Atomics.notify(this.control, REQUEST);
  }

  private finish(): void {
    const errno = Atomics.load(this.control, ERRNO);
    if (errno === 0) this.settle(null);
    else this.settle(errno === ERRNO_UNKNOWN ? 'UNKNOWN' : getSystemErrorName(errno));
  }

  private ended(cause: Error): void {
    this.state = 'ended';
    this.settle('UNKNOWN', cause);
  }

  private settle(errorName: string | null, cause?: Error): void {
    const { answer } = this;
    if (answer === null) return;
    this.answer = null;
    this.worker.unref();
    if (this.state === 'stops') this.sendStop();
    answer(errorName, cause);
  }
}
