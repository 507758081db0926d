import type { Stat } from '@aviary/client';

/** One node that has to be read, and what happened to it while its read was under way. */
export class Want {
  readonly path: string;
  /** Whether its children are asked for, too. */
  list = false;
  inFlight = false;
  /** An answer said that it must not be read. */
  isRefused = false;
  /** What the answer must show; anything older must be read again. */
  private mzxid = 0n;
  private pzxid = 0n;
  /** Whatever the answer shows, it must be read again. */
  private once = false;

  constructor(path: string) {
    this.path = path;
  }

  /** Something happened since the read was sent. */
  get hasNews(): boolean {
    return this.once || this.mzxid > 0n || this.pzxid > 0n;
  }

  sent(): void {
    this.inFlight = true;
    this.mzxid = 0n;
    this.pzxid = 0n;
    this.once = false;
  }

  /** The node was created or written to. */
  noteData(zxid: bigint | null): void {
    if (!this.inFlight) return;
    // Servers before 3.9 do not say in which transaction: who knows which came first.
    if (zxid === null) this.once = true;
    else if (zxid > this.mzxid) this.mzxid = zxid;
  }

  /** A child came or went. */
  noteChild(zxid: bigint | null): void {
    if (!this.inFlight) return;
    if (zxid === null) this.once = true;
    else if (zxid > this.pzxid) this.pzxid = zxid;
  }

  /** The read on its way asked for too little. */
  again(): void {
    if (this.inFlight) this.once = true;
  }

  /** Whether something happened that `stat` does not show yet. */
  isNewerThan(stat: Stat): boolean {
    return this.once || this.mzxid > stat.mzxid || this.pzxid > stat.pzxid;
  }
}
