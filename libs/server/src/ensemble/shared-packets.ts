import { QuorumPacketWriter } from '@aviary/protocol';

/**
 * What goes to every follower alike, proposals and commits, written once for all of them.
 *
 * Each connection remembers up to where it has sent of that, and what else it sends comes in between
 * in the order in which it was written.
 */
export class SharedPackets {
  readonly writer = new QuorumPacketWriter();
  /** Whether some socket still has to send from the buffer. */
  private isLent = false;

  get position(): number {
    return this.writer.output.position;
  }

  get bytes(): Uint8Array {
    return this.writer.output.bytes;
  }

  /** A socket keeps the bytes until it has sent them. */
  lend(): void {
    this.isLent = true;
  }

  /** Begins anew: every connection has handed over what was here. */
  clear(): void {
    const { output } = this.writer;
    if (this.isLent) output.bytes = new Uint8Array(output.bytes.length);
    this.isLent = false;
    output.clear();
  }
}
