import { readAuthinfo, type QuorumPacket } from '@aviary/protocol';
import { principalOf, type Principal } from '@aviary/znodes';

const ENTRIES_MAX = 1024;

interface Entry {
  readonly authinfo: Uint8Array;
  readonly principal: Principal;
}

/**
 * Who asks, by the bytes that say so: a client says the same of itself with each of its requests, and
 * most clients of a learner say the same as each other.
 */
export class PrincipalCache {
  private readonly entries = new Map<number, Entry>();
  private last: Entry | null = null;

  /** @param passesAll No list binds anybody. */
  constructor(private readonly passesAll: boolean) {}

  /**
   * Who has sent the request; no authinfo stands for nobody in particular, who may do what everybody
   * may. What servers do by themselves, like the end of a session, asks nobody's leave.
   *
   * @throws {PeerWireError} The authinfo is none.
   */
  of(packet: QuorumPacket): Principal {
    const { bytes, dataEnd, end } = packet;
    if (this.last !== null && isEqual(this.last.authinfo, bytes, dataEnd, end)) {
      return this.last.principal;
    }
    const hash = hashOf(bytes, dataEnd, end);
    let entry = this.entries.get(hash);
    if (entry === undefined || !isEqual(entry.authinfo, bytes, dataEnd, end)) {
      const principal = principalOf(readAuthinfo(packet) ?? [], this.passesAll);
      entry = { authinfo: bytes.slice(dataEnd, end), principal };
      if (this.entries.size >= ENTRIES_MAX) this.entries.clear();
      this.entries.set(hash, entry);
    }
    this.last = entry;
    return entry.principal;
  }
}

function isEqual(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash;
}
