import type { Zxid } from '@aviary/foundation';
import { OpCode } from '@aviary/protocol';

/** What `cons` tells of a connection. */
export class ConnectionStatistics {
  packetsReceived = 0;
  packetsSent = 0;
  lastType: number = OpCode.notification;
  lastXid = 0;
  lastZxid: Zxid = 0;
  /** When the last request came, on the monotonic clock. */
  lastMs = 0;
  lastLatencyMs = 0;
  maxLatencyMs = 0;
  private totalLatencyMs = 0;

  /** Over all answers; one that was given at once took nothing. */
  get meanLatencyMs(): number {
    return this.packetsSent === 0 ? 0 : this.totalLatencyMs / this.packetsSent;
  }

  noteRequest(type: number, xid: number, nowMs: number): void {
    this.lastType = type;
    this.lastXid = xid;
    this.lastMs = nowMs;
  }

  noteRead(type: number, xid: number, nowMs: number, zxid: Zxid): void {
    this.noteRequest(type, xid, nowMs);
    this.lastZxid = zxid;
  }

  noteWrite(zxid: Zxid, tookMs: number): void {
    this.lastZxid = zxid;
    this.lastLatencyMs = tookMs;
    this.totalLatencyMs += tookMs;
    if (tookMs > this.maxLatencyMs) this.maxLatencyMs = tookMs;
  }

  /** Counts packets and times anew. */
  reset(): void {
    this.packetsReceived = 0;
    this.packetsSent = 0;
    this.lastLatencyMs = 0;
    this.maxLatencyMs = 0;
    this.totalLatencyMs = 0;
  }
}
