import { connect, type Socket } from 'node:net';
import { FrameReader } from '@aviary/protocol';
import { LOOPBACK } from '../servers.js';

const ANSWER_MS = 20_000;
const FRAME_BYTES_MAX = 1 << 28;

/** Frames over a socket: no client, no retry, no interpretation. */
export class RawConnection {
  private readonly frames: Uint8Array[] = [];
  private isClosed = false;
  private waiter: (() => void) | null = null;

  private constructor(private readonly socket: Socket) {
    const reader = new FrameReader(FRAME_BYTES_MAX);
    const sink = {
      onFrame: (bytes: Uint8Array, start: number, end: number) => {
        this.frames.push(Uint8Array.prototype.slice.call(bytes, start, end));
        return true;
      },
    };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      if (reader.push(chunk, 0, chunk.length, sink) !== null) socket.destroy();
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, LOOPBACK);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next frame, without its length; null: the server has closed and sent nothing more. */
  async next(): Promise<Uint8Array | null> {
    const deadline = performance.now() + ANSWER_MS;
    while (this.frames.length === 0 && !this.isClosed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`no frame and no end of the connection in ${ANSWER_MS} ms`);
      await this.wait(leftMs);
    }
    return this.frames.shift() ?? null;
  }

  /** Cuts the connection; returns once it is gone. */
  async drop(): Promise<void> {
    this.socket.destroy();
    while (!this.isClosed) await this.wait(ANSWER_MS);
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), ms);
      this.waiter = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private wake(): void {
    const { waiter } = this;
    this.waiter = null;
    waiter?.();
  }
}
