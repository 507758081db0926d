import { JuteWriter } from '@aviary/jute';

const BUFFER_BYTES = 4096;
/** A buffer that a large reply has made grow beyond this is not kept. */
const KEPT_BYTES_MAX = 256 * 1024;
const KEPT_BUFFERS_MAX = 512;

/**
 * Buffers for replies, lent to a connection between its first reply of a turn and the write to its
 * socket: a connection that has nothing to say holds none.
 */
export class OutputPool {
  private readonly free: JuteWriter[] = [];

  lend(): JuteWriter {
    return this.free.pop() ?? new JuteWriter(BUFFER_BYTES);
  }

  /** Takes back a buffer; `isTaken`: the stream does not need its memory any more. */
  takeBack(writer: JuteWriter, isTaken: boolean): void {
    if (!isTaken || writer.bytes.length > KEPT_BYTES_MAX) return;
    if (this.free.length >= KEPT_BUFFERS_MAX) return;
    writer.clear();
    this.free.push(writer);
  }
}
