import type { ByteStream } from '@aviary/foundation';
import type { JuteWriter } from '@aviary/jute';
import type { ClientConnection } from './client-connection.js';
import { PauseReason, type ReadPause } from './read-pause.js';
import { appendBytes } from './reply.js';
import type { ServerContext } from './server-context.js';

/** Output of one turn is sent in parts of about this length. */
const PART_BYTES = 64 * 1024;

/**
 * What leaves on one connection: gathered in a buffer that is lent for the turn, and sent at its
 * end. A reader that lags behind is not read from until it has caught up.
 */
export class ConnectionOutput {
  private out: JuteWriter | null = null;
  /** All that has gathered, if it is one event: that goes to its thousand watchers uncopied. */
  private event: Uint8Array | null = null;

  constructor(
    private readonly server: ServerContext,
    private readonly stream: ByteStream,
    private readonly pause: ReadPause,
    private readonly owner: ClientConnection,
  ) {}

  /** Bytes that were written and have not left. */
  get pendingBytes(): number {
    return this.stream.queuedBytes + this.gatheredBytes;
  }

  /** Those of them that wait for the end of the turn. */
  get gatheredBytes(): number {
    return this.out?.position ?? this.event?.length ?? 0;
  }

  /** Bytes that the server has to hold: what the client does not read, or must not be told yet. */
  get heldBytes(): number {
    return this.stream.queuedBytes + (this.server.isMuted ? this.gatheredBytes : 0);
  }

  /** The buffer to append to; good until the next {@link flush}. */
  writer(): JuteWriter {
    const { event } = this;
    if (this.out !== null) return this.out;
    this.out = this.server.outputs.lend();
    this.event = null;
    if (event === null) this.server.noteOutput(this);
    else appendBytes(this.out, event, 0, event.length);
    return this.out;
  }

  /** Appends a frame that never changes again. */
  append(frame: Uint8Array): void {
    if (this.out !== null || this.event !== null) {
      appendBytes(this.writer(), frame, 0, frame.length);
      return;
    }
    this.event = frame;
    this.server.noteOutput(this);
  }

  /** Sends what has gathered, unless the server is muted. */
  flush(): void {
    const { out, event } = this;
    if (out === null && event === null) return;
    if (this.server.isMuted) return this.keep();
    this.out = null;
    this.event = null;
    const isTaken = event === null ? this.sendBuffer(out) : this.stream.write(event);
    if (isTaken) return;
    if (this.stream.queuedBytes > this.server.options.limits.outputHighBytes) {
      this.pause.add(PauseReason.output);
    }
    this.owner.countHeld();
  }

  /** Sends what has gathered if it is much. */
  flushIfLong(): void {
    if (this.gatheredBytes > PART_BYTES || this.server.isMuted) this.flush();
  }

  /** Counts what has to wait until the server may speak, and sets it a limit. */
  private keep(): void {
    const { options } = this.server;
    this.owner.countHeld();
    if (this.gatheredBytes <= options.limits.outputBytesMax) return;
    const line =
      'A client has asked for more than is kept while there is no leader; it is cut off.';
    this.server.cutOff(this.owner, line);
  }

  private sendBuffer(out: JuteWriter | null): boolean {
    if (out === null) return true;
    const isTaken = this.stream.write(out.bytes, 0, out.position);
    this.server.outputs.takeBack(out, isTaken);
    return isTaken;
  }

  /** The connection has closed: what has gathered goes nowhere. */
  drop(): void {
    this.out = null;
    this.event = null;
  }
}
