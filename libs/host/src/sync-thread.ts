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
  const bufferAt = (index: number): Uint8Array => {
    while (buffers.length <= index) {
      const received = parentPort ? receiveMessageOnPort(parentPort) : undefined;
      if (received) buffers.push(new Uint8Array(received.message as SharedArrayBuffer));
    }
    return buffers[index];
  };
  const commit = (fd: number): void => {
    const bytes = bufferAt(control[s.BUFFER]);
    let offset = control[s.OFFSET];
    let left = control[s.LENGTH];
    const low = control[s.LOW] >>> 0;
    let position = control[s.HIGH] * 0x1_0000_0000 + low;
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
    while (Atomics.load(control, s.REQUEST) === seen) Atomics.wait(control, s.REQUEST, seen);
    seen = Atomics.load(control, s.REQUEST);
    const fd = control[s.FD];
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
  private isBusy = false;

  constructor() {
    this.worker = new Worker(`(${syncLoop.toString()})(require)`, {
      eval: true,
      workerData: { control: this.control, slots } satisfies ThreadData,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    this.worker.unref();
  }

  /** A buffer that the thread can read. */
  allocate(length: number): Uint8Array {
    const memory = new SharedArrayBuffer(length);
    this.bufferIndex.set(memory, this.bufferIndex.size);
    this.worker.postMessage(memory);
    return new Uint8Array(memory);
  }

  /** Whether `bytes` lies in a buffer of {@link allocate} and the thread is free. */
  canTake(bytes: Uint8Array): boolean {
    return !this.isBusy && this.bufferIndex.has(bytes.buffer);
  }

  /** Writes and syncs; `done` gets null or the name of the system error. See `canTake`. */
  commit(
    fd: number,
    bytes: Uint8Array,
    position: number,
    done: (errorName: string | null) => void,
  ): void {
    const control = this.control;
    this.isBusy = true;
    control[FD] = fd;
    control[BUFFER] = this.bufferIndex.get(bytes.buffer) ?? 0;
    control[OFFSET] = bytes.byteOffset;
    control[LENGTH] = bytes.length;
    control[POSITION_HIGH] = Math.floor(position / 0x1_0000_0000);
    control[POSITION_LOW] = position | 0;
    const before = this.requests;
    this.requests = (before + 1) | 0;
    const finish = () => {
      this.isBusy = false;
      this.worker.unref();
      const errno = control[ERRNO];
      done(errno === 0 ? null : errno === ERRNO_UNKNOWN ? 'UNKNOWN' : getSystemErrorName(errno));
    };
    // A wait does not keep the event loop alive by itself; the thread does while it works.
    this.worker.ref();
    const reply = Atomics.waitAsync(control, REPLY, before);
    Atomics.store(control, REQUEST, this.requests);
    Atomics.notify(control, REQUEST);
    if (reply.async) void reply.value.then(finish);
    else queueMicrotask(finish);
  }

  /** Ends the thread. No commit may be under way. */
  stop(): void {
    this.control[FD] = STOP;
    Atomics.store(this.control, REQUEST, (this.requests + 1) | 0);
    Atomics.notify(this.control, REQUEST);
  }
}
