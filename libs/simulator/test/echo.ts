import type { ByteStream, DiskFile, StreamHandler } from '@aviary/foundation';
import type { SimulatedProcess } from '@aviary/simulator';

export const ECHO_PORT = 7;

/** A server that sends back what it gets, after it has written it to `/data/echo` durably. */
export function startEchoServer(process: SimulatedProcess): void {
  process.run(() => void listen(process));
}

async function listen(process: SimulatedProcess): Promise<void> {
  const file = await process.disk.open('/data/echo', 'create');
  const log = new EchoLog(file);
  await process.disk.syncDirectory('/data');
  await process.network.listen({ address: null, port: ECHO_PORT }, (stream) => {
    stream.start(new EchoConnection(stream, log));
  });
}

/** One commit at a time; what comes meanwhile waits. */
class EchoLog {
  private readonly waiting: { bytes: Uint8Array; done: () => void }[] = [];
  private position = 0;
  private isBusy = false;

  constructor(private readonly file: DiskFile) {}

  append(bytes: Uint8Array, done: () => void): void {
    this.waiting.push({ bytes, done });
    if (!this.isBusy) this.commitNext();
  }

  private commitNext(): void {
    const next = this.waiting.shift();
    this.isBusy = next !== undefined;
    if (next === undefined) return;
    this.file.commit(next.bytes, this.position, (error) => {
      if (error !== null) return;
      this.position += next.bytes.length;
      next.done();
      this.commitNext();
    });
  }
}

class EchoConnection implements StreamHandler {
  constructor(
    private readonly stream: ByteStream,
    private readonly log: EchoLog,
  ) {}

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    const copy = bytes.slice(start, end);
    this.log.append(copy, () => this.stream.write(copy));
  }

  onDrained(): void {}

  onClosed(): void {}
}

/** Sends bytes now and then, counts what comes back, and connects again when it must. */
export class EchoClient implements StreamHandler {
  sent = 0;
  received = 0;
  connections = 0;
  closes = 0;
  lastReason: Error | null = null;
  private stream: ByteStream | null = null;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly address: string,
  ) {}

  /** Connects, and sends a message every `everyMs`. */
  start(everyMs: number): void {
    this.process.run(() => {
      void this.connect();
      this.beat(everyMs);
    });
  }

  onBytes(_bytes: Uint8Array, start: number, end: number): void {
    this.received += end - start;
  }

  onDrained(): void {}

  onClosed(reason: Error | null): void {
    this.stream = null;
    this.closes++;
    this.lastReason = reason;
    this.process.clock.setTimer(100, () => void this.connect());
  }

  private beat(everyMs: number): void {
    const message = new Uint8Array(20).fill(this.sent);
    if (this.stream !== null) {
      this.stream.write(message);
      this.sent += message.length;
    }
    this.process.clock.setTimer(everyMs, () => this.beat(everyMs));
  }

  private async connect(): Promise<void> {
    try {
      const to = { address: this.address, port: ECHO_PORT };
      const stream = await this.process.network.connect(to, 1_000);
      this.connections++;
      this.stream = stream;
      stream.start(this);
    } catch {
      // Refused or too late: the server is down for now.
      this.process.clock.setTimer(100, () => void this.connect());
    }
  }
}
