import { createHmac, timingSafeEqual } from 'node:crypto';
import { writeInt32 } from '@aviary/foundation';
import { PASSWORD_BYTES } from '@aviary/protocol';
import type { SessionIdentity } from './session-identity.js';

/** What ZooKeeper mixes into the seed of its passwords. */
const REFERENCE_SECRET = 0xb3415c00n;
const LCG_MULTIPLIER = 0x5deece66dn;
const LCG_INCREMENT = 0xbn;
const LCG_MASK = (1n << 48n) - 1n;

/** What makes and checks the passwords of sessions. */
export interface SessionPasswords {
  passwordOf(high: number, low: number): Uint8Array;
  isRight(high: number, low: number, password: Uint8Array): boolean;
}

/**
 * Makes and checks the passwords by which clients take up a session again: the keyed hash of its id.
 *
 * ZooKeeper's own are a function of the id alone, so that whoever knows or guesses an id can take
 * the session over. They are still right for sessions that were there when this server took over a
 * data directory of ZooKeeper's.
 */
export class PasswordKeeper implements SessionPasswords {
  constructor(private readonly identity: SessionIdentity) {}

  passwordOf(high: number, low: number): Uint8Array {
    const id = new Uint8Array(8);
    writeInt32(id, 0, high);
    writeInt32(id, 4, low);
    const mac = createHmac('sha256', this.identity.secret).update(id).digest();
    return mac.subarray(0, PASSWORD_BYTES);
  }

  isRight(high: number, low: number, password: Uint8Array): boolean {
    if (password.length !== PASSWORD_BYTES) return false;
    if (timingSafeEqual(password, this.passwordOf(high, low))) return true;
    if (!this.identity.isInherited(high, low)) return false;
    return timingSafeEqual(password, referencePassword(high, low));
  }
}

/**
 * The password that ZooKeeper gives to a session: sixteen bytes of `java.util.Random`, seeded with
 * the id and a constant. SessionTrackerImpl and ZooKeeperServer.generatePasswd.
 */
export function referencePassword(high: number, low: number): Uint8Array {
  const id = (BigInt(high) << 32n) | BigInt(low >>> 0);
  let state = (id ^ REFERENCE_SECRET ^ LCG_MULTIPLIER) & LCG_MASK;
  const password = new Uint8Array(PASSWORD_BYTES);
  for (let at = 0; at < PASSWORD_BYTES; at += 4) {
    state = (state * LCG_MULTIPLIER + LCG_INCREMENT) & LCG_MASK;
    const next = Number((state >> 16n) & 0xffffffffn);
    // nextBytes takes each number from its low end.
    for (let i = 0; i < 4; i++) password[at + i] = next >>> (8 * i);
  }
  return password;
}
