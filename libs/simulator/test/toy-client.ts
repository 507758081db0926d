import type { ByteStream, StreamHandler } from '@aviary/foundation';
import type { RegisterHistory, SimulatedProcess, WriteHistory } from '@aviary/simulator';
import { READ, REPLY_BYTES, REQUEST_BYTES, TOY_PORT, WRITE } from './toy-server.js';

const REPLY_WAIT_MS = 3_000;
const KEY = '/register';

interface Reply {
  readonly version: number;
  readonly value: number;
}

/** Asks one thing after the other, for ever, and notes what it was told. */
export class ToyClient implements StreamHandler {
  answered = 0;
  private requests = 0;
  private stream: ByteStream | null = null;
  private readonly reply = new Uint8Array(REPLY_BYTES);
  private filled = 0;
  private waiter: ((reply: Reply | null) => void) | null = null;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly number: number,
    private readonly registers: RegisterHistory,
    private readonly writes: WriteHistory,
  ) {}

  async run(host: string): Promise<never> {
    for (;;) {
      if (this.stream === null) await this.connect(host);
      else if (this.process.random.uint32() % 2 === 0) await this.writeOnce();
      else await this.readOnce();
    }
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      this.reply[this.filled++] = bytes[at]!;
      if (this.filled < REPLY_BYTES) continue;
      this.filled = 0;
      const view = new DataView(this.reply.buffer);
      if (view.getUint32(0) !== this.requests) throw new Error('a reply to another request');
      this.answered++;
      this.waiter?.({ version: view.getUint32(4), value: view.getUint32(8) });
    }
  }

  onDrained(): void {}

  onClosed(): void {
    this.stream = null;
    this.filled = 0;
    this.waiter?.(null);
  }

  private async writeOnce(): Promise<void> {
    const value = this.number * 1_000_000 + this.requests + 1;
    const register = this.registers.write(KEY, String(value));
    const write = this.writes.begin(KEY, String(value));
    const reply = await this.ask(WRITE, value);
    if (reply === null) return; // nobody knows
    register.applied(reply.version);
    write.acknowledged(reply.version);
  }

  private async readOnce(): Promise<void> {
    const read = this.registers.read(KEY);
    const reply = await this.ask(READ, 0);
    if (reply !== null) read.returned(reply.version, String(reply.value));
  }

  private ask(operation: number, value: number): Promise<Reply | null> {
    const bytes = new Uint8Array(REQUEST_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, operation);
    view.setUint32(1, ++this.requests);
    view.setUint32(5, value);
    const stream = this.stream;
    return new Promise((resolve) => {
      const timer = this.process.clock.setTimer(REPLY_WAIT_MS, () => stream?.destroy());
      this.waiter = (reply) => {
        timer.cancel();
        this.waiter = null;
        resolve(reply);
      };
      stream?.write(bytes);
    });
  }

  private async connect(host: string): Promise<void> {
    const { clock, network } = this.process;
    try {
      const [address] = await network.resolve(host);
      this.stream = await network.connect({ address: address!, port: TOY_PORT }, 1_000);
      this.stream.start(this);
    } catch {
      // Refused or silent: the server is down or cut off for now.
      await new Promise<void>((resolve) => clock.setTimer(100, resolve));
    }
  }
}
