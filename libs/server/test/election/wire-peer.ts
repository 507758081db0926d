import type { ByteStream, SocketAddress, StreamHandler } from '@aviary/foundation';
import {
  NO_VOTE,
  PeerState,
  initialMessage,
  notificationFrame,
  readNotification,
  type NotificationMessage,
} from '@aviary/protocol';
import type { SimulatedProcess } from '@aviary/simulator';
import type { ServerId } from '@aviary/zab';
import { ELECTION_PORT } from './member-under-test.js';

/** What server `id` says first, if it is called back where the configuration has it. */
export function initialOf(id: ServerId): Uint8Array {
  return initialMessage(id, [{ host: `s${id}`, port: ELECTION_PORT }], false);
}

/** One end of a connection in the hands of a test. */
export class WireConnection implements StreamHandler {
  isClosed = false;
  isConnected = false;
  private bytes = new Uint8Array(0);
  private stream: ByteStream | null = null;

  constructor(private readonly process: SimulatedProcess) {}

  /** All bytes that have come. */
  get received(): Uint8Array {
    return this.bytes;
  }

  use(stream: ByteStream): this {
    this.stream = stream;
    this.isConnected = true;
    stream.start(this);
    return this;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.process.run(() => {
      for (const part of parts) this.stream?.write(new Uint8Array(part));
    });
  }

  close(): void {
    this.process.run(() => this.stream?.destroy());
  }

  pause(): void {
    this.process.run(() => this.stream?.pause());
  }

  resume(): void {
    this.process.run(() => this.stream?.resume());
  }

  /** What was said in whole messages behind the first `skipped` bytes. */
  notifications(skipped = 0): NotificationMessage[] {
    const messages: NotificationMessage[] = [];
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    for (let at = skipped; at + 4 <= this.bytes.length;) {
      const end = at + 4 + view.getInt32(at);
      if (end > this.bytes.length) break;
      messages.push(readNotification(this.bytes, at + 4, end));
      at = end;
    }
    return messages;
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = new Uint8Array(Buffer.concat([this.bytes, bytes.subarray(start, end)]));
  }

  onDrained(): void {}

  onClosed(): void {
    this.isClosed = true;
  }
}

/** A server whose every byte is said by the test. */
export class WirePeer {
  /** Connections that others made to it, in order. */
  readonly accepted: WireConnection[] = [];
  /** Sees each accepted connection. */
  onAccepted: (connection: WireConnection) => void = () => undefined;

  constructor(
    readonly id: ServerId,
    readonly process: SimulatedProcess,
  ) {}

  listen(port = ELECTION_PORT): void {
    this.process.run(() => {
      void this.process.network.listen({ address: null, port }, (stream) => {
        const connection = new WireConnection(this.process).use(stream);
        this.accepted.push(connection);
        this.onAccepted(connection);
      });
    });
  }

  /** Connects, and sends what is given at once. */
  connect(to: SocketAddress, ...bytes: readonly Uint8Array[]): WireConnection {
    const connection = new WireConnection(this.process);
    this.process.run(() => {
      void this.process.network.connect(to, 5000).then(
        (stream) => {
          connection.use(stream);
          connection.send(...bytes);
        },
        () => connection.onClosed(),
      );
    });
    return connection;
  }

  /** What it says first; by default it is called back where the configuration has it. */
  initial(host = `s${this.id}`, port = ELECTION_PORT): Uint8Array {
    return initialMessage(this.id, [{ host, port }], false);
  }
}

export interface Saying {
  readonly state?: keyof typeof PeerState;
  readonly leader?: ServerId | null;
  readonly zxid?: number;
  readonly round?: number;
  readonly epoch?: number;
  readonly config?: string;
}

/** A notification as it goes over the wire; by default an empty server votes for `leader`. */
export function saying({ leader = null, ...given }: Saying = {}): Uint8Array {
  const none = leader === null ? NO_VOTE : 0;
  return notificationFrame({
    state: PeerState[given.state ?? 'looking'],
    leader,
    zxid: given.zxid ?? none,
    electionEpoch: given.round ?? 1,
    peerEpoch: given.epoch ?? none,
    config: given.config ?? 'version=0',
  });
}
