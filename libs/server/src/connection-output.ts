import type { ByteStream } from '@aviary/foundation';
import type { JuteWriter } from '@aviary/jute';
import { PauseReason, type ReadPause } from './read-pause.js';
import type { ServerContext } from './server-context.js';

/**
 * What leaves on one connection: gathered in a buffer that is lent for the turn, and sent at its
 * end. A reader that lags behind is not read from until it has caught up.
 */
export class ConnectionOutput {
  private out: JuteWriter | null = null;

  constructor(
    private readonly server: ServerContext,
    private readonly stream: ByteStream,
    private readonly pause: ReadPause,
    private readonly owner: { countHeld(): void },
  ) {}

  /** Bytes that were written and have not left. */
  get pendingBytes(): number {
    return this.stream.queuedBytes + this.gatheredBytes;
  }

  /** Those of them that wait for the end of the turn. */
  get gatheredBytes(): number {
    return this.out === null ? 0 : this.out.position;
  }

  /** The buffer to append to; good until the next {@link flush}. */
  writer(): JuteWriter {
    if (this.out === null) {
      this.out = this.server.outputs.lend();
      this.server.noteOutput(this);
    }
    return this.out;
  }

  /** Sends what has gathered. */
  flush(): void {
    const { out } = this;
    if (out === null) return;
    this.out = null;
    const isTaken = this.stream.write(out.bytes, 0, out.position);
    this.server.outputs.takeBack(out, isTaken);
    if (isTaken) return;
    if (this.stream.queuedBytes > this.server.options.limits.outputHighBytes) {
      this.pause.add(PauseReason.output);
    }
    this.owner.countHeld();
  }

  /** The connection has closed: what has gathered goes nowhere. */
  drop(): void {
    this.out = null;
  }
}
